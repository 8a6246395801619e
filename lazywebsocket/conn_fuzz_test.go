package lazywebsocket

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"golazy.dev/lazywebsocket/internal/wsproto"
)

// FuzzConn feeds what a peer may send to a connection, in chunks that the fuzzer
// chooses, and reads it in two ways: whole messages, and through readers with a
// small buffer. Both must deliver the same messages and come to the same end,
// say the same goodbye, and keep returning the same error.
func FuzzConn(f *testing.F) {
	for _, seed := range []string{
		"\x81\x85\x00\x00\x00\x00hello\x88\x80\x00\x00\x00\x00",
		"\x01\x81\x00\x00\x00\x00a\x89\x82\x01\x02\x03\x04\x01\x02\x80\x81\x00\x00\x00\x00b",
		"\x81\xfe\x01\x00\x00\x00\x00\x00" + string(bytes.Repeat([]byte("x"), 256)),
		"\x82\xff\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00yz",
		"\x81\x84\x00\x00\x00\x00\xf0\x9f\x98\x80\x81\x82\x00\x00\x00\x00\xc3\x28",
		"\x88\x82\x00\x00\x00\x00\x03\xe8\x81\x80\x00\x00\x00\x00",
		"\x81\x05hello\x88\x00",
	} {
		f.Add([]byte(seed), []byte{1, 3, 200}, true)
		f.Add([]byte(seed), []byte{7}, false)
	}
	f.Fuzz(func(t *testing.T, stream, chunks []byte, server bool) {
		s := settings{role: wsproto.Client, readLimit: 1 << 12, maxFragments: 64, readBufferSize: 256}
		if server {
			s.role = wsproto.Server
		}
		whole := readAllMessages(t, stream, nil, s, appendWhole)
		pieces := readAllMessages(t, stream, chunks, s, readPieces)
		if whole != pieces {
			t.Errorf("read whole:\n%s\nread in pieces:\n%s", whole, pieces)
		}
	})
}

func appendWhole(c *Conn) (int, []byte, error) { return c.AppendMessage(nil) }

func readPieces(c *Conn) (int, []byte, error) {
	messageType, r, err := c.NextReader()
	if err != nil {
		return messageType, nil, err
	}
	data, err := io.ReadAll(&smallReads{r})
	return messageType, data, err
}

// smallReads reads at most three bytes at a time.
type smallReads struct{ r io.Reader }

func (s *smallReads) Read(p []byte) (int, error) { return s.r.Read(p[:min(3, len(p))]) }

// readAllMessages describes what reading the stream delivers and how it ends.
func readAllMessages(t *testing.T, stream, chunks []byte, s settings, read func(*Conn) (int, []byte, error)) string {
	nc := &recorded{in: stream, chunks: chunks, closed: make(chan struct{})}
	c := newConn(nc, s)
	var log string
	for {
		messageType, data, err := read(c)
		if err != nil {
			log += "end " + describeEnd(err) + "\n"
			if _, _, again := c.ReadMessage(); !errors.Is(again, err) {
				t.Errorf("read again: %v, before: %v", again, err)
			}
			break
		}
		log += fmt.Sprintf("%d %q\n", messageType, data)
	}
	_ = c.Close()
	<-nc.closed // the goroutine that lingers has ended
	return log + goodbyeOf(t, nc.out, s.role)
}

func describeEnd(err error) string {
	var broken *ProtocolError
	if errors.As(err, &broken) {
		return fmt.Sprint("broken ", broken.Code) // the reason may depend on the chunks
	}
	return err.Error()
}

// goodbyeOf describes the frames that were sent: pongs, and a Close frame last.
func goodbyeOf(t *testing.T, out []byte, role wsproto.Role) string {
	peer := wsproto.Decoder{Role: wsproto.Client - role}
	var log string
	for len(out) > 0 {
		f, n, err := peer.Next(out)
		if err != nil || n == 0 || int64(len(out)-n) < f.Length {
			t.Fatalf("sent %x: %v", out, err)
		}
		payload := out[n:][:f.Length]
		if len(payload) > 0 {
			if err := peer.Payload(payload); err != nil {
				t.Fatal(err)
			}
		}
		if f.Opcode == wsproto.Close {
			code, _, err := wsproto.ParseClose(payload)
			log += fmt.Sprintln("close", code, err)
		} else {
			log += fmt.Sprintf("%d %q\n", f.Opcode, payload)
		}
		out = out[n+len(payload):]
	}
	return log
}

// recorded is a network connection whose peer has sent all it will, and hears
// everything.
type recorded struct {
	net.Conn
	in     []byte
	chunks []byte // the sizes of reads, over and over
	next   int
	out    []byte
	closed chan struct{}
}

func (r *recorded) Read(p []byte) (int, error) {
	if len(r.in) == 0 {
		return 0, io.EOF
	}
	n := min(len(p), len(r.in))
	if len(r.chunks) > 0 {
		n = min(n, 1+int(r.chunks[r.next%len(r.chunks)]))
		r.next++
	}
	copy(p, r.in[:n])
	r.in = r.in[n:]
	return n, nil
}

func (r *recorded) Write(p []byte) (int, error) {
	r.out = append(r.out, p...)
	return len(p), nil
}

func (r *recorded) Close() error {
	close(r.closed)
	return nil
}

func (*recorded) SetDeadline(time.Time) error      { return nil }
func (*recorded) SetReadDeadline(time.Time) error  { return nil }
func (*recorded) SetWriteDeadline(time.Time) error { return nil }
