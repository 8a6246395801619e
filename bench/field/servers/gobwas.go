package servers

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"slices"

	"github.com/gobwas/ws"

	"golazy.dev/bench/field/scenario"
)

// gobwasServer uses the low-level functions, with a bufio.Reader and one write
// for a header and its payload. It checks what they check: no UTF-8, no limits.
func gobwasServer() Server {
	g := new(gobwas)
	return Server{
		Name: "gobwas", Setting: "v1.5.0, zero-copy upgrade, low-level frames in reused buffers, bufio.Reader",
		Start: accept(g.serve),
	}
}

type gobwas struct{ room room[net.Conn] }

func (g *gobwas) serve(nc net.Conn) {
	defer nc.Close() //nolint:errcheck // the end of the connection
	var path string
	upgrader := ws.Upgrader{OnRequest: func(uri []byte) error {
		path = string(uri)
		return nil
	}}
	if _, err := upgrader.Upgrade(nc); err != nil {
		return
	}
	f := &gobwasFrames{nc: nc, r: bufio.NewReader(nc)}
	switch path {
	case scenario.Echo:
		f.each(f.write)
	case scenario.Queue:
		f.queue()
	case scenario.Room:
		g.room.join(nc)
		defer g.room.leave(nc)
		f.each(f.write)
	case scenario.Publish:
		f.each(func(h ws.Header) error { return g.publish(h, f.payload()) })
	}
}

// gobwasFrames reads the frames of a connection. Payloads are read behind room
// for the header of an answer.
type gobwasFrames struct {
	nc   net.Conn
	r    *bufio.Reader
	buf  []byte
	head bytes.Buffer
}

func (f *gobwasFrames) each(do func(ws.Header) error) {
	for {
		h, err := ws.ReadHeader(f.r)
		if err != nil {
			return
		}
		n := ws.MaxHeaderSize + int(h.Length)
		f.buf = slices.Grow(f.buf[:0], n)[:n]
		if _, err := io.ReadFull(f.r, f.payload()); err != nil {
			return
		}
		ws.Cipher(f.payload(), h.Mask, 0)
		if h.OpCode == ws.OpClose {
			_ = f.write(h) // the end in any case
			return
		}
		if err := do(h); err != nil {
			return
		}
	}
}

func (f *gobwasFrames) payload() []byte { return f.buf[ws.MaxHeaderSize:] }

// frame is the payload with the header of an answer before it.
func (f *gobwasFrames) frame(h ws.Header) ([]byte, error) {
	f.head.Reset()
	err := ws.WriteHeader(&f.head, ws.Header{Fin: h.Fin, OpCode: h.OpCode, Length: h.Length})
	begin := ws.MaxHeaderSize - f.head.Len()
	copy(f.buf[begin:], f.head.Bytes())
	return f.buf[begin:], err
}

func (f *gobwasFrames) write(h ws.Header) error {
	b, err := f.frame(h)
	if err != nil {
		return err
	}
	_, err = f.nc.Write(b)
	return err
}

func (f *gobwasFrames) queue() {
	queue := make(chan []byte, scenario.QueueLength)
	defer close(queue)
	go func() {
		for frame := range queue {
			_, _ = f.nc.Write(frame) // the reader sees the end
		}
	}()
	f.each(func(h ws.Header) error {
		b, err := f.frame(h)
		queue <- bytes.Clone(b)
		return err
	})
}

// publish compiles each frame once for all.
func (g *gobwas) publish(h ws.Header, payload []byte) error {
	for range scenario.Copies(payload) {
		frame, err := ws.CompileFrame(ws.NewFrame(h.OpCode, true, payload))
		if err != nil {
			return err
		}
		g.room.each(func(nc net.Conn) error {
			_, err := nc.Write(frame)
			return err
		})
	}
	return nil
}
