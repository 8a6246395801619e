package lazywebsocket

import (
	"time"

	"golazy.dev/lazywebsocket/internal/wsproto"
)

// farewell is what a read does about the peer's Close frame when it is about to
// return. Where the frame is found, the answer would take more than the 2 KiB of
// stack that a goroutine begins with, and a stack that grows is copied. Inside
// the read gate.
type farewell struct {
	what byte
	code uint16
}

// What a farewell asks for, and finds.
const (
	farewellDue      = 1 << iota // it is to be said
	farewellHandled              // an application's handler has had the frame: the answer is its own
	farewellTrailing             // bytes have arrived behind the frame, where none may be
	farewellLeaves               // it was said, and a Poller closes when ServeClosed has returned
)

// sayFarewell answers the peer's Close frame, unless that was a handler's to do.
// Once both sides have sent theirs the connection is ended: nothing can follow
// (RFC 6455, 7.1.1).
func (c *Conn) sayFarewell() {
	f := &c.r.farewell
	f.what &^= farewellDue
	if f.what&farewellHandled == 0 {
		c.replyClose(int(f.code))
	}
	switch {
	case !c.w.closeSent.Load():
	case c.overStream():
		c.abort() // nothing is left to be read, and the handler may return
	case c.r.dec.Role == wsproto.Client || !c.plainSocket() || f.what&farewellTrailing != 0:
		_ = c.end(int(f.code), "")
	case c.served.Load() != nil:
		f.what |= farewellLeaves // the handler may still want the addresses
	default:
		// The server closes first (RFC 6455, 7.1.1), and need not linger: the peer
		// sends nothing behind its Close frame (5.5.1), so that no unread byte makes
		// the system reset the connection, which delivers what was written.
		c.abort()
	}
}

// trySayClose writes a server's Close frame if it can leave at once: without a
// deadline, which would cost the runtime a timer, and with little stack. It
// returns false if it has done nothing. Inside the write gate.
func (c *Conn) trySayClose(code int) bool {
	switch {
	case c.writable() != nil:
		return true
	case c.r.dec.Role == wsproto.Client, !c.canTry(), !c.deadlines.unarmed(),
		c.w.queue.Load() != nil, len(c.w.hold.bytes()) > 0:
		return false
	}
	buf := borrow(wsproto.MaxHeaderSize)
	b := appendCloseFrame(buf.b[:0], code)
	n, err := c.tryWrite(b, false)
	if n > 0 || err != nil {
		c.w.closeSent.Store(true)
		c.w.gate.setStream(false) // no message can follow: who waits for one hears of it
	}
	if err == nil && n > 0 && n < len(b) {
		c.deadlines.armWrite(time.Now().Add(closeReplyWait))
		_, err = c.writeOut(b[n:])
	}
	giveBack(buf)
	if err != nil {
		_ = c.writeFailed(err)
	} else if n > 0 {
		c.saidCode(code)
	}
	return n > 0 || err != nil
}

// appendCloseFrame appends a server's Close frame without a reason.
func appendCloseFrame(b []byte, code int) []byte {
	h := wsproto.Header{Fin: true, Opcode: wsproto.Close}
	if code != CloseNoStatusReceived {
		h.Length = 2
	}
	return wsproto.AppendClose(wsproto.AppendHeader(b, h), code, "")
}
