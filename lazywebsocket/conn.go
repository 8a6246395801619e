package lazywebsocket

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

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
	nc          net.Conn
	subprotocol string
	role        wsproto.Role

	r reader
	w writer

	handlers  atomic.Pointer[handlers] // nil: the default behaviour for every control frame
	keepalive *keepalive               // nil: off
	deadlines deadlines
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
	pingInterval    time.Duration
	pongTimeout     time.Duration
	holdLimit       int

	// received is what the peer sent behind its part of the handshake. It is
	// read before anything else, and copied.
	received []byte
}

const (
	defaultBufferSize   = 4096
	defaultReadLimit    = 1 << 20
	defaultMaxFragments = 1 << 17

	// A control frame is handled inside the read buffer, so that it must fit.
	minReadBuffer = wsproto.MaxHeaderSize + wsproto.MaxControlPayload
)

// newConn makes a connection on nc, whose handshake is complete and whose
// deadlines are cleared.
func newConn(nc net.Conn, s settings) *Conn {
	c := &Conn{nc: nc, subprotocol: s.subprotocol, role: s.role}
	c.r.init(s)
	c.w.size = orDefault(s.writeBufferSize, defaultBufferSize)
	c.w.pool = s.writeBufferPool
	c.initHold(s.holdLimit)
	if s.pingInterval > 0 {
		c.startKeepalive(s.pingInterval, s.pongTimeout)
	}
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
func (c *Conn) Subprotocol() string { return c.subprotocol }

// LocalAddr returns the local network address.
func (c *Conn) LocalAddr() net.Addr { return c.nc.LocalAddr() }

// RemoteAddr returns the peer's network address: a proxy's, if there is one.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// NetConn returns the connection beneath, never nil. Reading it after Conn has
// read may miss bytes that Conn has buffered; writing to it between Conn's
// frames breaks the protocol. It is for addresses, TLS state and socket
// options. What Conn holds back is sent first.
func (c *Conn) NetConn() net.Conn {
	if c.w.hold.on.Load() {
		c.flushSoon()
	}
	return c.nc
}

// UnderlyingConn returns the same as NetConn.
func (c *Conn) UnderlyingConn() net.Conn { return c.NetConn() }

// SetReadDeadline sets the time after which reads fail; zero means never. A
// read that timed out is a failed read: every later read returns the same
// error, and only Close and writing remain. To stop waiting without that, use
// ReadMessageContext.
//
// After Close it returns an error that is net.ErrClosed.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.deadlines.setRead(c.nc, t) }

// SetWriteDeadline sets the time after which writes fail; zero means never. It
// holds for what is written from then on, the rest of an open message too. A write that timed out
// may have left a part of a frame: every later write returns the same error.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.deadlines.mu.Lock()
	defer c.deadlines.mu.Unlock()
	c.deadlines.write = t
	return nil
}

// deadlines owns the deadlines of the net.Conn: those of the application, and
// the short ones that end a connection and that nothing may lengthen again.
type deadlines struct {
	mu         sync.Mutex
	read       time.Time // the application's
	write      time.Time // the application's
	armed      time.Time // what the write in progress must end by
	writeArmed bool      // the net.Conn has a write deadline
	probing    bool      // the keepalive has interrupted it, to see what has left

	readCancelled  bool // a context has ended a read, until it has returned
	writeCancelled bool // a context has ended a write, until it has returned

	// ending is set, under mu, when the end of the connection has begun: the
	// application's deadlines no longer count.
	ending atomic.Bool
}

func (d *deadlines) setRead(nc net.Conn, t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ending.Load() {
		return &OpError{Op: "set read deadline", Err: net.ErrClosed}
	}
	d.read = t
	if d.readCancelled {
		return nil // restoreRead sets it
	}
	return nc.SetReadDeadline(t)
}

// interruptRead makes a blocked read return at once, until restoreRead.
func (d *deadlines) interruptRead(nc net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ending.Load() {
		return
	}
	d.readCancelled = true
	_ = nc.SetReadDeadline(longAgo)
}

// restoreRead ends interruptRead.
func (d *deadlines) restoreRead(nc net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.readCancelled = false
	if !d.ending.Load() {
		_ = nc.SetReadDeadline(d.read)
	}
}

// interruptWrite makes a blocked write return at once, until restoreWrite.
func (d *deadlines) interruptWrite(nc net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ending.Load() {
		return
	}
	d.writeCancelled, d.writeArmed = true, true
	_ = nc.SetWriteDeadline(longAgo)
}

// restoreWrite ends interruptWrite. The next write replaces the deadline.
func (d *deadlines) restoreWrite() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.writeCancelled = false
}

// forMessage returns the application's write deadline.
func (d *deadlines) forMessage() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.write
}

// armWrite prepares the net.Conn for a write that must end by t. A deadline
// costs the runtime a timer, so that one is set only when it changes anything.
func (d *deadlines) armWrite(nc net.Conn, t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.armed, d.probing = t, false
	if d.ending.Load() || d.writeCancelled || (t.IsZero() && !d.writeArmed) {
		return
	}
	d.writeArmed = !t.IsZero()
	_ = nc.SetWriteDeadline(t) // a connection that is closed says so in the write
}

// probe makes a blocked write return for a moment, so that the bytes that have
// left are counted.
func (d *deadlines) probe(nc net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ending.Load() || d.writeCancelled {
		return
	}
	d.probing, d.writeArmed = true, true
	_ = nc.SetWriteDeadline(longAgo)
}

// probed reports whether a write has failed for a probe only, and lets it go on.
func (d *deadlines) probed(nc net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.probing || d.ending.Load() || d.writeCancelled {
		return false
	}
	d.probing = false
	return nc.SetWriteDeadline(d.armed) == nil
}

// end takes the deadlines away from the application: a blocked read returns at
// once, a blocked write by t. It returns false when that was done before.
func (d *deadlines) end(nc net.Conn, t time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ending.Swap(true) {
		return false
	}
	_ = nc.SetReadDeadline(longAgo)
	_ = nc.SetWriteDeadline(t)
	return true
}

// ended reports whether the end of the connection has begun.
func (d *deadlines) ended() bool { return d.ending.Load() }

// longAgo is a deadline that has passed in every clock, a synctest bubble's too.
var longAgo = time.Unix(1, 0)
