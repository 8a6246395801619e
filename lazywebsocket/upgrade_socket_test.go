package lazywebsocket_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"golazy.dev/lazywebsocket"
)

// longAnswer upgrades over TCP with an answer that the sockets' buffers do not hold, and
// returns the peer's end and what Upgrade returned.
func longAnswer(t *testing.T, timeout time.Duration) (peer net.Conn, size int, result <-chan error) {
	t.Helper()
	long := strings.Repeat("~", 16<<20)
	done := make(chan error, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u := lazywebsocket.Upgrader{HandshakeTimeout: timeout}
		conn, err := u.Upgrade(w, r, http.Header{"X-Long": {long}})
		if err == nil {
			defer conn.Close()
			_, _, err = conn.ReadMessage()
		}
		done <- err
	}))
	t.Cleanup(s.Close)
	peer, err := net.Dial("tcp", s.Listener.Addr().String())
	must(t, err)
	t.Cleanup(func() { _ = peer.Close() })
	_, err = peer.Write([]byte(request()))
	must(t, err)
	return peer, len(long), done
}

// The answer's time is bounded on a socket too, where it is set only for what does
// not fit into the buffer.
func TestHandshakeTimeoutOnASocket(t *testing.T) {
	_, _, result := longAnswer(t, time.Millisecond)
	err := <-result
	var op *lazywebsocket.OpError
	if !errors.As(err, &op) || op.Op != "upgrade" || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("error is %v", err)
	}
}

// The rest of a long answer follows when the peer reads, and the deadline ends
// with it.
func TestLongAnswerOnASocket(t *testing.T) {
	peer, size, result := longAnswer(t, time.Minute)
	answer, end := make([]byte, size), "\r\n\r\n"
	if _, err := io.ReadFull(peer, answer); err != nil {
		t.Fatal(err)
	}
	rest := make([]byte, 4096)
	n, err := peer.Read(rest)
	must(t, err)
	for !strings.HasSuffix(string(rest[:n]), end) {
		more, err := peer.Read(rest[n:])
		must(t, err)
		n += more
	}
	if got := strings.Count(string(answer)+string(rest[:n]), "~"); got != size {
		t.Errorf("%d bytes of the header, want %d", got, size)
	}
	_, err = peer.Write(wire(t, server, "88 02|03 e8"))
	must(t, err)
	wantSummary(t, <-result, "close 1000")
}
