package lazywebsocket

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
)

// httpConnect asks an HTTP proxy for a connection to addr (RFC 9110, 9.3.6).
// Only the proxy sees its credentials; it sees nothing of the request that will
// go through.
func httpConnect(nc net.Conn, user *url.Userinfo, addr string) (net.Conn, error) {
	request := "CONNECT " + addr + " HTTP/1.1\r\nHost: " + addr + "\r\nUser-Agent: " + userAgent + "\r\n"
	if user != nil {
		password, _ := user.Password()
		request += "Proxy-Authorization: " + basicAuth(user.Username(), password) + "\r\n"
	}
	if _, err := nc.Write([]byte(request + "\r\n")); err != nil {
		return nil, err
	}
	r := newAnswerReader(nc, nil)
	resp, err := r.read(&http.Request{Method: http.MethodConnect})
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("CONNECT was answered with %.100q", resp.Status)
	}
	if behind := received(r.buf); len(behind) > 0 {
		return &prefixedConn{Conn: nc, prefix: slices.Clone(behind)}, nil
	}
	return nc, nil
}

// basicAuth returns the credentials of RFC 7617.
func basicAuth(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// prefixedConn is a connection of which some bytes have been read already.
type prefixedConn struct {
	net.Conn
	prefix []byte // reading goroutine only
}

// Read returns the bytes that have been read already, then those of the
// connection.
func (c *prefixedConn) Read(p []byte) (int, error) {
	if len(c.prefix) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.prefix)
	c.prefix = c.prefix[n:]
	return n, nil
}

// CloseWrite shuts the write side, where the connection can.
func (c *prefixedConn) CloseWrite() error {
	if nc, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return nc.CloseWrite()
	}
	return nil
}
