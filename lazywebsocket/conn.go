package lazywebsocket

import (
	"net"
	"sync/atomic"
	"time"

	"golazy.dev/lazywebsocket/internal/poll"
	"golazy.dev/lazywebsocket/internal/wsproto"
)

// The message types of RFC 6455, 11.8.
const (
	// TextMessage is a text message: UTF-8.
	TextMessage = 1
	// BinaryMessage is a message of any bytes.
	BinaryMessage = 2
	// CloseMessage is a close control message. Its payload comes from
	// FormatCloseMessage.
	CloseMessage = 8
	// PingMessage is a ping control message, with at most 125 bytes.
	PingMessage = 9
	// PongMessage is a pong control message, with at most 125 bytes.
	PongMessage = 10
)

// The close codes of RFC 6455, 7.4.1, and of IANA's registry.
const (
	CloseNormalClosure           = 1000
	CloseGoingAway               = 1001
	CloseProtocolError           = 1002
	CloseUnsupportedData         = 1003
	CloseNoStatusReceived        = 1005 // never sent: a Close frame without a code
	CloseAbnormalClosure         = 1006 // never sent: no Close frame came
	CloseInvalidFramePayloadData = 1007
	ClosePolicyViolation         = 1008
	CloseMessageTooBig           = 1009
	CloseMandatoryExtension      = 1010
	CloseInternalServerErr       = 1011
	CloseServiceRestart          = 1012
	CloseTryAgainLater           = 1013
	CloseTLSHandshake            = 1015 // never sent: TLS failed
)

// Conn is a WebSocket connection. An [Upgrader] makes the server's end, a
// [Dialer] the client's.
//
// One goroutine reads; any number may write, and their messages do not mix.
// Close, Shutdown, the deadlines, and the methods that only report may be
// called from any goroutine at any time, and so may the setters of handlers.
//
// Control frames are answered by reads: an application that does not read
// answers no ping and notices no close.
type Conn struct {
	r reader

	// What a message looks at that leaves the queue stands together, from here on: of
	// thousands of connections none is in the processor's cache when its turn comes.
	src source
	w   writer

	served    atomic.Pointer[served] // nil: the application reads
	rare      atomic.Pointer[rare]   // nil until any of it is needed
	deadlines deadlines
}

// rare is what few connections need. A Conn is small because it is elsewhere.
type rare struct {
	subprotocol string
	buffers     writeBuffers             // as the application wants them
	bounds      *bounds                  // nil: the defaults
	released    atomic.Bool              // the address in bounds is counted no more
	handlers    atomic.Pointer[handlers] // nil: the default behaviour for every control frame
	keepalive   *keepalive               // nil: off
	observed    *observed                // nil: nobody is told
	stream      stream                   // of NextWriter
	pong        pongSlot
}

// lazily returns what p points to, which the first caller makes.
func lazily[T any](p *atomic.Pointer[T]) *T {
	if v := p.Load(); v != nil {
		return v
	}
	p.CompareAndSwap(nil, new(T))
	return p.Load()
}

// settings is what an Upgrader or a Dialer has decided about a connection.
// Zero values are the documented defaults of their fields.
type settings struct {
	role            wsproto.Role
	subprotocol     string
	readBufferSize  int
	writeBufferSize int
	writeBufferPool BufferPool
	readLimit       int64
	maxFragments    int
	holdLimit       int
	bounds          bounds

	// received is what the peer sent behind its part of the handshake. It is
	// read before anything else, and copied.
	received []byte
}

const (
	defaultReadLimit    = 1 << 20
	defaultMaxFragments = 1 << 17

	// A control frame is handled inside the read buffer, so that it must fit.
	minReadBuffer = wsproto.MaxHeaderSize + wsproto.MaxControlPayload
)

// newConn makes a connection on nc, whose handshake is complete and whose
// deadlines are cleared. It has no keepalive yet, whose first ping must not leave
// before the handshake's last byte, nor a connection end before an Observer has
// heard of it.
func newConn(nc net.Conn, s settings) *Conn {
	c := new(Conn)
	if s.subprotocol != "" {
		lazily(&c.rare).subprotocol = s.subprotocol
	}
	nc = unwrapped(nc)
	c.deadlines.nc = nc
	c.r.init(s, c.src.init(nc))
	c.initWriteBuffers(s)
	c.initBounds(s)
	c.initHold(s.holdLimit)
	return c
}

// orDefault returns v, or def when v is zero or negative.
func orDefault(v, def int) int {
	if v <= 0 {
		return def
	}
	return v
}

// Subprotocol returns the subprotocol that the handshake chose, or "".
func (c *Conn) Subprotocol() string {
	if r := c.rare.Load(); r != nil {
		return r.subprotocol
	}
	return ""
}

// LocalAddr returns the local network address.
func (c *Conn) LocalAddr() net.Addr { return c.deadlines.conn().LocalAddr() }

// RemoteAddr returns the peer's network address: a proxy's, if there is one.
func (c *Conn) RemoteAddr() net.Addr {
	if s := c.served.Load(); s != nil {
		if a := s.remote.addr(); a != nil {
			return a // a socket of the event loop knows it only while it is open
		}
	}
	return c.deadlines.conn().RemoteAddr()
}

// NetConn returns the connection beneath, never nil. Reading it after Conn has
// read may miss bytes that Conn has buffered; writing to it between Conn's
// frames breaks the protocol. It is for addresses, TLS state and socket
// options. What Conn holds back is sent first, if that takes no waiting.
//
// Over HTTP/2 it is the stream: its addresses are those of the connection that carries
// it, whose TLS state is in the request, and writes to it leave as they are.
//
// Where the event loop of a Poller reads a plain socket, reading and writing the
// net.Conn returns an *OpError, and its LocalAddr is empty after the end.
func (c *Conn) NetConn() net.Conn {
	if c.w.hold.on.Load() {
		c.flushSoon()
	}
	nc := c.deadlines.conn()
	if s, ok := nc.(*poll.Socket); ok {
		return handedOver{s}
	}
	return nc
}

// UnderlyingConn returns the same as NetConn.
func (c *Conn) UnderlyingConn() net.Conn { return c.NetConn() }

// SetReadDeadline sets the time after which reads fail; zero means never. A
// read that timed out is a failed read: every later read returns the same
// error, and only Close and writing remain. To stop waiting without that, use
// ReadMessageContext.
//
// After Close it returns an error that is net.ErrClosed.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.deadlines.setRead(t) }

// SetWriteDeadline sets the time after which writes fail; zero means never. It
// holds for what is written from then on, the rest of an open message too. A write that timed out
// may have left a part of a frame: every later write returns the same error.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.deadlines.setWrite(t)
	return nil
}
