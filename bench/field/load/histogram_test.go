package load

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// Quantiles are those of the sorted durations, up to 1/32.
func TestQuantile(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var h histogram
	var all []time.Duration
	for range 10_000 {
		d := time.Duration(random.ExpFloat64() * float64(time.Millisecond))
		all = append(all, d)
		h.add(d, 1)
	}
	slices.Sort(all)
	for _, q := range []float64{0, 0.5, 0.99, 0.999} {
		want := all[int(q*float64(len(all)))]
		if got := h.quantile(q); got < want || float64(got) > float64(want)*33/32+1 {
			t.Errorf("the %g quantile is %v, not %v", q, got, want)
		}
	}
	if got := new(histogram).quantile(0.5); got != 0 {
		t.Errorf("of nothing the median is %v", got)
	}
}

// Buckets join without gaps, from a nanosecond to hours.
func TestBuckets(t *testing.T) {
	for d := time.Duration(0); d < 24*time.Hour; d += 1 + d/100 {
		i := bucket(d)
		if upper(i) < d || i > 0 && upper(i-1) >= d {
			t.Fatalf("%v is in bucket %d, which ends at %v after %v", d, i, upper(i), upper(i-1))
		}
	}
}
