package lazywebsocket

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"time"

	"golazy.dev/lazywebsocket/internal/wsproto"
)

// Dialer opens connections to WebSocket servers. The zero value is ready, with
// the defaults that the fields name, and uses no proxy; [DefaultDialer] looks
// for one in the environment. Its methods may be called concurrently as long as
// the fields do not change.
type Dialer struct {
	// NetDial makes the network connection, for which network is "tcp" and addr
	// "host:port". It is used when NetDialContext is nil. It knows no context:
	// when that ends first, NetDial's connection is closed once it comes.
	NetDial func(network, addr string) (net.Conn, error)

	// NetDialContext makes the network connection, to the proxy if there is one.
	// If nil, NetDial does; if that is nil too, a net.Dialer.
	NetDialContext func(ctx context.Context, network, addr string) (net.Conn, error)

	// NetDialTLSContext makes the network connection and does the TLS handshake
	// on it: for a wss URL without a proxy, and for a proxy whose scheme is
	// https. TLSClientConfig is not used there. It must not agree on "h2". If nil,
	// NetDialContext and TLSClientConfig are used.
	NetDialTLSContext func(ctx context.Context, network, addr string) (net.Conn, error)

	// Proxy returns the proxy for a request, whose URL has the scheme http for ws
	// and https for wss; no proxy if it returns nil. The proxy's scheme is http
	// or https (CONNECT, RFC 9110, 9.3.6), or socks5 or socks5h (RFC 1928; the
	// proxy resolves names with both). The user and password in its URL are sent
	// to the proxy, and the request's headers are not. An error ends the dial.
	Proxy func(*http.Request) (*url.URL, error)

	// TLSClientConfig is the configuration of TLS, which is cloned. If nil, the
	// default. ServerName is the URL's host unless it is set; an https proxy is
	// always checked against its own. NextProtos is replaced by "http/1.1".
	TLSClientConfig *tls.Config

	// HandshakeTimeout bounds the whole dial: name resolution, connecting, the
	// proxy, TLS, and the server's answer. If zero, 45 s. If negative, no limit.
	HandshakeTimeout time.Duration

	// ReadBufferSize and WriteBufferSize are sizes in bytes; they do not limit
	// the size of messages. The read buffer is borrowed while bytes are there to be
	// read; if zero or negative, it has 65536 bytes, over TLS 16384, and on a
	// net.Conn that is no socket 4096, which are held. The write buffer is what
	// NextWriter collects before it sends a fragment; if zero or negative, 4096.
	ReadBufferSize, WriteBufferSize int

	// WriteBufferPool is where the buffers of NextWriter come from. If nil, the
	// package has pools of its own.
	WriteBufferPool BufferPool

	// Subprotocols are the subprotocols to offer, in order of preference, each
	// once (RFC 6455, 4.1). If empty, those of a Sec-WebSocket-Protocol in
	// the request header are offered.
	Subprotocols []string

	// EnableCompression offers permessage-deflate (RFC 7692), as Compression
	// says; the connection is compressed if the server takes it.
	EnableCompression bool

	// Compression says how. The zero value is the default.
	Compression CompressionOptions

	// Jar holds the cookies: those for the URL, read as http or https, are sent
	// behind the ones of the request header, and those of the answer are stored,
	// of a failed handshake too. If nil, neither is done.
	Jar http.CookieJar

	// ReadLimit is the largest message in bytes that a read accepts. If zero,
	// 1 MiB. If negative, no limit. See Conn.SetReadLimit.
	ReadLimit int64

	// HoldLimit bounds the bytes that are held back so that the answers to
	// messages that have arrived together leave together: while complete
	// messages wait in the read buffer, what is written is held, and leaves at
	// the latest when a read is about to wait for the network, or after one to
	// two milliseconds. If zero, 65536, which is the most. If negative, nothing
	// is held. See Conn.Flush.
	HoldLimit int

	// MaxFragments is the largest number of frames that a message may come in;
	// the peer is told ClosePolicyViolation. If zero, 131072. If negative, no
	// limit.
	MaxFragments int

	// PingInterval is the time between the pings of the keepalive, which
	// measures Conn.RTT and ends connections whose peer is dead. If zero or
	// negative there are none. It works while the application reads.
	PingInterval time.Duration

	// PongTimeout is how long after a ping something must arrive. If zero or
	// negative, PingInterval. Reads of a connection that is found dead return
	// an *OpError that is a time-out.
	PongTimeout time.Duration

	// Queue bounds the outgoing queue, of Conn.Publish and Group.Broadcast. The
	// zero value is the default.
	Queue QueueOptions

	// Budget is what the connections share with others of the process. If nil,
	// DefaultBudget.
	Budget *Budget

	// Observer is told of handshakes, and of what becomes of the connections. If nil,
	// nobody is.
	Observer *Observer
}

const defaultDialTimeout = 45 * time.Second

// DefaultDialer is a Dialer with the defaults, and the proxy that
// http.ProxyFromEnvironment finds.
var DefaultDialer = &Dialer{
	Proxy:            http.ProxyFromEnvironment,
	HandshakeTimeout: defaultDialTimeout,
}

// nilDialer is what the methods of a nil *Dialer use.
var nilDialer = *DefaultDialer

// Dial is DialContext without a context.
func (d *Dialer) Dial(urlStr string, requestHeader http.Header) (*Conn, *http.Response, error) {
	return d.DialContext(context.Background(), urlStr, requestHeader)
}

// DialContext opens a connection to a ws or wss URL (RFC 6455, 4.1). The URL
// must have no user or password; its fragment is not sent. The request header
// may be nil; it is for Origin, Cookie, Authorization, Host (which replaces the
// URL's), Sec-WebSocket-Protocol and the like. Content-Length,
// Transfer-Encoding and Trailer are left out: a handshake has no body.
//
// When ctx ends during the dial, the dial ends, whatever it waits for. A
// connection that was returned does not end with ctx. Hooks of an
// httptrace.ClientTrace in ctx are called.
//
// If the server's answer is not a valid handshake the error is ErrBadHandshake
// itself, and the response is returned beside it: with the status of a redirect,
// which is never followed, or of a refusal, and the first 1024 bytes of its body,
// which stay readable. With every other error the response is nil: *OpError for
// the network, the context, the proxy, and whatever in the arguments cannot be
// sent; plain errors say that the URL is not a ws or wss URL, or that the request
// header has a header of the handshake itself. On success the response has an
// empty body. Bodies need not be closed.
func (d *Dialer) DialContext(ctx context.Context, urlStr string, requestHeader http.Header) (*Conn, *http.Response, error) {
	if d == nil {
		d = &nilDialer
	}
	var a *attempt
	if d.Observer != nil {
		a = d.Observer.attempt(ctx, true, 1)
		defer a.tell()
	}
	hs, err := d.newHandshake(ctx, urlStr, requestHeader)
	if err != nil {
		a.refused(RefusedArguments, 0, err)
		return nil, nil, err
	}
	ctx, cancel := d.withTimeout(ctx)
	defer cancel()
	c, resp, err := d.dial(ctx, hs)
	if err != nil {
		a.refused(hs.refusal(ctx, resp), statusOf(resp), err)
		return nil, resp, err
	}
	a.accepted(c, statusOf(resp))
	if d.PingInterval > 0 {
		c.startKeepalive(d.PingInterval, d.PongTimeout)
	}
	return c, resp, nil
}

// refusal says why a dial has failed, by where it was and what has come of it.
func (hs *clientHandshake) refusal(ctx context.Context, resp *http.Response) Refusal {
	switch {
	case resp != nil && resp.StatusCode != http.StatusSwitchingProtocols:
		return RefusedStatus
	case resp != nil:
		return RefusedAnswer
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return RefusedTimeout
	case ctx.Err() != nil:
		return RefusedCancelled
	}
	return hs.stage
}

// statusOf returns the status of an answer, zero if there is none.
func statusOf(resp *http.Response) int {
	if resp == nil {
		return 0
	}
	return resp.StatusCode
}

// withTimeout adds the HandshakeTimeout to ctx.
func (d *Dialer) withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	switch {
	case d.HandshakeTimeout < 0:
		return ctx, func() {}
	case d.HandshakeTimeout == 0:
		return context.WithTimeout(ctx, defaultDialTimeout)
	}
	return context.WithTimeout(ctx, d.HandshakeTimeout)
}

// dial makes the connection and does the handshake on it.
func (d *Dialer) dial(ctx context.Context, hs *clientHandshake) (*Conn, *http.Response, error) {
	if ctx.Err() != nil {
		return nil, nil, dialError(ctx, ctx.Err())
	}
	hs.stage = RefusedProxy
	rt, err := d.route(hs)
	if err != nil {
		return nil, nil, dialError(ctx, err)
	}
	hs.stage = RefusedNetwork
	first, err := d.open(ctx, rt, hs)
	if err != nil {
		return nil, nil, dialError(ctx, err)
	}
	// Closing is what ends every wait on the connection, also of one that an
	// application made and whose deadlines do nothing.
	release := context.AfterFunc(ctx, func() { _ = hangUp(first) })
	nc, a, err := d.establish(ctx, first, rt, hs)
	if !release() && err == nil {
		err = ctx.Err() // it ended just behind the answer, and first is closed
	}
	switch {
	case errors.Is(err, ErrBadHandshake):
		_ = hangUp(first)
		return nil, a.resp, ErrBadHandshake
	case err != nil:
		_ = hangUp(first)
		return nil, nil, dialError(ctx, err)
	}
	_ = nc.SetDeadline(time.Time{}) // an application's connection may come with one
	c := newConn(nc, d.settings(a))
	if a.compressed {
		c.compress(d.Compression, a.agreed)
	}
	return c, a.resp, nil
}

// open makes the first network connection.
func (d *Dialer) open(ctx context.Context, rt *route, hs *clientHandshake) (net.Conn, error) {
	trace := httptrace.ContextClientTrace(ctx)
	if trace != nil && trace.GetConn != nil {
		trace.GetConn(hs.addr)
	}
	nc, err := d.netDial(rt)(ctx, "tcp", rt.addr)
	if err == nil && nc == nil {
		err = errors.New("the dial function returned no connection")
	}
	if err == nil && trace != nil && trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{Conn: nc})
	}
	return nc, err
}

// establish takes the first network connection through the proxy, TLS and the
// handshake.
func (d *Dialer) establish(ctx context.Context, first net.Conn, rt *route, hs *clientHandshake) (net.Conn, serverAnswer, error) {
	nc, err := d.secure(ctx, first, rt, hs)
	if err != nil {
		return nil, serverAnswer{}, err
	}
	hs.stage = RefusedNetwork
	a, err := hs.exchange(ctx, nc)
	if d.Jar != nil && a.resp != nil {
		if cookies := a.resp.Cookies(); len(cookies) > 0 {
			d.Jar.SetCookies(hs.req.URL, cookies)
		}
	}
	return nc, a, err
}

func (d *Dialer) settings(a serverAnswer) settings {
	return settings{
		role:            wsproto.Client,
		subprotocol:     a.subprotocol,
		readBufferSize:  d.ReadBufferSize,
		writeBufferSize: d.WriteBufferSize,
		writeBufferPool: d.WriteBufferPool,
		readLimit:       d.ReadLimit,
		maxFragments:    d.MaxFragments,
		holdLimit:       d.HoldLimit,
		bounds:          bounds{queue: d.Queue, budget: d.Budget},
		received:        a.received,
	}
}

// dialError is what the application sees of err, which ended a dial. When ctx
// has ended, err is mostly what that did to the connection; only the network's
// own error says more.
func dialError(ctx context.Context, err error) error {
	if ended := ctx.Err(); ended != nil {
		if !errors.Is(err, ended) || !errors.As(err, new(*net.OpError)) {
			err = ended
		}
		if cause := context.Cause(ctx); !errors.Is(err, cause) {
			err = fmt.Errorf("%w: %w", err, cause)
		}
		if ended == context.DeadlineExceeded {
			err = fmt.Errorf("%w: %w", os.ErrDeadlineExceeded, err)
		}
	}
	return &OpError{Op: "dial", Err: err}
}
