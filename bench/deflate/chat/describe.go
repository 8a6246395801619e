package chat

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Statistics describe a corpus. Sizes are in bytes.
type Statistics struct {
	Messages, Bytes, Mean, Median, Min, Max int
	GzipAll                                 float64 // compressed/plain, all of it at once, level 6
	GzipEach                                float64 // the same, each message by itself, without gzip's header
	Types                                   map[string]int
}

// gzipFrame is what gzip has around a deflate stream.
const gzipFrame = 18

// Describe computes the statistics of a corpus.
func Describe(sessions [][][]byte) (Statistics, error) {
	st := Statistics{Types: map[string]int{}}
	var sizes []int
	each := 0
	for _, s := range sessions {
		for _, m := range s {
			var head struct {
				Type string `json:"type"`
			}
			if err := json.Unmarshal(m, &head); err != nil {
				return st, err
			}
			st.Types[head.Type]++
			st.Bytes += len(m)
			sizes = append(sizes, len(m))
			each += gzipped(m) - gzipFrame
		}
	}
	slices.Sort(sizes)
	st.Messages = len(sizes)
	st.Mean, st.Median = st.Bytes/len(sizes), sizes[len(sizes)/2]
	st.Min, st.Max = sizes[0], sizes[len(sizes)-1]
	st.GzipAll = float64(gzipped(Format(sessions))) / float64(st.Bytes)
	st.GzipEach = float64(each) / float64(st.Bytes)
	return st, nil
}

func gzipped(b []byte) int {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(b) // a bytes.Buffer cannot fail
	_ = w.Close()
	return out.Len()
}

// String is the statistics as a sentence.
func (st Statistics) String() string {
	var types []string
	for t := range st.Types {
		types = append(types, t)
	}
	slices.SortFunc(types, func(a, b string) int {
		return cmp.Or(st.Types[b]-st.Types[a], strings.Compare(a, b))
	})
	for i, t := range types {
		types[i] = fmt.Sprintf("%s %d", t, st.Types[t])
	}
	return fmt.Sprintf("%d messages, %d bytes; mean %d, median %d, %d to %d bytes; "+
		"gzip -6 of the whole %.3f, of each message by itself %.3f; %s",
		st.Messages, st.Bytes, st.Mean, st.Median, st.Min, st.Max, st.GzipAll, st.GzipEach, strings.Join(types, ", "))
}
