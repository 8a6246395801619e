package wire

import (
	"bytes"
	standard "compress/flate"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
)

const (
	maxWindow = 32 << 10
	marker    = "\x00\x00\xff\xff"
	// tail completes a message (RFC 7692, 7.2.2): the marker that its sender left
	// out, and an empty final block, so that the decompressor sees the end.
	tail = marker + "\x01\x00\x00\xff\xff"
)

// Deflater compresses messages with a live compressor, which holds its whole
// state as long as the connection lives.
type Deflater struct {
	w        compressor
	out      bytes.Buffer
	takeover bool
}

// compressor is a flate.Writer, of klauspost/compress or of the standard library.
type compressor interface {
	Write(p []byte) (int, error)
	Flush() error
	Reset(dst io.Writer)
}

// NewDeflater returns a compressor of the given level.
func NewDeflater(level int, takeover bool) (*Deflater, error) {
	d := &Deflater{takeover: takeover}
	w, err := flate.NewWriter(&d.out, level)
	d.w = w
	return d, err
}

// NewStandardDeflater is NewDeflater with the standard library's compressor.
func NewStandardDeflater(level int, takeover bool) (*Deflater, error) {
	d := &Deflater{takeover: takeover}
	w, err := standard.NewWriter(&d.out, level)
	d.w = w
	return d, err
}

// NewWindowDeflater returns a compressor with a window of 1<<bits bytes, for
// which klauspost/compress has one level.
func NewWindowDeflater(bits int, takeover bool) (*Deflater, error) {
	d := &Deflater{takeover: takeover}
	w, err := flate.NewWriterWindow(&d.out, 1<<bits)
	d.w = w
	return d, err
}

// Deflate returns the compressed payload of a message, valid until the next call.
func (d *Deflater) Deflate(p []byte) ([]byte, error) {
	d.out.Reset()
	if !d.takeover {
		d.w.Reset(&d.out)
	}
	if _, err := d.w.Write(p); err != nil {
		return nil, err
	}
	if err := d.w.Flush(); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(d.out.Bytes(), []byte(marker)), nil
}

// Inflater decompresses messages. Between messages it holds its window: the
// decompressor is borrowed.
type Inflater struct {
	Takeover bool
	window   []byte
}

type inflation struct {
	src bytes.Reader
	r   io.ReadCloser
}

var inflations = sync.Pool{New: func() any {
	m := new(inflation)
	m.r = flate.NewReader(&m.src)
	return m
}}

// Inflate appends the plain text of a compressed message to dst. It uses the
// capacity behind payload.
func (f *Inflater) Inflate(dst, payload []byte) ([]byte, error) {
	m := inflations.Get().(*inflation)
	defer inflations.Put(m)
	m.src.Reset(append(payload, tail...))
	if err := m.r.(flate.Resetter).Reset(&m.src, f.window); err != nil {
		return dst, err
	}
	start := len(dst)
	for {
		if len(dst) == cap(dst) {
			dst = append(dst, 0)[:len(dst)]
		}
		n, err := m.r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return dst, err
		}
	}
	if f.Takeover {
		f.remember(dst[start:])
	}
	return dst, nil
}

// remember appends p to the window. It moves what is there only when as much
// again has come.
func (f *Inflater) remember(p []byte) {
	f.window = append(f.window, p...)
	if len(f.window) >= 2*maxWindow {
		f.window = f.window[:copy(f.window, f.window[len(f.window)-maxWindow:])]
	}
}
