// Package maths has what the benchmarks' tables share.
package maths

import (
	"math"
	"slices"
)

// Median is that of an even number too; NaN of none.
func Median(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}
