package wstest

import (
	"bufio"
	"bytes"
	"crypto/sha1" //nolint:gosec // RFC 6455 asks for SHA-1
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"
)

// The handshake of RFC 6455's example (1.3), which a peer sends in the client's
// role.
const (
	requestKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	requestAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
	keyGUID       = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
)

// Request sends a valid handshake request for the path, with more header lines
// such as "Origin: https://example.com".
func (p *Peer) Request(path string, lines ...string) {
	p.tb.Helper()
	p.step++
	all := append([]string{
		"GET " + path + " HTTP/1.1",
		"Host: " + serverAddr.host(),
		"Upgrade: websocket",
		"Connection: Upgrade",
		"Sec-WebSocket-Key: " + requestKey,
		"Sec-WebSocket-Version: 13",
	}, lines...)
	p.send("Request", []byte(strings.Join(all, "\r\n")+"\r\n\r\n"))
}

// Response receives the answer to a request. Its body is in memory. After a 101
// the peer is open for frames; a 101 with a wrong Sec-WebSocket-Accept for the
// key of Request ends the test.
func (p *Peer) Response() *http.Response {
	p.tb.Helper()
	p.step++
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(p.head("Response"))), nil)
	if err != nil {
		p.fail("Response: %v", err)
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		if got := resp.Header.Get("Sec-Websocket-Accept"); got != requestAccept {
			p.fail("Response: Sec-WebSocket-Accept is %q, want %q", got, requestAccept)
		}
		p.open = true
		return resp
	}
	resp.Body = io.NopCloser(bytes.NewReader(p.body(resp.ContentLength)))
	return resp
}

// ReadRequest receives a client's handshake request and checks nothing.
func (p *Peer) ReadRequest() *http.Request {
	p.tb.Helper()
	p.step++
	return p.readRequest()
}

func (p *Peer) readRequest() *http.Request {
	p.tb.Helper()
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(p.head("ReadRequest"))))
	if err != nil {
		p.fail("ReadRequest: %v", err)
	}
	return r
}

// Accept answers a client's request with the 101 that completes the handshake
// and more header lines. The peer is open for frames then.
func (p *Peer) Accept(r *http.Request, lines ...string) {
	p.tb.Helper()
	p.step++
	p.accept(r, lines...)
}

func (p *Peer) accept(r *http.Request, lines ...string) {
	p.tb.Helper()
	all := append([]string{
		"HTTP/1.1 101 Switching Protocols",
		"Upgrade: websocket",
		"Connection: Upgrade",
		"Sec-WebSocket-Accept: " + acceptKey(r.Header.Get("Sec-Websocket-Key")),
	}, lines...)
	p.send("Accept", []byte(strings.Join(all, "\r\n")+"\r\n\r\n"))
	p.open = true
}

func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + keyGUID)) //nolint:gosec // see the import
	return base64.StdEncoding.EncodeToString(sum[:])
}

// head receives up to an empty line: the head of a request or a response.
func (p *Peer) head(call string) []byte {
	p.tb.Helper()
	for { // byte by byte, because what follows may be frames
		if i := bytes.Index(p.got, []byte("\r\n\r\n")); i >= 0 {
			return p.take(call, i+4)
		}
		if err := p.receive(1); err != nil {
			p.fail("%s: after %q: %v", call, excerpt(p.got), err)
		}
	}
}

// body receives n bytes, or up to the end of the connection if n is negative.
func (p *Peer) body(n int64) []byte {
	p.tb.Helper()
	for n < 0 || int64(len(p.got)) < n {
		err := p.receive(1)
		if n < 0 && errors.Is(err, io.EOF) {
			n = int64(len(p.got))
		} else if err != nil {
			p.fail("Response: in the body: %v", err)
		}
	}
	return p.take("Response", int(n))
}
