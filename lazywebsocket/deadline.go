package lazywebsocket

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// deadlines owns the deadlines of the net.Conn: those of the application, and
// the short ones that end a connection and that nothing may lengthen again.
type deadlines struct {
	mu sync.Mutex
	// nc changes once at most, when a Poller takes the connection over, inside both
	// gates and under mu: any of the three is enough to use it.
	nc net.Conn

	times      *deadlineTimes // nil: all zero
	writeArmed bool           // the net.Conn has a write deadline
	probing    bool           // the keepalive has interrupted it, to see what has left

	readCancelled  bool // a context has ended a read, until it has returned
	writeCancelled bool // a context has ended a write, until it has returned

	// ending is set, under mu, when the end of the connection has begun: the
	// application's deadlines no longer count.
	ending atomic.Bool
}

// transfer sets on a new net.Conn what was set on the old one. mu is held.
func (d *deadlines) transfer() {
	d.writeArmed = false
	if t := d.get().read; !t.IsZero() {
		_ = d.nc.SetReadDeadline(t)
	}
}

// conn returns the net.Conn for who is inside no gate.
func (d *deadlines) conn() net.Conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.nc
}

func (d *deadlines) setRead(t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ending.Load() {
		return &OpError{Op: "set read deadline", Err: net.ErrClosed}
	}
	d.set(readTime, t)
	if d.readCancelled {
		return nil // restoreRead sets it
	}
	return d.nc.SetReadDeadline(t)
}

func (d *deadlines) setWrite(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.set(writeTime, t)
}

// interruptRead makes a blocked read return at once, until restoreRead.
func (d *deadlines) interruptRead() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ending.Load() {
		return
	}
	d.readCancelled = true
	_ = d.nc.SetReadDeadline(longAgo)
}

// restoreRead ends interruptRead.
func (d *deadlines) restoreRead() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.readCancelled = false
	if !d.ending.Load() {
		_ = d.nc.SetReadDeadline(d.get().read)
	}
}

// interruptWrite makes a blocked write return at once, until restoreWrite.
func (d *deadlines) interruptWrite() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ending.Load() {
		return
	}
	d.writeCancelled, d.writeArmed = true, true
	_ = d.nc.SetWriteDeadline(longAgo)
}

// restoreWrite ends interruptWrite. The next write replaces the deadline.
func (d *deadlines) restoreWrite() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.writeCancelled = false
}

// interrupted reports whether a context has ended the write in progress.
func (d *deadlines) interrupted() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.writeCancelled
}

// forMessage returns the application's write deadline.
func (d *deadlines) forMessage() (t time.Time) {
	d.mu.Lock()
	if d.times != nil {
		t = d.times.write
	}
	d.mu.Unlock()
	return t
}

// armWrite prepares the net.Conn for a write that must end by t. A deadline
// costs the runtime a timer, so that one is set only when it changes anything. It
// reports whether the net.Conn has none.
func (d *deadlines) armWrite(t time.Time) (free bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.set(armedTime, t)
	d.probing = false
	switch {
	case d.ending.Load() || d.writeCancelled:
		return false
	case t.IsZero() && !d.writeArmed:
		return true
	}
	d.writeArmed = !t.IsZero()
	_ = d.nc.SetWriteDeadline(t) // a connection that is closed says so in the write
	return t.IsZero()
}

// unarmed reports whether the net.Conn has no write deadline.
func (d *deadlines) unarmed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.writeArmed
}

// probe makes a blocked write return for a moment, so that the bytes that have
// left are counted.
func (d *deadlines) probe() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ending.Load() || d.writeCancelled {
		return
	}
	d.probing, d.writeArmed = true, true
	_ = d.nc.SetWriteDeadline(longAgo)
}

// probed reports whether a write has failed for a probe only, and lets it go on.
func (d *deadlines) probed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.probing || d.ending.Load() || d.writeCancelled {
		return false
	}
	d.probing = false
	return d.nc.SetWriteDeadline(d.get().armed) == nil
}

// end takes the deadlines away from the application: a blocked read returns at
// once, a blocked write by t. It returns false when that was done before.
func (d *deadlines) end(t time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ending.Swap(true) {
		return false
	}
	_ = d.nc.SetReadDeadline(longAgo)
	_ = d.nc.SetWriteDeadline(t)
	return true
}

// ended reports whether the end of the connection has begun.
func (d *deadlines) ended() bool { return d.ending.Load() }

// longAgo is a deadline that has passed in every clock, a synctest bubble's too.
var longAgo = time.Unix(1, 0)

// deadlineTimes are points in time; zero is none. Few connections have any, so
// that they are made with the first.
type deadlineTimes struct {
	read  time.Time // the application's
	write time.Time // the application's
	armed time.Time // what the write in progress must end by
}

var noTimes deadlineTimes

// get returns the times, not to be changed. mu is held.
func (d *deadlines) get() *deadlineTimes {
	if d.times == nil {
		return &noTimes
	}
	return d.times
}

// set changes one of the times. mu is held.
func (d *deadlines) set(field func(*deadlineTimes) *time.Time, t time.Time) {
	if d.times == nil {
		if t.IsZero() {
			return
		}
		d.times = new(deadlineTimes)
	}
	*field(d.times) = t
}

func readTime(t *deadlineTimes) *time.Time  { return &t.read }
func writeTime(t *deadlineTimes) *time.Time { return &t.write }
func armedTime(t *deadlineTimes) *time.Time { return &t.armed }
