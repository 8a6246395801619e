package lazywebsocket

import (
	"bytes"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
)

// connectThrough does a CONNECT with a proxy that answers with answer, in one
// piece.
func connectThrough(t *testing.T, user *url.Userinfo, addr, answer string) (request string, nc net.Conn, err error) {
	t.Helper()
	client, server := net.Pipe()
	t.Cleanup(func() { client.Close() })
	asked := make(chan string, 1)
	go func() {
		defer server.Close()
		b := make([]byte, 4096)
		n, _ := server.Read(b)
		asked <- string(b[:n])
		_, _ = io.WriteString(server, answer)
	}()
	nc, err = httpConnect(client, user, addr)
	return <-asked, nc, err
}

func TestConnectRequest(t *testing.T) {
	for _, c := range []struct {
		user *url.Userinfo
		addr string
		want string
	}{
		{nil, "h.test:80", "CONNECT h.test:80 HTTP/1.1\r\nHost: h.test:80\r\nUser-Agent: Go-http-client/1.1\r\n\r\n"},
		{url.UserPassword("aladdin", "open sesame"), "[::1]:443", "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n" +
			"User-Agent: Go-http-client/1.1\r\nProxy-Authorization: Basic YWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"},
		{url.User("only"), "h:1", "CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\nUser-Agent: Go-http-client/1.1\r\n" +
			"Proxy-Authorization: Basic b25seTo=\r\n\r\n"},
	} {
		got, _, err := connectThrough(t, c.user, c.addr, "HTTP/1.1 200 OK\r\n\r\n")
		if got != c.want || err != nil {
			t.Errorf("request %q, %v; want %q", got, err, c.want)
		}
	}
}

func TestConnectAnswer(t *testing.T) {
	for answer, want := range map[string]string{
		"HTTP/1.1 200 OK\r\n\r\n":                                       "",
		"HTTP/1.0 200 Connection established\r\n\r\n":                   "",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n":                  "",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200\r\n\r\n":             "",
		"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n":            "Proxy Authentication Required",
		"HTTP/1.1 403\r\n\r\n":                                          "403",
		"HTTP/1.1 201 Created\r\n\r\n":                                  "201 Created",
		"HTTP/1.1 302 Found\r\nLocation: http://x/\r\n\r\n":             "302 Found",
		"HTTP/1.1 101 Switching Protocols\r\n\r\n":                      "101",
		"HTTP/1.1 403 a\x1bb\r\n\r\n":                                   `a\x1bb`,
		"nonsense\r\n\r\n":                                              "malformed",
		"":                                                              "unexpected EOF",
		"HTTP/1.1 200 OK\r\nX: y\r\n":                                   "unexpected EOF",
		"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", maxAnswerHeader): "larger than",
		"HTTP/1.1 403 " + strings.Repeat("x", 60000) + "\r\n\r\n":       "403 x",
	} {
		_, nc, err := connectThrough(t, nil, "h.test:80", answer)
		switch {
		case want == "" && (err != nil || nc == nil):
			t.Errorf("%.50q: %v", answer, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 500):
			t.Errorf("%.50q: %.1000v, want %q", answer, err, want)
		}
	}
}

// What the proxy sends behind its answer belongs to the server.
func TestBytesBehindConnect(t *testing.T) {
	_, nc, err := connectThrough(t, nil, "h:1", "HTTP/1.1 200 OK\r\n\r\nbehind it")
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if _, err := io.CopyBuffer(struct{ io.Writer }{&got}, struct{ io.Reader }{nc}, make([]byte, 2)); err != nil || got.String() != "behind it" {
		t.Errorf("read %q, %v", got.String(), err)
	}
	// Where there is nothing behind it the connection is the network's own.
	if _, nc, _ := connectThrough(t, nil, "h:1", "HTTP/1.1 200 OK\r\n\r\n"); nc == nil || nc.LocalAddr().Network() != "pipe" {
		t.Errorf("connection %v", nc)
	} else if _, wrapped := nc.(*prefixedConn); wrapped {
		t.Error("a connection without early bytes is wrapped")
	}
}

// halfCloser notes that its write side was shut.
type halfCloser struct {
	net.Conn
	shut bool
}

func (c *halfCloser) CloseWrite() error { c.shut = true; return nil }

func TestPrefixedConnCloseWrite(t *testing.T) {
	inner := &halfCloser{}
	if err := (&prefixedConn{Conn: inner}).CloseWrite(); err != nil || !inner.shut {
		t.Errorf("%v, shut %v", err, inner.shut)
	}
	client, server := net.Pipe()
	defer server.Close()
	defer client.Close()
	if err := (&prefixedConn{Conn: client}).CloseWrite(); err != nil {
		t.Error(err)
	}
}
