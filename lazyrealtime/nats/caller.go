package nats

import (
	"errors"
	"strconv"
	"sync"

	"github.com/nats-io/nats.go"
)

var (
	errDisconnected = errors.New("the connection to the server was lost")
	errTimeout      = errors.New("no answer in time")
	errNobody       = errors.New("no server answers for the stream: it may have no leader")
)

// A caller sends requests over a connection and hands on the answers, whoever waits
// for them and however many there are: one subscription for all of them, no goroutine
// and no timer per request.
type caller struct {
	nc     *nats.Conn
	prefix string // of the subjects of answers

	mu      sync.Mutex // guards the fields below
	last    uint64
	waiting map[uint64]func(*nats.Msg) bool
}

// newCaller makes a caller of a connection that has been made with its options.
func newCaller(nc *nats.Conn) (*caller, error) {
	c := &caller{nc: nc, prefix: nc.NewInbox() + ".", waiting: make(map[uint64]func(*nats.Msg) bool)}
	sub, err := nc.Subscribe(c.prefix+"*", c.answered)
	if err != nil {
		return nil, err
	}
	// What may arrive is bounded by what is asked for.
	return c, sub.SetPendingLimits(-1, -1)
}

// send sends a request. Each answer is given to got, until it returns true; nil means
// that the connection was lost. It runs on the goroutine of all answers and must not
// wait. The number it returns is for forget.
func (c *caller) send(m *nats.Msg, got func(*nats.Msg) bool) (uint64, error) {
	id := c.expect(got)
	m.Reply = c.inbox(id)
	if err := c.nc.PublishMsg(m); err != nil {
		c.forget(id)
		return 0, err
	}
	return id, nil
}

// expect is send of what somebody else sends, to inbox.
func (c *caller) expect(got func(*nats.Msg) bool) (id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last++
	c.waiting[c.last] = got
	return c.last
}

// inbox is the subject of answers.
func (c *caller) inbox(id uint64) string { return c.prefix + strconv.FormatUint(id, 36) }

// resend sends a request again whose answer has not come.
func (c *caller) resend(id uint64, m *nats.Msg) error {
	m.Reply = c.inbox(id)
	return c.nc.PublishMsg(m)
}

// forget stops waiting for answers.
func (c *caller) forget(id uint64) {
	c.mu.Lock()
	delete(c.waiting, id)
	c.mu.Unlock()
}

// answered is the handler of the subscription.
func (c *caller) answered(m *nats.Msg) {
	id, err := strconv.ParseUint(m.Subject[min(len(c.prefix), len(m.Subject)):], 36, 64)
	if err != nil {
		return
	}
	c.mu.Lock()
	got := c.waiting[id]
	c.mu.Unlock()
	if got != nil && got(m) {
		c.forget(id)
	}
}

// disconnected fails everything that waits: a server that is gone does not answer,
// and the one that is connected to next was not asked.
func (c *caller) disconnected() {
	c.mu.Lock()
	waiting := c.waiting
	c.waiting = make(map[uint64]func(*nats.Msg) bool)
	c.mu.Unlock()
	for _, got := range waiting {
		got(nil)
	}
}

// nobody reports whether an answer is the server's word that no one listens.
func nobody(m *nats.Msg) bool {
	return len(m.Data) == 0 && m.Header.Get("Status") == "503"
}
