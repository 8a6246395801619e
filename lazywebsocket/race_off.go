//go:build !race

package lazywebsocket

// raceEnabled is off outside of builds with the race detector.
const raceEnabled = false
