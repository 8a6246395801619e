package lazywebsocket

import (
	"golazy.dev/lazywebsocket/internal/wsproto"
)

// handlers are what the application has set; nil fields mean the default. They
// exist only on connections that set one.
type handlers struct {
	ping  func(appData string) error
	pong  func(appData string) error
	close func(code int, text string) error
}

// handlers returns what the application has set, or nil.
func (c *Conn) handlers() *handlers {
	if r := c.rare.Load(); r != nil {
		return r.handlers.Load()
	}
	return nil
}

// handlerError carries what an application's handler returned through the
// reader, so that the application gets it back as it was.
type handlerError struct{ error }

func (e handlerError) Unwrap() error { return e.error }

// handleControl reads the payload of a control frame and does what the frame
// asks for (RFC 6455, 5.5).
func (c *Conn) handleControl() error {
	length := int(c.r.controlLength)
	for len(c.r.buf.unread()) < length {
		if err := c.fill(); err != nil {
			return err
		}
	}
	c.r.inControl = false
	payload := c.r.buf.unread()[:length]
	if length > 0 {
		if err := c.r.dec.Payload(payload); err != nil {
			return err
		}
	}
	defer c.r.buf.skip(length)
	c.r.handling.Store(true)
	defer c.r.handling.Store(false)
	switch c.r.control {
	case wsproto.Ping:
		return c.handlePing(payload)
	case wsproto.Pong:
		return c.handlePong(payload)
	default:
		return c.handleClose(payload)
	}
}

func (c *Conn) handlePing(payload []byte) error {
	h := c.handlers()
	if h == nil || h.ping == nil {
		c.replyPong(payload)
		return nil
	}
	return handled(h.ping(string(payload)))
}

func (c *Conn) handlePong(payload []byte) error {
	if k := c.keepalive(); k != nil {
		k.pong(payload)
	}
	h := c.handlers()
	if h == nil || h.pong == nil {
		return nil
	}
	return handled(h.pong(string(payload)))
}

// handleClose takes a Close frame, which is answered when the read is about to
// return.
func (c *Conn) handleClose(payload []byte) error {
	code, reason, err := wsproto.ParseClose(payload)
	if err != nil {
		return err
	}
	c.r.peerClosed = true
	c.heardCode(code)
	f := farewell{what: farewellDue, code: uint16(code)} //nolint:gosec // two bytes of a frame
	if len(c.r.buf.unread()) > len(payload) {
		f.what |= farewellTrailing
	}
	closed := &CloseError{Code: code, Text: string(reason)}
	if h := c.handlers(); h != nil && h.close != nil {
		f.what |= farewellHandled
		if err := h.close(code, closed.Text); err != nil {
			return handlerError{err}
		}
	}
	c.r.farewell = f
	return closed
}

func handled(err error) error {
	if err != nil {
		return handlerError{err}
	}
	return nil
}

// SetPingHandler sets the function that is called for each ping, from within a
// read, with the ping's payload of at most 125 bytes. It may write; it must not
// read. What it returns, the read returns. Nil restores the default, which
// answers with a pong: of several pings that could not be answered yet, the
// latest (RFC 6455, 5.5.3).
func (c *Conn) SetPingHandler(h func(appData string) error) {
	c.setHandler(func(hs *handlers) { hs.ping = h })
}

// SetPongHandler sets the function that is called for each pong, from within a
// read. It may write and set deadlines; it must not read. What it returns, the
// read returns. Nil restores the default, which does nothing.
func (c *Conn) SetPongHandler(h func(appData string) error) {
	c.setHandler(func(hs *handlers) { hs.pong = h })
}

// SetCloseHandler sets the function that is called for the peer's Close frame,
// from within a read, with its code, CloseNoStatusReceived for an empty frame,
// and its reason. It may write; it must not read. What it returns, the read
// returns; if that is nil, the read returns a *[CloseError].
//
// Nil restores the default, which answers with a Close frame of the same code
// (RFC 6455, 5.5.1). A handler that leaves the answer to later must send it, or
// call Close.
func (c *Conn) SetCloseHandler(h func(code int, text string) error) {
	c.setHandler(func(hs *handlers) { hs.close = h })
}

// setHandler changes one handler in a copy, because programs set one from the
// writing goroutine and another from the reading one, while a read is waiting.
func (c *Conn) setHandler(set func(*handlers)) {
	r := lazily(&c.rare)
	for {
		old := r.handlers.Load()
		changed := new(handlers)
		if old != nil {
			*changed = *old
		}
		set(changed)
		if r.handlers.CompareAndSwap(old, changed) {
			return
		}
	}
}

// PingHandler returns the function that handles pings, never nil.
func (c *Conn) PingHandler() func(appData string) error {
	if h := c.handlers(); h != nil && h.ping != nil {
		return h.ping
	}
	return func(appData string) error {
		c.replyPong([]byte(appData))
		return nil
	}
}

// PongHandler returns the function that handles pongs, never nil.
func (c *Conn) PongHandler() func(appData string) error {
	if h := c.handlers(); h != nil && h.pong != nil {
		return h.pong
	}
	return func(string) error { return nil }
}

// CloseHandler returns the function that handles Close frames, never nil.
func (c *Conn) CloseHandler() func(code int, text string) error {
	if h := c.handlers(); h != nil && h.close != nil {
		return h.close
	}
	return func(code int, _ string) error {
		c.replyClose(code)
		return nil
	}
}
