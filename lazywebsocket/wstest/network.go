package wstest

import "math/rand/v2"

// Network says how the connections of this package carry bytes. The zero value
// is what the package's functions use.
type Network struct {
	// Buffer is how many bytes a direction holds before a write waits for the
	// reader. If zero, 64 KiB. If negative, no limit.
	Buffer int

	// Chunk returns how many bytes the next read gets at most, of those that
	// have arrived; less than one counts as one. If nil, a read gets what there
	// is. It is called by one goroutine at a time, from both ends, and must not
	// use the connection.
	Chunk func() int
}

const defaultBuffer = 64 << 10

// Bytewise is a Network.Chunk that delivers one byte to each read.
func Bytewise() int { return 1 }

// RandomChunks returns a Network.Chunk that delivers 1 to most bytes to each
// read, the same sequence for the same seed.
func RandomChunks(seed uint64, most int) func() int {
	r := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // chunk sizes are no secret
	return func() int { return 1 + r.IntN(max(most, 1)) }
}
