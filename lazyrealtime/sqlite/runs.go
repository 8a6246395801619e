package sqlite

import (
	"encoding/binary"
	"errors"
)

// runLength is how many messages a run has at most: what a reader decodes to find
// one of them, and what a topic's index costs per message.
const runLength = 128

var errRun = errors.New("a run of the index is broken")

// appendSeqs appends rising seqs to the form that a run has them in: varints of the
// differences, the first one's to last, which is 0 at the run's beginning.
func appendSeqs(b []byte, last int64, seqs []int64) []byte {
	for _, s := range seqs {
		b = binary.AppendUvarint(b, uint64(s-last)) //nolint:gosec // seqs rise
		last = s
	}
	return b
}

// parseSeqs appends the seqs of a run to list.
func parseSeqs(list []int64, b []byte) ([]int64, error) {
	last := uint64(0)
	for len(b) > 0 {
		d, n := binary.Uvarint(b)
		if n <= 0 {
			return list, errRun
		}
		last += d
		list = append(list, int64(last)) //nolint:gosec // what appendSeqs was given
		b = b[n:]
	}
	return list, nil
}
