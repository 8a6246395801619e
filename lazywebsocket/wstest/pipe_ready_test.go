package wstest_test

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazywebsocket/internal/poll"
	"golazy.dev/lazywebsocket/wstest"
)

// told counts the calls of a watcher.
type told chan bool

func (w told) Readable() { w <- true }

// What would wait says so, and is a temporary error, as crypto/tls wants it.
func TestPipeTries(t *testing.T) {
	client, server := wstest.Network{Buffer: 4}.Pipe()
	b := make([]byte, 10)
	var temporary interface{ Temporary() bool }
	if n, err := server.TryRead(b); n != 0 || !errors.Is(err, poll.ErrWouldBlock) || !errors.As(err, &temporary) || !temporary.Temporary() {
		t.Errorf("nothing there: %d, %v", n, err)
	}
	if n, err := server.TryRead(nil); n != 0 || err != nil {
		t.Errorf("nothing wanted: %d, %v", n, err)
	}
	if n, err := client.TryWrite([]byte("abc")); n != 3 || err != nil {
		t.Errorf("there is room: %d, %v", n, err)
	}
	if n, err := client.TryWrite([]byte("def")); n != 1 || !errors.Is(err, poll.ErrWouldBlock) {
		t.Errorf("room for one: %d, %v", n, err)
	}
	if n, err := server.TryRead(b); string(b[:n]) != "abcd" || err != nil {
		t.Errorf("read %q, %v", b[:n], err)
	}
	_ = server.SetReadDeadline(time.Unix(1, 0))
	if _, err := server.TryRead(b); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("behind the deadline: %v", err)
	}
	_ = server.SetReadDeadline(time.Time{})
	_ = client.CloseWrite()
	if _, err := server.TryRead(b); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
	_ = server.Close()
	if _, err := server.TryRead(b); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if _, err := server.TryWrite(b); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// The watcher is told of bytes, of deadlines that pass, of both ends' end, and of
// what is there when it begins; nobody is told afterwards.
func TestPipeWatch(t *testing.T) {
	for name, happens := range map[string]func(client, server *wstest.PipeConn){
		"bytes":         func(client, _ *wstest.PipeConn) { _, _ = client.Write([]byte("x")) },
		"bytes tried":   func(client, _ *wstest.PipeConn) { _, _ = client.TryWrite([]byte("x")) },
		"deadline":      func(_, server *wstest.PipeConn) { _ = server.SetReadDeadline(time.Now().Add(time.Hour)) },
		"past deadline": func(_, server *wstest.PipeConn) { _ = server.SetReadDeadline(time.Unix(1, 0)) },
		"end of stream": func(client, _ *wstest.PipeConn) { _ = client.CloseWrite() },
		"peer's Close":  func(client, _ *wstest.PipeConn) { _ = client.Close() },
		"Close":         func(_, server *wstest.PipeConn) { _ = server.Close() },
		"peer's reset":  func(client, server *wstest.PipeConn) { _, _ = server.Write([]byte("x")); _ = client.Close() },
		"bytes before":  nil,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := wstest.Pipe()
				defer client.Close()
				defer server.Close()
				w := make(told, 100)
				if happens == nil {
					_, _ = client.Write([]byte("x"))
				}
				server.Watch(w)
				synctest.Wait()
				if happens != nil {
					for len(w) > 0 {
						<-w // to be told for nothing is allowed
					}
					happens(client, server)
				}
				<-w
				synctest.Wait()
				for len(w) > 0 {
					<-w
				}
				server.Watch(nil)
				_, _ = client.Write([]byte("y"))
				synctest.Wait()
				if len(w) > 0 {
					t.Error("told after the end of watching")
				}
			})
		})
	}
}
