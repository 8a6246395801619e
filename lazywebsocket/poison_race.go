//go:build race

package lazywebsocket

// poisonBuffers makes giveBack overwrite what it takes back.
const poisonBuffers = true
