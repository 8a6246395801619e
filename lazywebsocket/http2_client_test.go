package lazywebsocket_test

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golazy.dev/lazywebsocket"
	_ "golazy.dev/lazywebsocket/http2"
	"golazy.dev/lazywebsocket/wstest"
)

// The frames of HTTP/2 (RFC 9113, 6) that are used here, and their flags.
const (
	h2Data, h2Headers, h2Reset, h2Settings     = 0, 1, 3, 4
	h2Ping, h2GoAway, h2Window, h2Continuation = 6, 7, 8, 9

	h2EndStream, h2Ack, h2EndHeaders = 1, 1, 4

	h2Cancel = 8 // of RST_STREAM
)

// h2Client is the client's end of an HTTP/2 connection: as much of it as WebSockets
// need.
type h2Client struct {
	nc net.Conn
	r  *bufio.Reader

	writing sync.Mutex // guards what is sent

	mu      sync.Mutex // guards what follows
	changed *sync.Cond // of the windows and the streams
	streams map[uint32]*h2Stream
	next    uint32 // the next stream's number
	window  int64  // of the connection, to send
	initial int64  // a stream's, as the server wants it
	connect bool   // the server takes extended CONNECT
	goAway  bool
	err     error // the connection has ended
	window2 int64 // a stream's, to receive
}

// h2Stream is one of its streams. Guarded by the client's mu.
type h2Stream struct {
	c      *h2Client
	id     uint32
	status int // of the response; 0: none yet
	window int64
	got    []byte // received and not read
	ended  bool   // by the server
	reset  bool   // likewise
	code   uint32 // of that
}

// newH2Client begins a connection that receives so many bytes of a stream before they
// are read.
func newH2Client(nc net.Conn, window int64) *h2Client {
	c := &h2Client{
		nc: nc, r: bufio.NewReader(nc), streams: make(map[uint32]*h2Stream),
		next: 1, window: 65535, initial: 65535, window2: window,
	}
	c.changed = sync.NewCond(&c.mu)
	_, _ = io.WriteString(nc, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	settings := binary.BigEndian.AppendUint32([]byte{0, 1}, 0)                       // no dynamic table
	settings = binary.BigEndian.AppendUint32(append(settings, 0, 4), uint32(window)) // INITIAL_WINDOW_SIZE
	c.frame(h2Settings, 0, 0, settings)
	c.frame(h2Window, 0, 0, binary.BigEndian.AppendUint32(nil, 1<<30)) // the streams' windows count
	go c.read()
	return c
}

// frame sends a frame.
func (c *h2Client) frame(kind, flags byte, id uint32, payload []byte) {
	c.writing.Lock()
	defer c.writing.Unlock()
	b := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	b = binary.BigEndian.AppendUint32(b, id)
	_, _ = c.nc.Write(append(b, payload...))
}

// read handles the frames that arrive.
func (c *h2Client) read() {
	var err error
	for err == nil {
		var head [9]byte
		if _, err = io.ReadFull(c.r, head[:]); err != nil {
			break
		}
		payload := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
		if _, err = io.ReadFull(c.r, payload); err == nil {
			c.handle(head[3], head[4], binary.BigEndian.Uint32(head[5:])&0x7fffffff, payload)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
	c.changed.Broadcast()
}

func (c *h2Client) handle(kind, flags byte, id uint32, payload []byte) {
	switch {
	case kind == h2Settings && flags&h2Ack == 0:
		c.frame(h2Settings, h2Ack, 0, nil)
	case kind == h2Ping && flags&h2Ack == 0:
		c.frame(h2Ping, h2Ack, 0, payload)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.changed.Broadcast()
	s := c.streams[id]
	if s == nil && id != 0 {
		return
	}
	switch kind {
	case h2Settings:
		for ; len(payload) >= 6; payload = payload[6:] {
			value := int64(binary.BigEndian.Uint32(payload[2:]))
			switch binary.BigEndian.Uint16(payload) {
			case 4:
				for _, s := range c.streams {
					s.window += value - c.initial
				}
				c.initial = value
			case 8:
				c.connect = value == 1
			}
		}
	case h2GoAway:
		c.goAway = true
	case h2Window:
		if n := int64(binary.BigEndian.Uint32(payload)); id == 0 {
			c.window += n
		} else {
			s.window += n
		}
	case h2Headers:
		s.status = h2Status(payload)
		s.ended = s.ended || flags&h2EndStream != 0
	case h2Data:
		s.got = append(s.got, payload...)
		s.ended = s.ended || flags&h2EndStream != 0
	case h2Reset:
		s.reset, s.code = true, binary.BigEndian.Uint32(payload)
	}
}

// h2Status decodes the first field of a response (RFC 7541): net/http sends :status
// from the static table, or with a value of three digits.
func h2Status(b []byte) int {
	for len(b) > 0 && b[0]&0xe0 == 0x20 {
		b = b[1:] // a change of the table's size
	}
	if b[0]&0x80 != 0 {
		return map[byte]int{8: 200, 9: 204, 12: 400, 13: 404, 14: 500}[b[0]&0x7f]
	}
	status, _ := strconv.Atoi(string(b[2:5]))
	return status
}

// open begins a stream with the header fields, given as pairs.
func (c *h2Client) open(end bool, fields ...string) *h2Stream {
	var block []byte
	for i := 0; i < len(fields); i += 2 {
		block = append(block, 0) // literal, not indexed, new name
		for _, s := range fields[i : i+2] {
			if len(s) < 127 {
				block = append(block, byte(len(s)))
			} else {
				block = append(block, 127)
				rest := len(s) - 127
				for ; rest >= 128; rest >>= 7 {
					block = append(block, byte(rest)|128)
				}
				block = append(block, byte(rest))
			}
			block = append(block, s...)
		}
	}
	c.mu.Lock()
	s := &h2Stream{c: c, id: c.next, window: c.initial}
	c.streams[s.id] = s
	c.next += 2
	c.mu.Unlock()
	flags := byte(h2EndHeaders)
	if end {
		flags |= h2EndStream
	}
	c.frame(h2Headers, flags, s.id, block)
	return s
}

// dial begins an extended CONNECT (RFC 8441, 5) with more fields.
func (c *h2Client) dial(path string, fields ...string) *h2Stream {
	c.wait(func() bool { return c.connect })
	return c.open(false, append([]string{
		":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":path", path,
		":authority", "server.wstest", "sec-websocket-version", "13",
	}, fields...)...)
}

var errH2 = errors.New("the HTTP/2 connection has ended")

// wait waits for a condition, which is looked at under mu.
func (c *h2Client) wait(condition func() bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !condition() {
		if c.err != nil {
			return errH2
		}
		c.changed.Wait()
	}
	return nil
}

// response waits for the response, and returns its status.
func (s *h2Stream) response() int {
	_ = s.c.wait(func() bool { return s.status != 0 || s.reset })
	return s.status
}

// Read reads what was sent on the stream. What is read may be sent again.
func (s *h2Stream) Read(p []byte) (n int, err error) {
	var reset error
	err = s.c.wait(func() bool {
		if s.reset && !s.ended {
			reset = fmt.Errorf("the stream was reset: %d", s.code)
		}
		switch {
		case len(s.got) > 0:
			n = copy(p, s.got)
			s.got = s.got[n:]
		case !s.ended && !s.reset:
			return false
		}
		return true
	})
	switch {
	case n > 0:
		s.grant(n)
		return n, nil
	case err != nil:
		return 0, err
	case reset != nil:
		return 0, reset
	}
	return 0, io.EOF
}

func (s *h2Stream) grant(n int) {
	s.c.frame(h2Window, 0, s.id, binary.BigEndian.AppendUint32(nil, uint32(n)))
}

// Write sends bytes, as far as the windows let it.
func (s *h2Stream) Write(p []byte) (sent int, err error) {
	for len(p) > 0 {
		var n int
		reset := false
		err := s.c.wait(func() bool {
			if reset = s.reset; reset {
				return true
			}
			n = int(min(s.window, s.c.window, int64(len(p)), 16384))
			s.window -= int64(n)
			s.c.window -= int64(n)
			return n > 0
		})
		if err != nil || reset {
			return sent, errH2
		}
		s.c.frame(h2Data, 0, s.id, p[:n])
		sent += n
		p = p[n:]
	}
	return sent, nil
}

// end ends the client's direction, cancel the stream.
func (s *h2Stream) end() { s.c.frame(h2Data, h2EndStream, s.id, nil) }

func (s *h2Stream) cancel() {
	s.c.frame(h2Reset, 0, s.id, binary.BigEndian.AppendUint32(nil, h2Cancel))
}

// h2Server serves a handler over HTTP/2 in memory, without TLS, and returns how to
// connect to it.
func h2Server(t testing.TB, server *http.Server) (dial func(window int64) *h2Client) {
	t.Helper()
	emptyPools()
	l := wstest.Network{Buffer: -1}.Listen()
	server.Protocols = new(http.Protocols)
	server.Protocols.SetUnencryptedHTTP2(true)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-served
	})
	return func(window int64) *h2Client {
		nc, err := l.Dial(context.Background())
		must(t, err)
		t.Cleanup(func() { _ = nc.Close() })
		return newH2Client(nc, window)
	}
}

// overHTTP2 returns a server's connection on a stream of HTTP/2, and a scripted peer,
// who speaks HTTP/1.1 to a proxy that speaks HTTP/2 to the server.
func overHTTP2(t testing.TB, n wstest.Network, o options) (*lazywebsocket.Conn, *wstest.Peer) {
	t.Helper()
	upgraded := make(chan *lazywebsocket.Conn, 1)
	u := o.upgrader()
	dial := h2Server(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := u.Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			close(upgraded)
			return
		}
		upgraded <- conn
		<-conn.StreamDone() // as the deferred Close of a handler would
	})})
	window := int64(1 << 30)
	if n.Buffer == 0 {
		n.Buffer = 64 << 10
	}
	if n.Buffer > 0 {
		// What a peer that reads nothing gets is in the proxy's network, in its hand,
		// and in the stream's window: n.Buffer together.
		window = int64(n.Buffer / 4)
		n.Buffer -= n.Buffer / 4 * 2
	}
	l := n.Listen()
	near := result(func() net.Conn {
		nc, _ := l.Accept()
		return nc
	})
	p := l.DialPeer(t)
	go proxyToHTTP2((<-near).(*wstest.PipeConn), dial(window))
	p.Request("/")
	p.Response()
	conn := <-upgraded
	if conn == nil {
		t.FailNow()
	}
	t.Cleanup(func() { _ = conn.NetConn().Close() }) // no time passes after a test's end
	return conn, p
}

// proxyToHTTP2 takes an upgrade on near and speaks HTTP/2 for it.
func proxyToHTTP2(near *wstest.PipeConn, c *h2Client) {
	r := bufio.NewReader(near)
	req, err := http.ReadRequest(r)
	if err != nil {
		return
	}
	s := c.dial(req.RequestURI)
	if status := s.response(); status != http.StatusOK {
		fmt.Fprintf(near, "HTTP/1.1 %d Refused\r\n\r\n", status)
		_ = near.Close()
		return
	}
	sum := sha1.Sum([]byte(req.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprint(near, strings.Join([]string{
		"HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
		"Sec-WebSocket-Accept: " + base64.StdEncoding.EncodeToString(sum[:]), "", "",
	}, "\r\n"))
	go func() {
		if _, err := io.Copy(struct{ io.Writer }{near}, s); err == nil {
			_ = near.CloseWrite()
			// A server that has ended its direction wants nothing of the other.
			_ = s.c.wait(func() bool { return s.reset })
			// Closing a connection with something unread would take from the peer what
			// has just been written to it.
			var rest [512]byte
			for err := error(nil); err == nil; {
				_, err = near.TryRead(rest[:])
			}
		} else {
			s.cancel()
		}
		_ = near.Close()
	}()
	if _, err := io.Copy(s, r); err == nil {
		s.end()
	} else {
		s.cancel()
	}
}
