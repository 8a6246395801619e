//go:build unix

package lazywebsocket

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"golazy.dev/lazywebsocket/internal/wsproto"
)

// rawCalls counts who asks Go's poller, and who only for the descriptor.
type rawCalls struct {
	syscall.RawConn
	controls, writes int
}

func (r *rawCalls) Control(f func(uintptr)) error {
	r.controls++
	return r.RawConn.Control(f)
}

func (r *rawCalls) Write(f func(uintptr) bool) error {
	r.writes++
	return r.RawConn.Write(f)
}

// counted returns a server's connection whose socket is counted, and its peer.
func counted(t *testing.T) (*Conn, *rawCalls, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	peer, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	nc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = nc.Close(), peer.Close() })
	c := newConn(nc, settings{role: wsproto.Server})
	calls := &rawCalls{RawConn: c.src.socket.raw}
	c.src.socket.raw = calls
	return c, calls, peer
}

// A write that is not to wait asks Go's poller only where there is a deadline, which
// the poller knows: one that has passed lets nothing leave.
func TestTryWriteAsksOnlyForDeadlines(t *testing.T) {
	later, past := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	for _, test := range []struct {
		name     string
		before   func(d *deadlines)
		by       time.Time
		poller   bool
		deadline bool // has passed
	}{
		{name: "none", before: func(*deadlines) {}},
		{name: "later", before: func(*deadlines) {}, by: later, poller: true},
		{name: "past", before: func(*deadlines) {}, by: past, poller: true, deadline: true},
		{name: "no longer", before: func(d *deadlines) { d.armWrite(past) }},
		{name: "probed", before: func(d *deadlines) { d.probe() }},
		{name: "interrupted", before: func(d *deadlines) { d.interruptWrite() }, poller: true, deadline: true},
		{name: "restored", before: func(d *deadlines) { d.interruptWrite(); d.restoreWrite() }},
		{name: "ending", before: func(d *deadlines) { d.end(later) }, poller: true},
		{name: "at the end", before: func(d *deadlines) { d.end(past) }, poller: true, deadline: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, calls, peer := counted(t)
			test.before(&c.deadlines)
			n, err := c.tryWrite([]byte("hello"), c.deadlines.armWrite(test.by))
			if asked := calls.writes > 0; asked != test.poller {
				t.Errorf("%d calls of Write, %d of Control", calls.writes, calls.controls)
			}
			if test.deadline {
				if n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("wrote %d, %v", n, err)
				}
				return
			}
			if n != 5 || err != nil || c.w.writes.Load() != 1 {
				t.Errorf("wrote %d, %v, %d signs of life", n, err, c.w.writes.Load())
			}
			got := make([]byte, 5)
			if _, err := io.ReadFull(peer, got); err != nil || string(got) != "hello" {
				t.Errorf("read %q, %v", got, err)
			}
		})
	}
}

// What a socket does not take is left, and a socket that is closed says so as a write
// does.
func TestTryWriteFree(t *testing.T) {
	c, calls, peer := counted(t)
	sent, large := 0, make([]byte, 1<<20)
	for {
		n, err := c.tryWrite(large, true)
		if err != nil {
			t.Fatal(err)
		}
		if sent += n; n < len(large) {
			break
		}
	}
	if calls.writes != 0 {
		t.Errorf("%d calls of Write", calls.writes)
	}
	if _, err := io.CopyN(io.Discard, peer, int64(sent)); err != nil {
		t.Errorf("%d bytes were said to have left: %v", sent, err)
	}
	_ = c.deadlines.nc.Close()
	n, err := c.tryWrite(large, true)
	var op *net.OpError
	if n != 0 || !errors.Is(err, net.ErrClosed) || !errors.As(err, &op) || op.Op != "write" {
		t.Errorf("wrote %d, %v", n, err)
	}
}

// A message that is published, and that the peer takes, leaves without Go's poller.
func TestPublishedLeavesWithoutThePoller(t *testing.T) {
	c, calls, peer := counted(t)
	pm, err := NewPreparedMessage(TextMessage, []byte("hi"))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Publish(pm); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 4)
	if _, err := io.ReadFull(peer, got); err != nil || string(got[2:]) != "hi" {
		t.Errorf("read %q, %v", got, err)
	}
	if calls.controls != 1 || calls.writes != 0 {
		t.Errorf("%d calls of Write, %d of Control", calls.writes, calls.controls)
	}
}
