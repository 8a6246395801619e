package lazywebsocket

import (
	"context"
	"log"
	"net/http"
	"runtime/debug"
	"slices"
	"time"

	"golazy.dev/lazywebsocket/internal/wsproto"
)

// ClosingOptions say how Group.Shutdown ends the members. The zero value is the
// default in every field.
type ClosingOptions struct {
	// Code and Reason stand in the Close frames. If Code is zero, CloseGoingAway;
	// CloseServiceRestart tells clients that it is worth to come back. The reason
	// has at most 123 bytes. What must not be sent makes Shutdown return an error
	// and end nothing.
	Code   int
	Reason string

	// Spread is the time over which the Close frames leave, one after the other at
	// even distances, so that clients which connect again at once do not all come
	// at the same moment. Where the context of the first Shutdown has a deadline,
	// it is half of the time until then at most: the last members have the other
	// half to answer. If zero, a millisecond for each member and at most 5 s. If
	// negative, all leave at once.
	Spread time.Duration

	// Patience is how long a member has from its Close frame's turn until it has
	// taken what was queued and answered, before it is cut off. If zero or
	// negative, 10 s.
	Patience time.Duration
}

const (
	defaultSpreadStep    = time.Millisecond
	defaultSpreadMost    = 5 * time.Second
	defaultClosePatience = 10 * time.Second
)

// code returns the code of the Close frames.
func (o *ClosingOptions) code() int {
	if o.Code == 0 {
		return CloseGoingAway
	}
	return o.Code
}

// check returns the error of a Close frame that must not be sent.
func (o *ClosingOptions) check() error {
	payload := FormatCloseMessage(o.code(), o.Reason)
	if _, _, err := wsproto.ParseClose(payload); err != nil || len(payload) > wsproto.MaxControlPayload {
		return &OpError{Op: "shutdown", Err: errBadClose}
	}
	return nil
}

// step returns the time between the Close frames of n members, for a context
// with the deadline, which may be zero.
func (o *ClosingOptions) step(n int, deadline time.Time) time.Duration {
	spread := o.Spread
	if spread == 0 {
		spread = min(time.Duration(n)*defaultSpreadStep, defaultSpreadMost)
	}
	if !deadline.IsZero() {
		spread = min(spread, time.Until(deadline)/2)
	}
	return max(0, spread) / time.Duration(max(1, n))
}

// leaving is the shutdown of a group: what it knows of members that leave, and of
// connections that came too late.
type leaving struct {
	ctx   context.Context // ends when what is left is to end at once
	hurry context.CancelFunc
	left  int            // members whose end is not done
	none  chan struct{}  // closed when left is zero; guarded, as left is, by the group's mu
	late  map[*Conn]bool // those of them that have never been members; likewise
}

// comesLate reports whether a connection that is no member is to be sent away: it has
// not ended, and has not come before. The group's mu is held.
func (l *leaving) comesLate(c *Conn) bool {
	if l.late[c] || c.deadlines.ended() {
		return false
	}
	if l.late == nil {
		l.late = make(map[*Conn]bool)
	}
	l.late[c] = true
	l.expect(1)
	return true
}

// Shutdown ends the group: the members get a Close frame each, as Closing says,
// behind what was queued for them, and those that answer are closed as by
// Conn.Shutdown. It returns nil when all have ended, also those that did not
// answer within Closing.Patience. If ctx ends before, all that is left is closed
// at once as by Conn.Close, and the error is an *OpError with the context's.
//
// From then on the group takes no members: a connection that is given to Add is
// sent away too, at once. Broadcasts reach those members whose Close frame has not
// left. Later calls wait for what the first one has begun, within their own
// contexts. It works for connections that are read by a goroutine and by a
// Poller. The only other error is that of a Closing that cannot be sent, which
// changes nothing.
//
// A handler that waits for anything but its connection is not ended by it: that
// has the request's context, or one of the application.
func (g *Group) Shutdown(ctx context.Context) error {
	if err := g.Closing.check(); err != nil {
		return err
	}
	l, members := g.beginLeaving()
	if len(members) > 0 {
		deadline, _ := ctx.Deadline()
		go g.sendAway(l, members, g.Closing.step(len(members), deadline))
	}
	var err error
	for {
		none, left := g.leavingNow()
		if left == 0 {
			return err
		}
		done := ctx.Done()
		if err != nil {
			done = nil
		}
		select {
		case <-none:
		case <-done:
			err = &OpError{Op: "shutdown", Err: ctx.Err()}
			l.hurry()
		}
	}
}

// ShutdownOn makes the server's Shutdown begin that of the group, with no limit
// but Closing's. It is called before the server starts.
//
// http.Server.Shutdown does not know of connections that were upgraded over
// HTTP/1.1 and returns before they have ended; over HTTP/2 it waits for them, for
// ever if nobody ends them. A program that ends with the server waits for both:
//
//	group.ShutdownOn(server)
//	...
//	err := errors.Join(server.Shutdown(ctx), group.Shutdown(ctx))
//
// It panics if Closing has what must not be sent.
func (g *Group) ShutdownOn(server *http.Server) {
	if err := g.Closing.check(); err != nil {
		panic(err)
	}
	server.RegisterOnShutdown(func() { _ = g.Shutdown(context.Background()) })
}

// beginLeaving returns the group's shutdown, and to the first caller the members.
func (g *Group) beginLeaving() (l *leaving, members []*Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.leaving != nil {
		return g.leaving, nil
	}
	g.leaving = new(leaving)
	g.leaving.ctx, g.leaving.hurry = context.WithCancel(context.Background())
	members = slices.Clone(g.members)
	if len(members) > 0 {
		g.leaving.expect(len(members))
	}
	return g.leaving, members
}

// leavingNow returns how many connections have not left, and what is closed when
// none is left.
func (g *Group) leavingNow() (none <-chan struct{}, left int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.leaving.none, g.leaving.left
}

// expect counts n more connections that leave. The group's mu is held.
func (l *leaving) expect(n int) {
	if l.left == 0 {
		l.none = make(chan struct{})
	}
	l.left += n
}

// sendAway ends the members, one each step, or what is left when there is hurry.
func (g *Group) sendAway(l *leaving, members []*Conn, step time.Duration) {
	start := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i, c := range members {
		if wait := time.Until(start.Add(time.Duration(i) * step)); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-l.ctx.Done():
			}
		}
		go g.sendOneAway(l, c)
	}
}

// sendOneAway ends one connection, which was expected.
func (g *Group) sendOneAway(l *leaving, c *Conn) {
	defer g.leaves(l, c) // also where a handler ends the goroutine
	patience := g.Closing.Patience
	if patience <= 0 {
		patience = defaultClosePatience
	}
	ctx, cancel := context.WithTimeout(l.ctx, patience)
	defer cancel()
	begun := time.Now()
	code, reason := g.Closing.code(), g.Closing.Reason
	err := shutdownSafely(ctx, c, code, reason) // closed in any case
	if o := g.Observer; o != nil && o.SentAway != nil {
		o.SentAway(SentAwayEvent{Conn: c, Err: err, Duration: time.Since(begun)})
	}
}

// shutdownSafely is Conn.Shutdown on a goroutine of ours, where a panic of what the
// application has set for control messages would end the process: nobody could recover.
func shutdownSafely(ctx context.Context, c *Conn, code int, reason string) (err error) {
	returned := false
	defer func() {
		if returned {
			return
		}
		_ = c.end(CloseInternalServerErr, "")
		if v := recover(); v != nil {
			err = &OpError{Op: "shutdown", Err: &PanicError{Value: v, Stack: debug.Stack()}}
			log.Printf("lazywebsocket: panic in a handler of control messages: %v\n%s", v, debug.Stack())
		}
	}()
	err = c.shutdownBehind(ctx, code, reason, FormatCloseMessage(code, reason))
	returned = true
	return err
}

// leaves notes that one of those who were expected has left.
func (g *Group) leaves(l *leaving, c *Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(l.late, c)
	if l.left--; l.left == 0 {
		close(l.none)
	}
}
