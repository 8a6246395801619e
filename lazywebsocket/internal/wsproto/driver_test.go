package wsproto

import (
	"bytes"
	"errors"
	"testing"
)

// decode drives a Decoder as a connection does, with the stream arriving in
// chunks of the given sizes, again and again; without sizes it comes at once.
// It parses Close frames, and checks on its way what holds for every stream.
func decode(t testing.TB, l limits, stream []byte, sizes ...int) (out seen, chunk int) {
	t.Helper()
	d := Decoder{Role: l.role, Limit: l.limit, MaxFragments: int32(l.maxFragments)}
	var buf []byte // arrived and not consumed
	for i, in := 0, 0; in < len(stream); i++ {
		chunk = len(stream) - in
		if len(sizes) > 0 {
			chunk = min(chunk, sizes[i%len(sizes)])
		}
		buf = append(buf, stream[in:in+chunk]...)
		in += chunk
		rest, err := drive(t, &d, buf, &out)
		buf = rest
		var rule *ProtocolError
		if errors.As(err, &rule) {
			out.code, out.at, out.reason = rule.Code, in, rule.Reason
			return out, chunk
		} else if err != nil {
			t.Fatalf("error %v is no ProtocolError", err)
		}
	}
	return out, chunk
}

// drive feeds the decoder with what has arrived, until it wants more.
func drive(t testing.TB, d *Decoder, buf []byte, out *seen) ([]byte, error) {
	t.Helper()
	for len(buf) > 0 {
		if d.Remaining() == 0 {
			before := *d
			f, n, err := d.Next(buf)
			if err != nil {
				return buf, err
			}
			if n == 0 {
				if *d != before || f != (Frame{}) {
					t.Fatalf("Next(% x) wants more, but changed %+v to %+v, returned %+v", buf, before, *d, f)
				}
				return buf, nil
			}
			if d.Remaining() != f.Length {
				t.Fatalf("Remaining() = %d after the header of %d bytes", d.Remaining(), f.Length)
			}
			if d.Closed() != (f.Opcode == Close) { // nothing comes after a Close frame
				t.Fatalf("Closed() = %v after the header of %v", d.Closed(), f.Opcode)
			}
			buf = buf[n:]
			out.frames = append(out.frames, seenFrame{Frame: f, done: f.Length == 0, open: d.InMessage()})
			continue
		}
		p := buf[:min(int64(len(buf)), d.Remaining())]
		buf = buf[len(p):]
		if err := drivePayload(d, p, &out.frames[len(out.frames)-1]); err != nil {
			return buf, err
		}
	}
	return buf, nil
}

func drivePayload(d *Decoder, p []byte, f *seenFrame) error {
	err := d.Payload(p)
	f.data = append(f.data, p...)
	f.done, f.open = d.Remaining() == 0, d.InMessage()
	if err == nil && f.Opcode == Close && f.done {
		_, _, err = ParseClose(f.data)
	}
	return err
}

// checkSame compares what the decoder saw with the reference. The error must
// come with the chunk that holds the first wrong byte; of the frame that it
// ends, the decoder may have seen the rest of that chunk.
func checkSame(t testing.TB, got seen, chunk int, want seen) {
	t.Helper()
	if got.code != want.code || want.at > got.at || want.at <= got.at-chunk && got.code != 0 {
		t.Fatalf("error %d (%s) with bytes %d to %d, want %d at byte %d\n got %v\nwant %v",
			got.code, got.reason, got.at-chunk+1, got.at, want.code, want.at, got, want)
	}
	if len(got.frames) != len(want.frames) {
		t.Fatalf("%d frames, want %d\n got %v\nwant %v", len(got.frames), len(want.frames), got, want)
	}
	for i, g := range got.frames {
		w := want.frames[i]
		if got.code != 0 && i == len(got.frames)-1 {
			g.data = g.data[:min(len(g.data), len(w.data))]
			g.done, g.open = w.done, w.open
		}
		if g.Frame != w.Frame || !bytes.Equal(g.data, w.data) || g.done != w.done || g.open != w.open {
			t.Fatalf("frame %d is %+v\nwant %+v\n got %v\nwant %v", i, g, w, got, want)
		}
	}
}

// checkAll compares the decoder with the reference for a stream in many
// chunkings, and returns what both saw.
func checkAll(t testing.TB, l limits, stream []byte) seen {
	t.Helper()
	want := refDecode(l, stream)
	whole, chunk := decode(t, l, stream)
	checkSame(t, whole, chunk, want)
	for _, size := range []int{1, 2, 3, 7} {
		got, chunk := decode(t, l, stream, size)
		checkSame(t, got, chunk, want)
	}
	for cut := 1; cut < min(len(stream), 200); cut++ {
		got, chunk := decode(t, l, stream, cut, len(stream))
		checkSame(t, got, chunk, want)
	}
	return whole
}
