package lazywebsocket_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// role is the side that is tested; the peer plays the other.
type role int

const (
	server role = iota
	client
)

func (r role) String() string { return [...]string{"server", "client"}[r] }

// options are the fields that Upgrader and Dialer share.
type options struct {
	readBuffer   int
	writeBuffer  int
	pool         lazywebsocket.BufferPool
	readLimit    int64
	maxFragments int
	pingInterval time.Duration
	pongTimeout  time.Duration
	queue        lazywebsocket.QueueOptions
	budget       *lazywebsocket.Budget
	compressed   bool
	observer     *lazywebsocket.Observer
}

func (o options) upgrader() *lazywebsocket.Upgrader {
	return &lazywebsocket.Upgrader{
		ReadBufferSize: o.readBuffer, WriteBufferSize: o.writeBuffer, WriteBufferPool: o.pool,
		ReadLimit: o.readLimit, MaxFragments: o.maxFragments,
		PingInterval: o.pingInterval, PongTimeout: o.pongTimeout,
		Queue: o.queue, Budget: o.budget, EnableCompression: o.compressed, Observer: o.observer,
	}
}

func (o options) dialer() *lazywebsocket.Dialer {
	return &lazywebsocket.Dialer{
		ReadBufferSize: o.readBuffer, WriteBufferSize: o.writeBuffer, WriteBufferPool: o.pool,
		ReadLimit: o.readLimit, MaxFragments: o.maxFragments,
		PingInterval: o.pingInterval, PongTimeout: o.pongTimeout,
		Queue: o.queue, Budget: o.budget, EnableCompression: o.compressed, Observer: o.observer,
	}
}

// connect returns a connection in the role and its scripted peer.
func (r role) connect(t testing.TB, n wstest.Network, o options) (*lazywebsocket.Conn, *wstest.Peer) {
	t.Helper()
	if r == server {
		return n.PeerOfServer(t, o.upgrader())
	}
	return n.PeerOfClient(t, o.dialer())
}

// roleOf returns the role whose peer p is.
func roleOf(p *wstest.Peer) role {
	if strings.HasPrefix(p.Conn.LocalAddr().String(), "server.") {
		return client
	}
	return server
}

// bothRoles runs f in a bubble for a server and for a client, with a peer on a
// network with the defaults.
func bothRoles(t *testing.T, o options, f func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer)) {
	t.Helper()
	onNetwork(t, wstest.Network{}, o, f)
}

// onNetwork is bothRoles on a network.
func onNetwork(t *testing.T, n wstest.Network, o options, f func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer)) {
	t.Helper()
	for name, connect := range map[string]func(testing.TB, wstest.Network, options) (*lazywebsocket.Conn, *wstest.Peer){
		"server": server.connect, "client": client.connect, "http2": overHTTP2,
	} {
		if name == "http2" && !http2InBubbles {
			continue
		}
		bubble(t, name, func(t *testing.T) {
			conn, p := connect(t, n, o)
			// What waits for ever ends here, with more to say than that all is blocked.
			stuck := time.AfterFunc(1000*time.Hour, func() {
				t.Error("the test is stuck")
				_ = p.Conn.Close()
			})
			defer stuck.Stop()
			f(t, conn, p)
		})
	}
}

// bubble runs a test inside synctest, which fails if a goroutine is left.
func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// unhex returns the bytes of a script: hex digits and 'text', *n repeats.
func unhex(t testing.TB, script string) []byte {
	t.Helper()
	var out []byte
	for token := range strings.FieldsSeq(script) {
		token, times, repeated := strings.Cut(token, "*")
		b := []byte(strings.Trim(token, "'"))
		if !strings.HasPrefix(token, "'") {
			var err error
			if b, err = hex.DecodeString(token); err != nil {
				t.Fatalf("bad script %q: %v", script, err)
			}
		}
		n := 1
		if repeated {
			var err error
			if n, err = strconv.Atoi(times); err != nil {
				t.Fatalf("bad script %q: %v", script, err)
			}
		}
		for range n {
			out = append(out, b...)
		}
	}
	return out
}

// wire returns what the peer of r sends for a script of frames. Frames are
// separated by "/", a frame is "header|payload" without its mask: that is added
// for a server, with another key for each frame, when the header is complete.
func wire(t testing.TB, r role, script string) []byte {
	t.Helper()
	var out []byte
	for i, frame := range strings.Split(script, "/") {
		head, body, _ := strings.Cut(frame, "|")
		header, payload := unhex(t, head), unhex(t, body)
		if r == server && len(header) >= 2 {
			full := 2 + map[byte]int{126: 2, 127: 8}[header[1]&0x7f]
			header[1] |= 0x80
			if len(header) == full {
				key := [4]byte{0x37, 0xfa, 0x21, byte(i)}
				header = append(header, key[:]...)
				for j := range payload {
					payload[j] ^= key[j%4]
				}
			}
		}
		out = append(append(out, header...), payload...)
	}
	return out
}

// summary describes an error of a read by its type, for the tables.
func summary(err error) string {
	var (
		protocol *lazywebsocket.ProtocolError
		closed   *lazywebsocket.CloseError
		op       *lazywebsocket.OpError
	)
	switch {
	case err == nil:
		return "nil"
	case errors.Is(err, lazywebsocket.ErrReadLimit):
		return "limit"
	case errors.As(err, &protocol):
		return "protocol " + strconv.Itoa(protocol.Code)
	case errors.As(err, &closed):
		return strings.TrimSpace(fmt.Sprintf("close %d %s", closed.Code, closed.Text))
	case errors.As(err, &op):
		switch {
		case errors.Is(err, net.ErrClosed):
			return op.Op + " closed"
		case errors.Is(err, os.ErrDeadlineExceeded) && op.Timeout():
			return op.Op + " timeout"
		}
		return op.Op + ": " + op.Err.Error()
	}
	return err.Error()
}

// message describes a message for the tables.
func message(messageType int, data []byte) string {
	kind := map[int]string{lazywebsocket.TextMessage: "text ", lazywebsocket.BinaryMessage: "binary "}[messageType]
	if len(data) > 40 {
		return kind + fmt.Sprintf("%q*%d", data[0], len(data))
	}
	return kind + fmt.Sprintf("%q", data)
}

// readAll reads until the connection fails.
func readAll(conn messageSource) (messages []string, err error) {
	for {
		messageType, data, err := conn.ReadMessage()
		if err != nil {
			return messages, err
		}
		messages = append(messages, message(messageType, data))
	}
}

// wantRead reads a message and compares it with what message returns.
func wantRead(t testing.TB, conn messageSource, want string) {
	t.Helper()
	messageType, data, err := conn.ReadMessage()
	if err != nil {
		t.Fatalf("read: %v, want %s", err, want)
	}
	if got := message(messageType, data); got != want {
		t.Fatalf("read %s, want %s", got, want)
	}
}

// wantSummary compares an error with what summary returns.
func wantSummary(t testing.TB, err error, want string) {
	t.Helper()
	if got := summary(err); got != want {
		t.Errorf("error is %q (%v), want %q", got, err, want)
	}
}

// noDeadline is the zero time.
var noDeadline time.Time

// must ends the test on an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// result runs f and returns a channel on which f's result comes.
func result[T any](f func() T) <-chan T {
	c := make(chan T, 1)
	go func() { c <- f() }()
	return c
}
