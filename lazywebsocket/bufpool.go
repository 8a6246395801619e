package lazywebsocket

import (
	"math/bits"
	"sync"
)

// The pooled buffers have sizes of powers of two, from 512 B to 1 MiB.
const (
	minBufferShift = 9
	maxBufferShift = 20
	maxPooled      = 1 << maxBufferShift
)

// maxBuffer is the largest piece that is read or written through a buffer, and
// the most that is held.
const maxBuffer = 64 << 10

// buffer is borrowed memory: b has the length of its size class. A pointer to
// it goes through the pools, so that borrowing allocates nothing.
type buffer struct{ b []byte }

var bufferPools [maxBufferShift - minBufferShift + 1]sync.Pool

// borrow returns a buffer of at least n bytes, at most maxPooled. What is in it
// is undefined: only what the borrower wrote may leave it.
func borrow(n int) *buffer {
	class := bufferClass(n)
	if p, ok := bufferPools[class].Get().(*buffer); ok {
		return p
	}
	return &buffer{b: make([]byte, 1<<(minBufferShift+class))}
}

// giveBack ends the borrowing. Builds with the race detector overwrite the
// buffer first, so that a test sees stale bytes if anybody still looks at them
// or sends more than it wrote.
func giveBack(p *buffer) {
	overwrite(p.b)
	bufferPools[bufferClass(len(p.b))].Put(p)
}

// overwrite makes borrowed memory useless for who still looks at it, in builds
// with the race detector.
func overwrite(b []byte) {
	if raceEnabled {
		for i := range b {
			b[i] = poison
		}
	}
}

func bufferClass(n int) int {
	shift := bits.Len(uint(max(n, 1) - 1))
	return min(max(shift, minBufferShift), maxBufferShift) - minBufferShift
}

// poison is the byte that overwrite writes: not UTF-8, no opcode.
const poison = 0xFB
