package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// opening is a trial of the handshake, RFC 6455 4.2: a request that edit has changed,
// and what the answer must be.
type opening struct {
	edit  func(r *rawRequest)
	check func(response *http.Response) error
}

// rawRequest is a request as it goes onto the wire, also one that net/http would not
// send.
type rawRequest struct {
	method, version string
	host            bool // the Host line is there
	header          http.Header
	bytewise        bool
}

var handshakeTrials = []trial{
	{"handshake/answer", "RFC 6455 4.2.2", opening{nil, agreed}.run},
	{"handshake/bytewise", "RFC 6455 4.2.1", opening{func(r *rawRequest) { r.bytewise = true }, agreed}.run},
	{"handshake/tokens", "RFC 6455 4.2.1", opening{func(r *rawRequest) {
		r.header.Set("Upgrade", "WebSocket")
		r.header.Set("Connection", "keep-alive, UPGRADE")
	}, agreed}.run},
	{"handshake/unknown extension", "RFC 6455 9.1", set("Sec-WebSocket-Extensions", "x-lazyws-conform; a=1", agreed)},
	{"handshake/subprotocol that nobody knows", "RFC 6455 4.2.2", set("Sec-WebSocket-Protocol", "x-lazyws-conform", oneOffered)},
	{"handshake/no key", "RFC 6455 4.2.1", set("Sec-WebSocket-Key", "", refused)},
	{"handshake/key of 15 bytes", "RFC 6455 4.2.1", set("Sec-WebSocket-Key", "MTIzNDU2Nzg5MDEyMzQ1", refused)},
	{"handshake/key that is not base64", "RFC 6455 4.2.1", set("Sec-WebSocket-Key", "!!!!IHNhbXBsZSBub25jZQ==", refused)},
	{"handshake/no version", "RFC 6455 4.2.1", set("Sec-WebSocket-Version", "", refused)},
	{"handshake/version 8", "RFC 6455 4.4", set("Sec-WebSocket-Version", "8", versions)},
	{"handshake/no Upgrade", "RFC 6455 4.2.1", set("Upgrade", "", plainHTTP)},
	{"handshake/another Upgrade", "RFC 6455 4.2.1", set("Upgrade", "h2c", plainHTTP)},
	{"handshake/no Connection", "RFC 6455 4.2.1", set("Connection", "", plainHTTP)},
	{"handshake/Connection: close", "RFC 6455 4.2.1", set("Connection", "close", plainHTTP)},
	{"handshake/POST", "RFC 6455 4.2.1", opening{func(r *rawRequest) { r.method = "POST" }, plainHTTP}.run},
	{"handshake/HTTP 1.0", "RFC 6455 4.2.1", opening{func(r *rawRequest) { r.version = "HTTP/1.0" }, plainHTTP}.run},
	{"handshake/no Host", "RFC 6455 4.2.1", opening{func(r *rawRequest) { r.host = false }, refused}.run},
}

// set is an opening with another value of a header line; an empty one leaves the line
// out.
func set(name, value string, check func(*http.Response) error) func(context.Context, *conformOptions) error {
	return opening{func(r *rawRequest) {
		r.header.Del(name)
		if value != "" {
			r.header.Set(name, value)
		}
	}, check}.run
}

// run implements trial.
func (x opening) run(ctx context.Context, o *conformOptions) error {
	conn, host, target, err := o.raw(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	end, _ := ctx.Deadline()
	_ = conn.SetDeadline(end)
	r := &rawRequest{method: http.MethodGet, version: "HTTP/1.1", host: true, header: o.request()}
	if x.edit != nil {
		x.edit(r)
	}
	if err := r.write(conn, host, target); err != nil {
		return err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return fmt.Errorf("no answer: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	return x.check(response)
}

// write sends the request.
func (r *rawRequest) write(conn net.Conn, host, target string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s\r\n", r.method, target, r.version)
	if r.host {
		fmt.Fprintf(&b, "Host: %s\r\n", host)
	}
	if err := r.header.Write(&b); err != nil {
		return err
	}
	b.WriteString("\r\n")
	size := b.Len()
	if r.bytewise {
		size = 1
	}
	for part := range slices.Chunk([]byte(b.String()), size) {
		if _, err := conn.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// raw opens the connection beneath, straight to the server, and returns what a request
// names it by.
func (o *conformOptions) raw(ctx context.Context) (conn net.Conn, host, target string, err error) {
	u, err := url.Parse(o.url)
	if err != nil {
		return nil, "", "", err
	}
	port := u.Port()
	if u.Scheme == "wss" {
		d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: o.insecure, NextProtos: []string{"http/1.1"}}} //nolint:gosec // the user has asked for it
		if port == "" {
			port = "443"
		}
		conn, err = d.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	} else {
		if port == "" {
			port = "80"
		}
		conn, err = new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	}
	return conn, u.Host, u.RequestURI(), err
}

// agreed checks a 101: RFC 6455 4.2.2, 5.
func agreed(response *http.Response) error {
	h := response.Header
	switch {
	case response.StatusCode != http.StatusSwitchingProtocols:
		return fmt.Errorf("answered %s, want 101", response.Status)
	case !strings.EqualFold(h.Get("Upgrade"), "websocket"), !strings.EqualFold(h.Get("Connection"), "upgrade"):
		return fmt.Errorf("the answer has Upgrade %q and Connection %q", h.Get("Upgrade"), h.Get("Connection"))
	case h.Get("Sec-WebSocket-Accept") != acceptKey:
		return fmt.Errorf("Sec-WebSocket-Accept is %q, want %q", h.Get("Sec-WebSocket-Accept"), acceptKey)
	case h.Get("Sec-WebSocket-Extensions") != "":
		return fmt.Errorf("the server uses extensions that were not offered: %q", h.Get("Sec-WebSocket-Extensions"))
	default:
		return nil
	}
}

// oneOffered checks that the server has taken the subprotocol that was offered, or none;
// one that insists on its own may refuse.
func oneOffered(response *http.Response) error {
	if refused(response) == nil {
		return nil
	}
	if p := response.Header.Get("Sec-WebSocket-Protocol"); p != "" && p != "x-lazyws-conform" {
		return fmt.Errorf("the server has chosen the subprotocol %q, which was not offered", p)
	}
	return agreed(response)
}

// refused checks that the answer is an error of the client.
func refused(response *http.Response) error {
	if response.StatusCode < 400 || response.StatusCode > 499 {
		return fmt.Errorf("answered %s, want a status from 400 to 499", response.Status)
	}
	return nil
}

// plainHTTP checks that a request that asks for no WebSocket does not get one. A page
// may be at the same address.
func plainHTTP(response *http.Response) error {
	if response.StatusCode == http.StatusSwitchingProtocols {
		return fmt.Errorf("answered %s", response.Status)
	}
	return nil
}

// versions checks that the server says which versions it knows: RFC 6455 4.4.
func versions(response *http.Response) error {
	if err := refused(response); err != nil {
		return err
	}
	if known := response.Header.Get("Sec-WebSocket-Version"); !strings.Contains(known, "13") {
		return fmt.Errorf("answered %s with Sec-WebSocket-Version %q, want 13 in it", response.Status, known)
	}
	return nil
}
