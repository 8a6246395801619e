package load

import (
	"math/bits"
	"time"
)

// histogram counts durations with an error of at most 1/32.
type histogram struct {
	counts [64 * steps]int
	total  int
}

const (
	stepBits = 5
	steps    = 1 << stepBits
)

func (h *histogram) add(d time.Duration, n int) {
	h.counts[bucket(d)] += n
	h.total += n
}

// bucket: below 2*steps each nanosecond has its own, above every power of two
// has steps of them.
func bucket(d time.Duration) int {
	v := uint64(max(d, 0))
	shift := max(bits.Len64(v)-stepBits-1, 0)
	return shift*steps + int(v>>shift) //nolint:gosec // less than 2*steps
}

// upper is the largest duration of a bucket.
func upper(i int) time.Duration {
	shift := max(i/steps-1, 0)
	return time.Duration((i-shift*steps+1)<<shift - 1)
}

// quantile is the duration that q of all do not exceed.
func (h *histogram) quantile(q float64) time.Duration {
	rank := int(q * float64(h.total))
	for i, n := range h.counts {
		if rank -= n; rank < 0 && n > 0 {
			return upper(i)
		}
	}
	return 0
}
