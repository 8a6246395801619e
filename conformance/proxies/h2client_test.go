package proxies_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"golazy.dev/lazywebsocket"
)

// h2Conn is a browser's HTTP/2 connection: as much of it as WebSockets need. Its
// streams have windows of a gigabyte, which nobody widens.
type h2Conn struct {
	t      testing.TB
	framer *http2.Framer

	writing sync.Mutex // guards what is sent

	mu      sync.Mutex // guards what follows
	changed *sync.Cond // any of it
	settled bool       // the server's settings are here
	connect bool       // it takes extended CONNECT (RFC 8441, 3)
	initial int64      // window of a new stream, to send
	window  int64      // of the connection
	next    uint32     // the next stream's number
	streams map[uint32]*h2Stream
	resets  int // of streams that had not ended
	err     error
}

// h2Stream is one of its streams. Guarded by the connection's mu.
type h2Stream struct {
	c      *h2Conn
	id     uint32
	window int64
	header []hpack.HeaderField // of the response
	got    []byte              // and not read
	ended  bool
	reset  bool
}

const h2Window = 1 << 30

var errH2 = errors.New("the stream has ended")

// dialH2 connects by TLS, as browsers do.
func dialH2(t testing.TB, p *proxy) *h2Conn {
	t.Helper()
	// The certificate is ours.
	nc, err := tls.Dial("tcp", "localhost:"+p.tls, &tls.Config{NextProtos: []string{"h2", "http/1.1"}, InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	if got := nc.ConnectionState().NegotiatedProtocol; got != "h2" {
		t.Fatalf("it speaks %q", got)
	}
	c := &h2Conn{
		t: t, framer: http2.NewFramer(nc, nc), initial: 65535, window: 65535, next: 1,
		streams: make(map[uint32]*h2Stream),
	}
	c.changed = sync.NewCond(&c.mu)
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_, _ = io.WriteString(nc, http2.ClientPreface)
	_ = c.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: h2Window})
	_ = c.framer.WriteWindowUpdate(0, h2Window)
	go c.read()
	c.wait(func() bool { return c.settled })
	return c
}

// wait waits for a condition, which is looked at under mu. It reports whether it holds.
func (c *h2Conn) wait(condition func() bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !condition() {
		if c.err != nil {
			return false
		}
		c.changed.Wait()
	}
	return true
}

// read handles the frames that arrive.
func (c *h2Conn) read() {
	for {
		f, err := c.framer.ReadFrame()
		if err == nil {
			c.answer(f)
		}
		c.mu.Lock()
		if c.err = err; err == nil {
			c.handle(f)
		}
		c.changed.Broadcast()
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// answer acknowledges what wants it.
func (c *h2Conn) answer(f http2.Frame) {
	c.writing.Lock()
	defer c.writing.Unlock()
	switch f := f.(type) {
	case *http2.SettingsFrame:
		if !f.IsAck() {
			_ = c.framer.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if !f.IsAck() {
			_ = c.framer.WritePing(true, f.Data)
		}
	}
}

// handle takes a frame. mu is held.
func (c *h2Conn) handle(f http2.Frame) {
	s := c.streams[f.Header().StreamID]
	switch f := f.(type) {
	case *http2.SettingsFrame:
		_ = f.ForeachSetting(c.setting)
		c.settled = true
	case *http2.WindowUpdateFrame:
		if f.StreamID == 0 {
			c.window += int64(f.Increment)
		} else if s != nil {
			s.window += int64(f.Increment)
		}
	case *http2.MetaHeadersFrame:
		if s != nil {
			s.header = f.Fields
			s.ended = s.ended || f.StreamEnded()
		}
	case *http2.DataFrame:
		if s != nil {
			s.got = append(s.got, f.Data()...)
			s.ended = s.ended || f.StreamEnded()
		}
	case *http2.RSTStreamFrame:
		if s != nil && !s.ended {
			s.reset = true
			c.resets++
		}
	}
}

func (c *h2Conn) setting(s http2.Setting) error {
	switch s.ID {
	case http2.SettingInitialWindowSize:
		for _, stream := range c.streams {
			stream.window += int64(s.Val) - c.initial
		}
		c.initial = int64(s.Val)
	case http2.SettingEnableConnectProtocol:
		c.connect = s.Val == 1
	default:
	}
	return nil
}

// open begins a stream with an extended CONNECT (RFC 8441, 5).
func (c *h2Conn) open(host, path string, header http.Header) *h2Stream {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	field := func(name, value string) {
		_ = encoder.WriteField(hpack.HeaderField{Name: name, Value: value, Sensitive: true}) // not into the table
	}
	field(":method", "CONNECT")
	field(":protocol", "websocket")
	field(":scheme", "https")
	field(":authority", host)
	field(":path", path)
	for name, values := range header {
		switch name {
		case "Connection", "Upgrade", "Sec-Websocket-Key":
			continue
		}
		for _, value := range values {
			field(strings.ToLower(name), value)
		}
	}
	c.writing.Lock() // the streams' numbers rise
	defer c.writing.Unlock()
	c.mu.Lock()
	s := &h2Stream{c: c, id: c.next, window: c.initial}
	c.next += 2
	c.streams[s.id] = s
	c.mu.Unlock()
	_ = c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: s.id, BlockFragment: block.Bytes(), EndHeaders: true})
	return s
}

// Read reads what arrives on the stream.
func (s *h2Stream) Read(p []byte) (n int, err error) {
	if !s.c.wait(func() bool {
		n = copy(p, s.got)
		s.got = s.got[n:]
		return n > 0 || s.ended || s.reset
	}) || s.reset && n == 0 {
		return 0, errH2
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Write sends what the windows allow, and waits for them.
func (s *h2Stream) Write(p []byte) (sent int, err error) {
	for len(p) > 0 {
		var n int
		if !s.c.wait(func() bool {
			n = int(min(s.window, s.c.window, int64(len(p)), 16384))
			s.window -= int64(max(n, 0))
			s.c.window -= int64(max(n, 0))
			return n > 0 || s.reset
		}) || s.reset {
			return sent, errH2
		}
		s.data(false, p[:n])
		sent += n
		p = p[n:]
	}
	return sent, nil
}

func (s *h2Stream) data(end bool, p []byte) {
	s.c.writing.Lock()
	defer s.c.writing.Unlock()
	_ = s.c.framer.WriteData(s.id, end, p) // reading says that the connection has ended
}

// dialer opens WebSockets as streams of the connection. What it dials speaks
// HTTP/1.1, and is translated.
func (c *h2Conn) dialer() *lazywebsocket.Dialer {
	return &lazywebsocket.Dialer{
		ReadLimit: 32 << 20,
		NetDialContext: func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			go c.translate(far)
			return near, nil
		},
	}
}

// translate takes an upgrade on far and speaks HTTP/2 for it.
func (c *h2Conn) translate(far net.Conn) {
	defer far.Close()
	r := bufio.NewReader(far)
	request, err := http.ReadRequest(r)
	if err != nil {
		return
	}
	s := c.open(request.Host, request.RequestURI, request.Header)
	c.wait(func() bool { return s.header != nil || s.reset })
	sum := sha1.Sum([]byte(request.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	answer := "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n"
	for _, field := range s.header {
		switch {
		case field.Name == ":status" && field.Value == "200":
			answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
				"Sec-WebSocket-Accept: " + base64.StdEncoding.EncodeToString(sum[:]) + "\r\n"
		case field.Name == ":status":
			answer = "HTTP/1.1 " + field.Value + " Refused\r\nContent-Length: 0\r\n"
		case strings.HasPrefix(field.Name, "sec-websocket-") && field.Name != "sec-websocket-accept":
			answer += fmt.Sprintf("%s: %s\r\n", field.Name, field.Value)
		}
	}
	if _, err := io.WriteString(far, answer+"\r\n"); err != nil || !strings.HasPrefix(answer, "HTTP/1.1 101") {
		return
	}
	go func() {
		_, _ = io.Copy(struct{ io.Writer }{far}, s)
		_ = far.Close()
	}()
	_, _ = io.Copy(s, r)
	s.data(true, nil)
}
