package parts

import (
	"io"

	"github.com/google/pprof/profile"
)

// Shares are how a profile's samples are divided.
type Shares struct {
	Samples int64
	Of      map[Part]int64
}

// Percent is a part's share.
func (s Shares) Percent(p Part) float64 {
	return 100 * float64(s.Of[p]) / float64(max(s.Samples, 1))
}

// Read divides a CPU profile of a Go program.
func Read(r io.Reader) (Shares, error) {
	s := Shares{Of: map[Part]int64{}}
	p, err := profile.Parse(r)
	if err != nil {
		return s, err
	}
	for _, sample := range p.Sample {
		n := sample.Value[0] // samples; the second are nanoseconds
		s.Samples += n
		s.Of[Of(stack(sample))] += n
	}
	return s, nil
}

// stack has inlined functions too.
func stack(s *profile.Sample) []Frame {
	var all []Frame
	for _, at := range s.Location {
		for _, line := range at.Line {
			if line.Function != nil {
				all = append(all, Frame{line.Function.Name, line.Function.Filename})
			}
		}
	}
	return all
}
