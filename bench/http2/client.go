package main

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	xhttp2 "golang.org/x/net/http2"
)

// socket is a WebSocket on whatever carries it. The load writes and reads frames
// itself, the same way for both.
type socket struct {
	w io.Writer
	r *bufio.Reader
}

// dialer makes sockets.
type dialer struct {
	usage    string // where the server says what it takes
	protocol string
}

func newDialer(addr, protocol string) *dialer { return &dialer{"http://" + addr + "/usage", protocol} }

// insecure is for a server that has made its certificate itself.
var insecure = tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13} //nolint:gosec // on loopback

// dial makes n sockets.
func (d *dialer) dial(n int) ([]*socket, error) {
	resp, err := http.Get(d.usage)
	if err != nil {
		return nil, err
	}
	if err := resp.Body.Close(); err != nil {
		return nil, err
	}
	addr := resp.Header.Get("Ws")
	sockets := make([]*socket, n)
	var transport *xhttp2.Transport
	for i := range sockets {
		if d.protocol == "http2" {
			if i%sharing == 0 {
				transport = &xhttp2.Transport{TLSClientConfig: insecure.Clone()}
			}
			sockets[i], err = connect(transport, addr)
		} else {
			sockets[i], err = upgrade(addr)
		}
		if err != nil {
			return nil, err
		}
	}
	return sockets, nil
}

// upgrade makes a socket over HTTP/1.1.
func upgrade(addr string) (*socket, error) {
	conn, err := tls.Dial("tcp", addr, &insecure)
	if err != nil {
		return nil, err
	}
	const request = "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	if _, err := io.WriteString(conn, request); err != nil {
		return nil, err
	}
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err == nil && resp.StatusCode != http.StatusSwitchingProtocols {
		err = errors.New(resp.Status)
	}
	return &socket{conn, r}, err
}

// connect makes a socket on a stream of HTTP/2 (RFC 8441). net/http's own transport
// refuses the pseudo-header.
func connect(t *xhttp2.Transport, addr string) (*socket, error) {
	body, w := io.Pipe()
	r, err := http.NewRequest(http.MethodConnect, "https://"+addr+"/ws", body)
	if err != nil {
		return nil, err
	}
	r.Header[":protocol"] = []string{"websocket"}
	r.Header.Set("Sec-Websocket-Version", "13")
	resp, err := t.RoundTrip(r)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status)
	}
	if err != nil {
		return nil, err
	}
	return &socket{w, bufio.NewReader(resp.Body)}, nil
}

// exchange sends n messages in all, one in flight on each socket, and checks the
// length of every answer.
func exchange(sockets []*socket, size, n int) error {
	var all sync.WaitGroup
	failed := make(chan error, len(sockets))
	out := frame(size)
	for _, s := range sockets {
		all.Go(func() {
			for range n / len(sockets) {
				if err := s.echo(out, size); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	all.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// frame is a client's text frame, masked with zeros.
func frame(size int) []byte {
	b := []byte{0x81}
	if size < 126 {
		b = append(b, 0x80|byte(size)) //nolint:gosec // less than 126
	} else {
		b = append(b, 0x80|126)
		b = binary.BigEndian.AppendUint16(b, uint16(size)) //nolint:gosec // at most 16 KiB
	}
	return append(append(b, 0, 0, 0, 0), strings.Repeat("x", size)...)
}

func (s *socket) echo(out []byte, size int) error {
	if _, err := s.w.Write(out); err != nil {
		return err
	}
	header, err := s.r.Peek(2)
	if err != nil {
		return err
	}
	length := int(header[1])
	skip := 2
	if length == 126 {
		if header, err = s.r.Peek(4); err != nil {
			return err
		}
		length, skip = int(binary.BigEndian.Uint16(header[2:])), 4
	}
	if length != size {
		return fmt.Errorf("an answer has %d bytes, not %d", length, size)
	}
	_, err = s.r.Discard(skip + length)
	return err
}
