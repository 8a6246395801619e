package lazywebsocket

import (
	"context"
	"time"
)

// Writers that wait for the same write in progress leave in one write: the first
// of them whose turn comes takes the messages along that wait directly behind his
// own. Where nobody waits this costs nothing: who finds the gate open never looks.

// enterOrWrite enters the gate if nobody is inside. Otherwise it waits for its
// turn and writes the only frame of a message; ctx may be nil.
func (c *Conn) enterOrWrite(ctx context.Context, f *frame) (written bool, err error) {
	e := entrant{ctx: ctx, deadline: f.deadline, message: true}
	if c.w.gate.tryBegin(true) {
		return false, c.admit(e)
	}
	c.beforeBlocking()
	return true, c.writeInTurn(e, f)
}

// writeInTurn waits for the gate, and writes the only frame of a message.
func (c *Conn) writeInTurn(e entrant, f *frame) error {
	along := f
	if e.ctx != nil {
		along = nil
	}
	sent, err := c.w.gate.enterOrSend(e, along)
	switch {
	case err != nil:
		return c.neverEntered(err)
	case sent != nil:
		return sent.err
	}
	if err := c.admit(e); err != nil {
		return err
	}
	defer c.leaveWrite()
	if e.ctx != nil || c.w.hold.on.Load() {
		return c.writeWhole(e.ctx, f)
	}
	return c.writeTogether(f)
}

// writeTogether writes the only frame of a data message, and with it those that
// may be taken along. Inside the gate.
func (c *Conn) writeTogether(f *frame) error {
	if err := c.sendAhead(noContext, f.deadline); err != nil {
		return err
	}
	room := maxBuffer - len(c.w.hold.bytes()) - f.size() - learnCost
	company := c.w.gate.takeAlong(&c.w.queue, room, f.deadline)
	if company == nil {
		return c.writeWhole(noContext, f)
	}
	c.keepWhole(f)
	for w := company; w != nil; w = w.next {
		c.keepWhole(&w.frame)
	}
	err := c.sendHeld(time.Time{})
	company.tell(err)
	return err
}

// keepWhole appends the only frame of a data message to what is held. Inside the
// gate.
func (c *Conn) keepWhole(f *frame) {
	s := c.shape(f)
	c.keep(f)
	s.sent(c)
	s.packed.giveBack()
}
