package lazywebsocket_test

import (
	"bytes"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// driver is a way in which a connection is read.
type driver struct {
	poller *lazywebsocket.Poller // nil: by the application
	hidden bool                  // the Poller cannot know when it is readable
	http2  bool                  // on a stream of HTTP/2, a server's
}

// drivers returns all ways, each with a Poller of its own.
func drivers() map[string]driver {
	return map[string]driver{
		"blocking":  {},
		"loop":      {poller: new(lazywebsocket.Poller)},
		"inline":    {poller: &lazywebsocket.Poller{Inline: true}},
		"goroutine": {poller: new(lazywebsocket.Poller), hidden: true},
	}
}

// allDrivers are those of drivers, and over HTTP/2.
func allDrivers() map[string]driver {
	all := drivers()
	if !http2InBubbles {
		return all
	}
	all["http2"] = driver{http2: true}
	all["http2 poller"] = driver{http2: true, poller: new(lazywebsocket.Poller)}
	return all
}

// connect is role.connect.
func (d driver) connect(t testing.TB, r role, n wstest.Network, o options) (*lazywebsocket.Conn, *wstest.Peer) {
	t.Helper()
	if !d.http2 {
		return r.connect(t, n, o)
	}
	if chunk, calls := n.Chunk, 0; chunk != nil {
		// Each piece is a frame of HTTP/2: after the first thousand they get larger.
		n.Chunk = func() int {
			if calls++; calls > 1000 {
				return 4096
			}
			return chunk()
		}
	}
	return overHTTP2(t, n, o)
}

// driven is a connection whose ReadMessage is fed by a Poller, so that the scripts
// of blocking reads do for all ways. The Poller takes it over with the first read.
// Its handler returns when the next read begins: it reads when the script does.
type driven struct {
	*lazywebsocket.Conn
	driver

	turn     chan struct{} // one read at a time
	mu       sync.Mutex    // guards serving
	serving  bool
	more     chan struct{} // the handler may return
	messages chan servedMessage
	closed   chan struct{} // ServeClosed was called
	err      error         // with this, before closed
	busy     bool          // a handler waits for more; inside turn
	over     chan struct{} // the test's end
	end      sync.Once
}

type servedMessage struct {
	messageType int
	data        []byte
}

func drive(t testing.TB, conn *lazywebsocket.Conn, d driver) *driven {
	c := &driven{
		Conn: conn, driver: d, turn: make(chan struct{}, 1), more: make(chan struct{}),
		messages: make(chan servedMessage), closed: make(chan struct{}), over: make(chan struct{}),
	}
	if d.hidden {
		conn.HideReadiness()
	}
	t.Cleanup(func() {
		_ = conn.Close()
		c.release()
	})
	return c
}

// release lets go what waits for the script.
func (c *driven) release() { c.end.Do(func() { close(c.over) }) }

// ServeMessage hands the message to a read and waits for the next one.
func (c *driven) ServeMessage(_ *lazywebsocket.Conn, messageType int, data []byte) error {
	select {
	case c.messages <- servedMessage{messageType, bytes.Clone(data)}:
	case <-c.over:
		return nil
	}
	select {
	case <-c.more:
	case <-c.over:
	}
	return nil
}

// ServeClosed keeps the connection until the test is done with it.
func (c *driven) ServeClosed(_ *lazywebsocket.Conn, err error) {
	c.err = err
	close(c.closed)
	<-c.over
}

// Close closes the connection. Over HTTP/2 it does not wait for the peer's goodbye,
// which scripts play later: that has tests of its own.
func (c *driven) Close() error {
	err := c.CloseBehind()
	c.release()
	return err
}

// linger is the time that the peer has after Close.
func (c *driven) linger() time.Duration {
	if c.http2 {
		return time.Second
	}
	return 2 * time.Second
}

// serveWith is Poller.Serve, and does not wait for the end over HTTP/2 either.
func (c *driven) serveWith(h lazywebsocket.MessageHandler) error {
	return c.poller.ServeBehind(c.Conn, h)
}

// serve hands the connection over, and returns false where that cannot be.
func (c *driven) serve() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.serving && c.poller != nil {
		c.serving = c.serveWith(c) == nil
	}
	return c.serving
}

// ReadMessage returns what the handler gets.
func (c *driven) ReadMessage() (int, []byte, error) {
	c.turn <- struct{}{}
	defer func() { <-c.turn }()
	if !c.serve() {
		return c.Conn.ReadMessage()
	}
	if c.busy {
		c.busy = false
		select {
		case c.more <- struct{}{}:
		case <-c.over: // and the handler waits no more
		}
	}
	select {
	case m := <-c.messages:
		c.busy = true
		return m.messageType, m.data, nil
	case <-c.closed:
		return -1, nil, c.err
	}
}

// NextReader is ReadMessage where a Poller reads.
func (c *driven) NextReader() (int, io.Reader, error) {
	if c.poller == nil {
		return c.Conn.NextReader()
	}
	messageType, data, err := c.ReadMessage()
	if err != nil {
		return messageType, nil, err
	}
	return messageType, bytes.NewReader(data), nil
}

// messageSource is what the scripts read.
type messageSource interface {
	ReadMessage() (messageType int, p []byte, err error)
}

// everyDriver runs f in a bubble for each way of reading, for a server and for a
// client.
func everyDriver(t *testing.T, n wstest.Network, o options, f func(t *testing.T, conn *driven, p *wstest.Peer)) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(allDrivers())) {
		for _, r := range []role{server, client} {
			if r == client && allDrivers()[name].http2 {
				continue // which nobody dials
			}
			bubble(t, name+"/"+r.String(), func(t *testing.T) {
				d := allDrivers()[name]
				if d.poller != nil {
					defer d.poller.Close()
				}
				conn, p := d.connect(t, r, n, o)
				stuck := time.AfterFunc(1000*time.Hour, func() {
					t.Error("the test is stuck")
					_ = p.Conn.Close()
				})
				defer stuck.Stop()
				c := drive(t, conn, d)
				defer c.release() // before the Poller waits for it
				f(t, c, p)
			})
		}
	}
}

// serveOn runs a server that upgrades each request and gives the connection away.
func serveOn(t testing.TB, l net.Listener, served func(*lazywebsocket.Conn)) *http.Server {
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := new(lazywebsocket.Upgrader).Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		served(conn)
	})}
	go func() { _ = s.Serve(l) }()
	return s
}
