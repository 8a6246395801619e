//go:build !race

package lazywebsocket

// poisonBuffers is off outside of builds with the race detector.
const poisonBuffers = false
