package lazywebsocket

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http/httptrace"
	"net/url"
	"strings"
)

type dialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// route is the way to the server: the address to dial, and the proxy whose
// address that is, if there is one.
type route struct {
	addr  string
	proxy *url.URL // nil: none
	// secureDial is set when the dial function itself does the first TLS
	// handshake.
	secureDial bool
}

// route finds the way to the server.
func (d *Dialer) route(hs *clientHandshake) (*route, error) {
	proxy, err := d.proxyFor(hs)
	if err != nil {
		return nil, err
	}
	secure := hs.secure
	rt := &route{addr: hs.addr, proxy: proxy}
	if proxy != nil {
		rt.addr = hostPort(proxy)
		secure = proxy.Scheme == "https"
	}
	rt.secureDial = secure && d.NetDialTLSContext != nil
	return rt, nil
}

// netDial returns the function that makes the first network connection.
func (d *Dialer) netDial(rt *route) dialFunc {
	switch {
	case rt.secureDial:
		return d.NetDialTLSContext
	case d.NetDialContext != nil:
		return d.NetDialContext
	case d.NetDial != nil:
		return abandonable(d.NetDial)
	}
	return dialNetwork
}

// errDialGone is what a dial function that ends its goroutine leaves behind.
var errDialGone = errors.New("the dial function did not return")

// abandonable makes a dial function that knows no context one that does: when
// ctx ends first, the connection is closed as soon as it comes. A panic reaches
// the caller.
func abandonable(dial func(network, addr string) (net.Conn, error)) dialFunc {
	type result struct {
		nc       net.Conn
		err      error
		panicked any
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		results := make(chan result)
		go func() {
			r := result{err: errDialGone}
			defer func() {
				r.panicked = recover()
				select {
				case results <- r:
				case <-ctx.Done():
					if r.nc != nil {
						_ = hangUp(r.nc)
					}
				}
			}()
			r.nc, r.err = dial(network, addr)
		}()
		select {
		case r := <-results:
			if r.panicked != nil {
				panic(r.panicked)
			}
			return r.nc, r.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// secure takes the first network connection through the proxy and through TLS.
func (d *Dialer) secure(ctx context.Context, nc net.Conn, rt *route, hs *clientHandshake) (net.Conn, error) {
	var err error
	if rt.proxy != nil {
		hs.stage = RefusedProxy
		if rt.proxy.Scheme == "https" && !rt.secureDial {
			if nc, err = startTLS(ctx, nc, d.proxyTLSConfig(rt.proxy)); err != nil {
				return nil, fmt.Errorf("proxy: %w", err)
			}
		}
		if nc, err = tunnel(nc, rt.proxy, hs.addr); err != nil {
			return nil, fmt.Errorf("proxy: %w", err)
		}
	}
	hs.stage = RefusedTLS
	if hs.secure && (rt.proxy != nil || !rt.secureDial) {
		return startTLS(ctx, nc, d.tlsConfig(hs.req.URL))
	}
	return nc, checkProtocol(nc)
}

// tlsConfig returns the configuration for the server.
func (d *Dialer) tlsConfig(u *url.URL) *tls.Config {
	config := &tls.Config{} // with crypto/tls's own minimum version
	if d.TLSClientConfig != nil {
		config = d.TLSClientConfig.Clone()
	}
	if config.ServerName == "" {
		config.ServerName = serverName(u)
	}
	// The handshake is one of HTTP/1.1 (RFC 6455, 4.1). A configuration that an
	// HTTP client shares with us often offers h2, and a server would take it.
	config.NextProtos = []string{"http/1.1"}
	return config
}

// proxyTLSConfig returns the configuration for an https proxy. What it has about
// the server is not the proxy's.
func (d *Dialer) proxyTLSConfig(proxy *url.URL) *tls.Config {
	config := d.tlsConfig(proxy)
	config.ServerName = serverName(proxy)
	config.EncryptedClientHelloConfigList = nil
	return config
}

// serverName returns the name that a certificate must have: the URL's host,
// without the zone of an IPv6 address, which no certificate has.
func serverName(u *url.URL) string {
	name, _, _ := strings.Cut(u.Hostname(), "%")
	return name
}

// startTLS does the TLS handshake of a client.
func startTLS(ctx context.Context, nc net.Conn, config *tls.Config) (net.Conn, error) {
	trace := httptrace.ContextClientTrace(ctx)
	if trace != nil && trace.TLSHandshakeStart != nil {
		trace.TLSHandshakeStart()
	}
	tc := tls.Client(nc, config)
	err := tc.HandshakeContext(ctx)
	if trace != nil && trace.TLSHandshakeDone != nil {
		trace.TLSHandshakeDone(tc.ConnectionState(), err)
	}
	if err != nil {
		return nil, err
	}
	return tc, nil
}

// checkProtocol refuses a connection of NetDialTLSContext that speaks HTTP/2.
func checkProtocol(nc net.Conn) error {
	tc, ok := nc.(interface{ ConnectionState() tls.ConnectionState })
	if !ok {
		return nil
	}
	if p := tc.ConnectionState().NegotiatedProtocol; p != "" && p != "http/1.1" {
		return fmt.Errorf("the dial function agreed on the protocol %q: NextProtos must be http/1.1", p)
	}
	return nil
}

// hangUp closes the network connection beneath nc, without the goodbye of TLS,
// which may wait for a peer that reads nothing.
func hangUp(nc net.Conn) error {
	for {
		switch c := nc.(type) {
		case *tls.Conn:
			nc = c.NetConn()
		case *prefixedConn:
			nc = c.Conn
		default:
			return nc.Close()
		}
	}
}
