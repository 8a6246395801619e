package main

import (
	"bytes"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
)

// A tap is a connection that counts its bytes and keeps the handshake, so that
// what was negotiated is read off the wire and not from either library.
type tap struct {
	net.Conn
	read, written half
}

type half struct {
	n    atomic.Int64
	mu   sync.Mutex
	head []byte // up to the end of the handshake; mu guards it
}

var endOfHead = []byte("\r\n\r\n")

func (h *half) add(p []byte) {
	h.n.Add(int64(len(p)))
	h.mu.Lock()
	defer h.mu.Unlock()
	if bytes.Contains(h.head, endOfHead) {
		return
	}
	h.head = append(h.head, p...)
	if before, _, ok := bytes.Cut(h.head, endOfHead); ok {
		h.head = append(before, endOfHead...)
	}
}

// extensions returns the values of Sec-WebSocket-Extensions.
func (h *half) extensions() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []string
	for line := range strings.SplitSeq(string(h.head), "\r\n") {
		name, value, ok := strings.Cut(line, ":")
		if ok && http.CanonicalHeaderKey(name) == "Sec-Websocket-Extensions" {
			out = append(out, strings.TrimSpace(value))
		}
	}
	return out
}

func (t *tap) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	t.read.add(p[:n])
	return n, err
}

func (t *tap) Write(p []byte) (int, error) {
	n, err := t.Conn.Write(p)
	t.written.add(p[:n])
	return n, err
}

// CloseWrite is what a TCP connection has beside net.Conn, and a library uses.
func (t *tap) CloseWrite() error {
	return t.Conn.(interface{ CloseWrite() error }).CloseWrite()
}

// tapListener accepts taps.
type tapListener struct{ net.Listener }

func (l tapListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &tap{Conn: conn}, nil
}
