package lazywebsocket

import (
	"bufio"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"golazy.dev/lazywebsocket/internal/wsproto"
)

// Upgrader turns HTTP requests into connections. The zero value is ready, with
// the defaults that the fields name. Its methods may be called concurrently as
// long as the fields do not change.
type Upgrader struct {
	// HandshakeTimeout bounds the writing of the answer. If zero, 10 s. If
	// negative, no limit. Reading the request is bounded by
	// http.Server.ReadHeaderTimeout.
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

	// Subprotocols are the server's subprotocols in order of preference; the
	// first that the client offers is chosen. If nil, a Sec-WebSocket-Protocol
	// of the response header that is passed to Upgrade is used as it is.
	Subprotocols []string

	// Error answers a request that is not upgraded. If nil, http.Error does,
	// with the status text.
	Error func(w http.ResponseWriter, r *http.Request, status int, reason error)

	// CheckOrigin reports whether the request's Origin is welcome; false is
	// answered with 403 Forbidden. If nil, an Origin must have the request's
	// host, so that pages of other sites cannot open connections with their
	// visitors' cookies. A program that sets it looks at every part of the
	// Origin: scheme, host and port.
	CheckOrigin func(r *http.Request) bool

	// EnableCompression takes the first offer of permessage-deflate (RFC 7692)
	// that Compression allows; without one the connection is not compressed.
	EnableCompression bool

	// Compression says how. The zero value is the default.
	Compression CompressionOptions

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

const defaultUpgradeTimeout = 10 * time.Second

// Upgrade upgrades the request's connection to the WebSocket protocol
// (RFC 6455, 4.2) and returns it; the ResponseWriter must not be used any more.
// The response header may be nil; it is sent with the answer, for cookies for
// example. Response writers that wrap another one are looked through, by their
// Unwrap method.
//
// If it fails it has answered the request, and returns a HandshakeError for
// what the client did wrong. Bytes that the client sent behind its request are
// read as the connection's first.
//
// The connection does not end with the request's context. If a response writer
// has a method OnPanic(func()), a panic of the handler reaches the connection
// through it, and the peer is told CloseInternalServerErr.
//
// An extended CONNECT over HTTP/2 (RFC 8441) is accepted like an upgrade, where the
// process has switched it on: see golazy.dev/lazywebsocket/http2, and for HTTP/3 (RFC
// 9220) golazy.dev/lazywebsocket/http3. The connection is
// a stream of the request then, and ends with its handler, which must not return
// before: with Close, which waits for the peer's goodbye there, or Poller.Serve,
// which returns at the end. A response writer with a method OnReturn(func()), such as
// that of lazyroutes and of http2.Handler, makes the request wait for the connection.
//
// What a middleware does to the request's body it does to the connection there: one that
// limits it, as http.MaxBytesHandler, ends the connection after so many bytes (1006). So
// does a ReadTimeout of http.Server that passes before Upgrade is called.
func (u *Upgrader) Upgrade(w http.ResponseWriter, r *http.Request, responseHeader http.Header) (*Conn, error) {
	var a *attempt
	if u.Observer != nil {
		a = u.Observer.attempt(r.Context(), false, r.ProtoMajor)
		defer a.tell()
	}
	var c *Conn
	flt := notTwice(r)
	if flt == nil {
		budget := u.Budget.orDefault()
		defer budget.endHandshake()
		flt = budget.beginHandshake()
	}
	if flt == nil {
		c, flt = u.accept(w, r, responseHeader)
	}
	if flt != nil {
		err := u.refuse(w, r, flt)
		a.refused(flt.why, flt.status, err)
		return nil, err
	}
	a.accepted(c, c.acceptedStatus())
	if u.PingInterval > 0 {
		c.startKeepalive(u.PingInterval, u.PongTimeout)
	}
	c.bind(w)
	return c, nil
}

// acceptedStatus is the status that accepts the handshake of a server's connection.
func (c *Conn) acceptedStatus() int {
	if c.overStream() {
		return http.StatusOK // RFC 8441, 5
	}
	return http.StatusSwitchingProtocols
}

// accept makes a connection of a request that is a handshake.
func (u *Upgrader) accept(w http.ResponseWriter, r *http.Request, responseHeader http.Header) (*Conn, *fault) {
	key, flt := u.check(r)
	if flt != nil {
		return nil, flt
	}
	subprotocol := u.chooseSubprotocol(r, responseHeader)
	extension, agreed := u.chooseCompression(r)
	if flt := checkExtras(subprotocol, responseHeader); flt != nil {
		return nil, flt
	}
	budget := u.Budget.orDefault()
	address, flt := budget.takeAddress(r.RemoteAddr)
	if flt != nil {
		return nil, flt
	}
	var c *Conn
	if s := u.settings(subprotocol, address); key == "" {
		c, flt = u.takeStream(w, r, s, extension, responseHeader)
	} else {
		c, flt = u.takeSocket(w, s, key, extension, responseHeader)
	}
	if flt != nil {
		budget.releaseAddress(address)
		return nil, flt
	}
	if extension != "" {
		c.compress(u.Compression, agreed)
	}
	return c, nil
}

// takeSocket takes over the connection of an HTTP/1.1 request and answers it.
func (u *Upgrader) takeSocket(w http.ResponseWriter, s settings, key, extension string, responseHeader http.Header) (*Conn, *fault) {
	buf := borrow(answerSize)
	defer giveBack(buf)
	answer := appendAnswer(buf.b[:0], key, s.subprotocol, extension, responseHeader)
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, internalFault("the connection cannot be taken over: " + err.Error())
	}
	s.received = received(rw.Reader)
	c := newConn(nc, s)
	if err := c.sendAnswer(answer, u.HandshakeTimeout); err != nil {
		_ = nc.Close()
		return nil, unanswered(err)
	}
	return c, nil
}

// bind asks a response writer that knows of it to tell when the handler panics, and
// over HTTP/2, where the stream ends with the handler, when it returns.
func (c *Conn) bind(w http.ResponseWriter) {
	s, ok := c.deadlines.nc.(*streamConn)
	if p := find[interface{ OnPanic(f func()) }](w); p != nil {
		p.OnPanic(func() {
			c.ends(EndPanic)
			_ = c.end(CloseInternalServerErr, "")
			if ok {
				<-s.done // the handler returns next, and what OnReturn has is not called
			}
		})
	}
	if ok {
		if p := find[interface{ OnReturn(f func()) }](w); p != nil {
			s.keep()
			p.OnReturn(func() { c.outlive(s) })
		}
	}
}

// settings are those of a connection, but for the keepalive: its first ping must
// not leave before the answer.
func (u *Upgrader) settings(subprotocol string, address netip.Addr) settings {
	return settings{
		role:            wsproto.Server,
		subprotocol:     subprotocol,
		readBufferSize:  u.ReadBufferSize,
		writeBufferSize: u.WriteBufferSize,
		writeBufferPool: u.WriteBufferPool,
		readLimit:       u.ReadLimit,
		maxFragments:    u.MaxFragments,
		holdLimit:       u.HoldLimit,
		bounds:          bounds{u.Queue, u.Budget, address},
	}
}

// Upgrade upgrades the request's connection without looking at its Origin: any
// page can then open connections with its visitors' cookies. If it fails the
// caller answers the request.
//
// Deprecated: use Upgrader.
func Upgrade(w http.ResponseWriter, r *http.Request, responseHeader http.Header, readBufSize, writeBufSize int) (*Conn, error) {
	u := Upgrader{
		ReadBufferSize:  readBufSize,
		WriteBufferSize: writeBufSize,
		Error:           func(http.ResponseWriter, *http.Request, int, error) {},
		CheckOrigin:     func(*http.Request) bool { return true },
	}
	return u.Upgrade(w, r, responseHeader)
}

// appendAnswer appends the answer that completes the handshake (RFC 6455, 4.2.2).
// What the application wants in it has been checked.
func appendAnswer(b []byte, key, subprotocol, extension string, extra http.Header) []byte {
	b = append(b, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	b = wsproto.AppendAcceptKey(b, key)
	if subprotocol != "" {
		b = append(b, "\r\nSec-WebSocket-Protocol: "...)
		b = append(b, subprotocol...)
	}
	if extension != "" {
		b = append(b, "\r\nSec-WebSocket-Extensions: "...)
		b = append(b, extension...)
	}
	for name, values := range extra {
		if http.CanonicalHeaderKey(name) == headerProtocol {
			continue
		}
		for _, value := range values {
			b = append(b, "\r\n"...)
			b = append(b, name...)
			b = append(b, ": "...)
			b = append(b, value...)
		}
	}
	return append(b, "\r\n\r\n"...)
}

// forbiddenInAnswer says what is wrong with a header that the application wants
// in the answer, or "".
func forbiddenInAnswer(name string, values []string) string {
	switch http.CanonicalHeaderKey(name) {
	case headerExtensions, headerAccept, "Upgrade", "Connection", "Content-Length", "Transfer-Encoding":
		return "application specific '" + name + "' headers are unsupported"
	}
	if !validToken(name) {
		return "response header name " + strconv.Quote(name) + " is not a token"
	}
	for _, value := range values {
		if !validHeaderValue(value) {
			return "response header " + name + " has a value that must not be sent: " + strconv.Quote(value)
		}
	}
	return ""
}

// sendAnswer writes the answer and leaves the connection without deadlines: those
// of http.Server end here, whoever has taken the connection over. A timeout of
// zero is the default, a negative one none.
func (c *Conn) sendAnswer(answer []byte, timeout time.Duration) error {
	nc := c.deadlines.nc
	if err := nc.SetDeadline(time.Time{}); err != nil {
		return err
	}
	if c.src.socket != nil {
		// What fits into the socket's buffer, as it nearly always does, needs no
		// time, and no timer.
		n, err := c.tryWrite(answer, false)
		if answer = answer[n:]; err != nil || len(answer) == 0 {
			return err
		}
	}
	if timeout == 0 {
		timeout = defaultUpgradeTimeout
	}
	if timeout > 0 {
		if err := nc.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
			return err
		}
	}
	if _, err := nc.Write(answer); err != nil {
		return err
	}
	return nc.SetWriteDeadline(time.Time{})
}

// received returns what the client has sent behind its request, valid until the
// reader is used again.
func received(r *bufio.Reader) []byte {
	b, _ := r.Peek(r.Buffered()) // what is buffered can be seen
	return b
}

// find returns the response writer, or the first one that it wraps, that is a T;
// nil if none is.
func find[T any](w http.ResponseWriter) (t T) {
	for {
		if t, ok := w.(T); ok {
			return t
		}
		wraps, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return t
		}
		w = wraps.Unwrap()
	}
}
