package lazywebsocket

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"

	"golazy.dev/lazywebsocket/internal/wsdeflate"
)

// clientHandshake is the client's side of a handshake: what is sent, and what the
// answer is judged by.
type clientHandshake struct {
	req     *http.Request      // what is sent, for the application to look at
	addr    string             // of the server: "host:port"
	secure  bool               // wss
	target  string             // path and query
	key     string             // Sec-WebSocket-Key
	offered []string           // subprotocols
	deflate []wsdeflate.Params // the offers of permessage-deflate
	stage   Refusal            // what it means if the dial fails now
}

// userAgent is sent when the application names none. It is the one that net/http
// sends: some servers refuse requests without it.
const userAgent = "Go-http-client/1.1"

// newHandshake checks all that the application wants to be sent. Nothing has
// touched the network yet.
func (d *Dialer) newHandshake(ctx context.Context, rawURL string, header http.Header) (*clientHandshake, error) {
	u, err := parseURL(rawURL)
	if err != nil {
		return nil, err
	}
	if err := d.checkHandshakeHeaders(header); err != nil {
		return nil, err
	}
	hs := &clientHandshake{addr: hostPort(u), secure: u.Scheme == "https", key: newKey()}
	hs.req = (&http.Request{
		Method: http.MethodGet, URL: u, Host: u.Host, Header: sentHeader(header),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(ctx)
	if err := d.fill(hs, header); err != nil {
		return nil, &OpError{Op: "dial", Err: err}
	}
	return hs, nil
}

// fill completes a handshake that has its request with the application's header.
func (d *Dialer) fill(hs *clientHandshake, header http.Header) (err error) {
	if hs.target, err = requestTarget(hs.req.URL); err != nil {
		return err
	}
	if hs.req.Host, err = hostHeader(hs.req.URL); err != nil {
		return err
	}
	if hs.req.Host, err = chooseHost(hs.req.Host, header); err != nil {
		return err
	}
	if hs.offered, err = d.offer(hs.req.Header); err != nil {
		return err
	}
	if d.Jar != nil {
		for _, cookie := range d.Jar.Cookies(hs.req.URL) {
			hs.req.AddCookie(cookie)
		}
	}
	if err := checkHeader(hs.req.Header); err != nil {
		return err
	}
	h := hs.req.Header
	h["Upgrade"], h["Connection"] = []string{"websocket"}, []string{"Upgrade"}
	h[headerKey], h[headerVersion] = []string{hs.key}, []string{protocolVersion}
	if d.EnableCompression {
		hs.deflate = d.Compression.policy().Offers()
		h[headerExtensions] = []string{joinOffers(hs.deflate)}
	}
	if len(hs.offered) > 0 {
		h[headerProtocol] = []string{strings.Join(hs.offered, ", ")}
	}
	return nil
}

// joinOffers makes one header line of the offers (RFC 6455, 9.1).
func joinOffers(offers []wsdeflate.Params) string {
	elements := make([]string, len(offers))
	for i, offer := range offers {
		elements[i] = offer.String()
	}
	return strings.Join(elements, ", ")
}

// newKey returns a Sec-WebSocket-Key: 16 bytes that nobody can guess
// (RFC 6455, 4.1).
func newKey() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the process instead
	return base64.StdEncoding.EncodeToString(b[:])
}

// checkHandshakeHeaders refuses headers that are the handshake's own. The text
// is the one that programs written for gorilla/websocket know.
func (d *Dialer) checkHandshakeHeaders(header http.Header) error {
	for _, name := range slices.Sorted(maps.Keys(header)) {
		name = http.CanonicalHeaderKey(name)
		switch name {
		case headerProtocol:
			if len(d.Subprotocols) == 0 {
				continue
			}
			fallthrough
		case "Upgrade", "Connection", headerKey, headerVersion, headerExtensions:
			return errors.New("websocket: duplicate header not allowed: " + name)
		}
	}
	return nil
}

// sentHeader returns the part of the application's header that is sent as it
// is. Names keep their case, but for the two that are looked up later.
func sentHeader(header http.Header) http.Header {
	sent := make(http.Header, len(header)+6)
	for _, name := range slices.Sorted(maps.Keys(header)) {
		values := header[name]
		switch canonical := http.CanonicalHeaderKey(name); canonical {
		case "Host", "Content-Length", "Transfer-Encoding", "Trailer":
		case headerProtocol:
			sent[canonical] = append(sent[canonical], values...)
		case "Cookie":
			// One line, and one only (RFC 6265, 5.4).
			values = slices.Concat(sent[canonical], values)
			sent[canonical] = []string{strings.Join(values, "; ")}
		default:
			sent[name] = slices.Clone(values)
		}
	}
	return sent
}

// chooseHost returns the Host of the application's header, or the URL's.
func chooseHost(fromURL string, header http.Header) (string, error) {
	var hosts []string
	for name, values := range header {
		if equalFold(name, "Host") {
			hosts = append(hosts, values...)
		}
	}
	switch {
	case len(hosts) == 0, len(hosts) == 1 && hosts[0] == "":
		return fromURL, nil
	case len(hosts) > 1:
		return "", fmt.Errorf("the request header has %d Host headers", len(hosts))
	case !visibleASCII(hosts[0]):
		return "", fmt.Errorf("the Host header %q has bytes that must not be sent", hosts[0])
	}
	return hosts[0], nil
}

// offer returns the subprotocols to offer: the Dialer's, or the header's.
func (d *Dialer) offer(header http.Header) ([]string, error) {
	offered := slices.Clone(d.Subprotocols)
	headerTokens(header, headerProtocol, func(token string) bool {
		if token != "" {
			offered = append(offered, token)
		}
		return true
	})
	seen := make(map[string]bool, len(offered))
	for _, p := range offered {
		if !validSubprotocol(p) {
			return nil, fmt.Errorf("subprotocol %q must not be sent", p)
		}
		if seen[p] {
			return nil, fmt.Errorf("subprotocol %q is offered twice", p)
		}
		seen[p] = true
	}
	return offered, nil
}

// checkHeader refuses what must not be sent: a CR or an LF in a value, above
// all, would begin a header of somebody else's.
func checkHeader(header http.Header) error {
	for name, values := range header {
		if !validToken(name) {
			return fmt.Errorf("request header name %q is not a token", name)
		}
		for _, value := range values {
			if !validHeaderValue(value) {
				return fmt.Errorf("request header %s has a value with bytes that must not be sent", name)
			}
		}
	}
	return nil
}

// appendRequest appends the request (RFC 6455, 4.1) to b. wrote, if not nil, is
// told each header.
func (hs *clientHandshake) appendRequest(b []byte, wrote func(name string, values []string)) []byte {
	line := func(name string, values ...string) {
		for _, value := range values {
			b = append(b, name...)
			b = append(b, ": "...)
			b = append(b, value...)
			b = append(b, "\r\n"...)
		}
		if wrote != nil && len(values) > 0 {
			wrote(name, values)
		}
	}
	b = append(b, "GET "+hs.target+" HTTP/1.1\r\n"...)
	line("Host", hs.req.Host)
	line("Upgrade", "websocket")
	line("Connection", "Upgrade")
	line("Sec-WebSocket-Key", hs.key)
	line("Sec-WebSocket-Version", protocolVersion)
	if len(hs.offered) > 0 {
		line("Sec-WebSocket-Protocol", strings.Join(hs.offered, ", "))
	}
	line("Sec-WebSocket-Extensions", hs.req.Header[headerExtensions]...)
	h := hs.req.Header
	if !headerNamed(h, "User-Agent") {
		line("User-Agent", userAgent)
	}
	for _, name := range slices.Sorted(maps.Keys(h)) {
		switch name {
		case "Upgrade", "Connection", headerKey, headerVersion, headerProtocol, headerExtensions:
			continue
		}
		if equalFold(name, "User-Agent") && strings.Join(h[name], "") == "" {
			continue // none is wanted
		}
		line(name, h[name]...)
	}
	return append(b, "\r\n"...)
}

func headerNamed(h http.Header, name string) bool {
	for k := range h {
		if equalFold(k, name) {
			return true
		}
	}
	return false
}

// send writes the request, in one write.
func (hs *clientHandshake) send(nc net.Conn, trace *httptrace.ClientTrace) error {
	if trace == nil {
		trace = &httptrace.ClientTrace{}
	}
	_, err := nc.Write(hs.appendRequest(make([]byte, 0, 512), trace.WroteHeaderField))
	if err == nil && trace.WroteHeaders != nil {
		trace.WroteHeaders()
	}
	if trace.WroteRequest != nil {
		trace.WroteRequest(httptrace.WroteRequestInfo{Err: err})
	}
	return err
}
