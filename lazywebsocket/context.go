package lazywebsocket

import (
	"context"
	"errors"
	"iter"
	"os"
)

// ReadMessageContext is ReadMessage that ends when ctx does. Cancelled before a
// byte of a message was delivered, it returns an *OpError with the context's
// error and the connection stays usable: the next read goes on where this one
// stopped. Cancelled in the middle of a message, or while it drops the rest of a
// compressed one, reading has failed for good.
func (c *Conn) ReadMessageContext(ctx context.Context) (messageType int, p []byte, err error) {
	messageType, p, err = c.appendMessageContext(ctx, nil)
	return messageType, filled(p, err), err
}

func (c *Conn) appendMessageContext(ctx context.Context, dst []byte) (int, []byte, error) {
	if err := c.r.gate.enter(entrant{ctx: ctx}); err != nil {
		return noMessage, dst, &OpError{Op: "read", Err: err}
	}
	defer c.leaveRead()
	if err := c.notServed(); err != nil {
		return noMessage, dst, err
	}
	if err := ctx.Err(); err != nil && c.r.err == nil {
		return noMessage, dst, &OpError{Op: "read", Err: err}
	}
	defer c.cancelReads(ctx)()
	return c.appendMessage(dst)
}

// cancelReads makes reads end when ctx does, until the returned function is
// called. Inside the read gate.
func (c *Conn) cancelReads(ctx context.Context) (stop func()) {
	if ctx.Done() == nil {
		return func() {}
	}
	c.r.ctx = &ctx
	interrupted := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		c.deadlines.interruptRead()
		close(interrupted)
	})
	return func() {
		c.r.ctx = nil
		if !cancel() {
			<-interrupted
			c.deadlines.restoreRead()
		}
	}
}

// cancelCause returns what a cancelled read tells its caller, or nil if err has
// another cause. Inside the read gate.
func (c *Conn) cancelCause(err error) error {
	if c.r.ctx == nil {
		return nil
	}
	ctx := *c.r.ctx
	_, network := err.(networkError) //nolint:errorlint // the reader's own, not wrapped yet
	if ctx.Err() == nil || !network || !errors.Is(err, os.ErrDeadlineExceeded) || c.deadlines.ended() {
		return nil
	}
	return &OpError{Op: "read", Err: ctx.Err()}
}

// WriteMessageContext is WriteMessage that gives up when ctx ends. While it
// waits for its turn that costs nothing: the error is an *OpError with the
// context's error. Once bytes may have left, a part of a frame may be with the
// peer, and the connection ends.
func (c *Conn) WriteMessageContext(ctx context.Context, messageType int, data []byte) error {
	if !isData(messageType) {
		return writeError(errNotData)
	}
	if err := ctx.Err(); err != nil {
		return writeError(err)
	}
	return c.writeMessage(ctx, messageType, data)
}

// writeFrameContext is writeFrame that ends when ctx does; ctx may be nil.
// Inside the write gate.
func (c *Conn) writeFrameContext(ctx context.Context, f *frame) error {
	if ctx == nil || ctx.Done() == nil {
		return c.writeFrame(f)
	}
	if c.holdFrame(f) {
		return nil
	}
	return c.writeFrameUntil(ctx, f)
}

// writeFrameUntil is writeFrameContext for a context that can end.
func (c *Conn) writeFrameUntil(ctx context.Context, f *frame) error {
	stop := c.cancelWrites(ctx)
	n, err := c.sendAlone(f)
	cancelled := stop()
	_, held := err.(*OpError) //nolint:errorlint // what is held could not leave
	switch {
	case err == nil:
		return nil
	case !cancelled && held:
		return err
	case !cancelled:
		return c.writeFailed(err)
	case n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && !c.lateForGood() && c.w.failure.Load() == nil:
		return writeError(ctx.Err()) // nothing has left
	}
	err = c.writeFailed(ctx.Err())
	c.abort()
	return err
}

// cancelWrites makes writes end when ctx does, until the returned function is
// called, which reports whether that has happened. Inside the write gate.
func (c *Conn) cancelWrites(ctx context.Context) (stop func() (cancelled bool)) {
	interrupted := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		c.deadlines.interruptWrite()
		close(interrupted)
	})
	return func() bool {
		if cancel() {
			return false
		}
		<-interrupted
		c.deadlines.restoreWrite()
		return true
	}
}

// Message is a message of [Conn.Messages].
type Message struct {
	// Type is TextMessage or BinaryMessage.
	Type int
	// Data is valid until the next message is asked for.
	Data []byte
}

// Messages returns the messages that arrive, for a range loop that ends when
// ctx does, when the connection ends, or when the loop is left, which leaves
// the connection usable. The memory of a message is reused for the next.
//
//	for message, err := range conn.Messages(ctx) {
//
// An error comes once, as the last element, with an empty message; it is one of
// ReadMessageContext. The peer's orderly goodbye (CloseNormalClosure,
// CloseGoingAway, or a Close frame without a code) ends the loop without one.
func (c *Conn) Messages(ctx context.Context) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		var buf []byte
		for {
			messageType, data, err := c.appendMessageContext(ctx, buf[:0])
			if IsCloseError(err, CloseNormalClosure, CloseGoingAway, CloseNoStatusReceived) {
				return
			}
			if err != nil {
				yield(Message{}, err)
				return
			}
			if !yield(Message{Type: messageType, Data: data}, nil) {
				return
			}
			buf = data
		}
	}
}
