//go:build race

package wsproto

// The race detector makes the exhaustive tests ten times slower and finds
// nothing in them, since they share nothing: here they take every 17th sequence.
func init() { exhaustiveStep = 17 }
