package lazywebsocket

import (
	"context"
	"net"
	"net/http"
	"net/url"
)

// NewClient does the client's handshake on a connection that exists, with a TLS
// handshake first if the URL is a wss one. The request header and the results
// are those of [Dialer.DialContext]. If it fails, netConn is closed.
//
// Deprecated: use a Dialer with NetDialContext.
func NewClient(netConn net.Conn, u *url.URL, requestHeader http.Header, readBufSize, writeBufSize int) (c *Conn, response *http.Response, err error) {
	if u == nil {
		u = &url.URL{} // a malformed one
	}
	d := Dialer{
		ReadBufferSize:  readBufSize,
		WriteBufferSize: writeBufSize,
		NetDialContext: func(context.Context, string, string) (net.Conn, error) {
			return netConn, nil
		},
	}
	if c, response, err = d.Dial(u.String(), requestHeader); err != nil && netConn != nil {
		_ = hangUp(netConn)
	}
	return c, response, err
}
