// Package load is the benchmark's client: it offers what Chromium offers,
// honours what is negotiated, and checks every byte of every answer. What it
// sends is compressed before the measured part.
package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"

	"golazy.dev/bench/deflate/wire"
)

// conn is one connection.
type conn struct {
	nc     net.Conn
	r      *bufio.Reader
	params wire.Params
	answer string
	script *script
	next   int // index of the message of the script that is sent next
	in     wire.Inflater

	payload, plain []byte // of the last answer
	received, sent int    // bytes on the wire
	text           int    // bytes of plain text that were sent
}

// dial opens a connection to a server; i chooses the local address, so that
// there are ports for many.
func dial(addr string, i int) (*conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(1+i%8))}} //nolint:gosec // 1 to 8
	nc, err := d.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &conn{nc: nc, r: bufio.NewReader(nc)}
	if err := c.handshake(addr); err != nil {
		_ = nc.Close()
		return nil, err
	}
	return c, nil
}

func (c *conn) handshake(addr string) error {
	_, err := fmt.Fprintf(c.nc, "GET /echo HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"+
		"Sec-WebSocket-Extensions: %s\r\n\r\n", addr, wire.Offer)
	if err != nil {
		return err
	}
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return err
	}
	_ = resp.Body.Close() // empty
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return errors.New("load: the server answers " + resp.Status)
	}
	c.answer = resp.Header.Get("Sec-WebSocket-Extensions")
	c.params, err = wire.ParseAnswer(c.answer)
	c.in.Takeover = !c.params.ServerNoTakeover
	return err
}

// exchange sends n messages, each when the answer to the one before has come.
func (c *conn) exchange(n int) error {
	for range n {
		if err := c.echo(c.script.frames[c.next], c.script.plain[c.next]); err != nil {
			return err
		}
		c.next++
	}
	return nil
}

func (c *conn) echo(frame, want []byte) error {
	if _, err := c.nc.Write(frame); err != nil {
		return err
	}
	c.sent += len(frame)
	c.text += len(want)
	m, err := wire.ReadMessage(c.r, c.payload[:0])
	if err != nil {
		return err
	}
	c.received += m.Size
	c.payload = m.Payload
	got := m.Payload
	if m.Compressed {
		if c.plain, err = c.in.Inflate(c.plain[:0], m.Payload); err != nil {
			return fmt.Errorf("load: the answer to message %d: %w", c.next, err)
		}
		got = c.plain
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("load: the answer to message %d differs", c.next)
	}
	return nil
}

// close resets the connection, which leaves no port waiting.
func (c *conn) close() {
	if tcp, ok := c.nc.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.nc.Close()
}
