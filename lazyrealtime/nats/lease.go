package nats

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

// lease is what keeps a node's members present: a message that the servers remove
// when it has not been renewed for a while. Their clocks decide, not ours.
type lease struct {
	seq   uint64          // of the latest renewal
	sent  time.Time       // when that was sent
	known map[string]bool // other nodes that had a lease when we looked last
}

// How often a lease is renewed within its time. A partition that loses its leader is
// silent for up to ten seconds: with the default of 20 s, the last renewal before and
// the first one behind that are near enough.
const renewals = 5

// incarnate takes a lease under a new name.
func (n *node) incarnate(ctx context.Context) error {
	id := rand.Text()
	seq, sent, err := n.renewal(ctx, id, 0)
	if err != nil {
		return err
	}
	n.ids.Store(&id)
	n.lease.seq, n.lease.sent = seq, sent
	if n.lease.known == nil {
		n.lease.known = make(map[string]bool)
	}
	return nil
}

// renewal writes a lease whose latest message is seq; zero for none.
func (n *node) renewal(ctx context.Context, id string, seq uint64) (uint64, time.Time, error) {
	m := &nats.Msg{
		Subject: n.l.names.lease(id),
		Header: nats.Header{
			headerID:       {rand.Text()},
			headerTTL:      {ttl(n.l.o.Lease)},
			headerExpected: {strconv.FormatUint(seq, 10)},
		},
	}
	var a ack
	var sent time.Time
	err := n.l.retry(ctx, func(ctx context.Context) (err error) {
		begin := time.Now()
		a, err = n.l.publish(ctx, m)
		if api := (*APIError)(nil); errors.As(err, &api) && api.wrongLast() {
			// An attempt whose acknowledgement was lost may have been ours.
			if a.Seq, err = n.holding(ctx, id); errors.Is(err, errNone) {
				return permanentError{errLost}
			}
		}
		sent = begin
		return err
	})
	return a.Seq, sent, err
}

var errLost = errors.New("the lease is lost")

// holding returns where a lease is in the stream, or errNone. Nobody else has its name.
func (n *node) holding(ctx context.Context, id string) (uint64, error) {
	m, err := n.l.leader(ctx, n.l.names.presenceStream(), getRequest{LastFor: n.l.names.lease(id)})
	if err != nil {
		return 0, err
	}
	if m.headers().Get(headerOwn) == left {
		return 0, errNone
	}
	return m.Message.Seq, nil
}

// ttl is a time to live as the servers want it: whole seconds.
func ttl(d time.Duration) string {
	return strconv.FormatInt(int64(max((d+time.Second-1)/time.Second, 1)), 10)
}

// keepLease renews the lease, and looks after those of the others.
func (n *node) keepLease() {
	ticker := time.NewTicker(n.l.o.Lease / renewals)
	defer ticker.Stop()
	n.others()
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-ticker.C:
			n.renew()
			n.others()
		case <-n.poll:
			n.others()
		}
	}
}

// look has the other nodes looked after soon.
func (n *node) look() {
	select {
	case n.poll <- struct{}{}:
	default:
	}
}

// renew renews the lease, or begins a new incarnation if it is lost.
func (n *node) renew() {
	ctx, cancel := context.WithTimeout(n.ctx, n.l.o.Lease/renewals)
	defer cancel()
	seq, sent, err := n.renewal(ctx, n.ID(), n.lease.seq)
	switch {
	case err == nil:
		n.lease.seq, n.lease.sent = seq, sent
	case errors.Is(err, errLost):
		n.anew()
	case n.ctx.Err() == nil:
		n.l.log.Warn("the lease could not be renewed", "node", n.ID(), "since", time.Since(n.lease.sent), "err", err)
	}
}

// anew begins a new incarnation, with all who are present.
func (n *node) anew() {
	n.writing.Lock()
	defer n.writing.Unlock()
	before := n.ID()
	if err := n.incarnate(n.ctx); err != nil {
		n.l.log.Warn("no new lease", "node", before, "err", err)
		return // the next renewal fails likewise
	}
	n.l.log.Warn("the lease was lost; there is a new incarnation", "before", before, "node", n.ID())
	n.enterAll()
	n.l.reap(before, 0)
}

// others tells the feed of nodes whose lease has ended.
func (n *node) others() {
	ctx, cancel := context.WithTimeout(n.ctx, attemptWait)
	defer cancel()
	alive, err := n.leases(ctx)
	// A server that has not our own latest renewal is behind, and does not know of
	// others that we have seen.
	if err != nil || alive[n.ID()] < n.lease.seq {
		return
	}
	rank := 0 // of all nodes by name, which clear up one after the other
	for id := range alive {
		if id < n.ID() {
			rank++
		}
	}
	for id := range n.lease.known {
		if _, ok := alive[id]; ok {
			continue
		}
		delete(n.lease.known, id)
		n.feed.Gone(id)
		n.l.reap(id, time.Duration(rank)*reapStep)
	}
	for id := range alive {
		if id != n.ID() {
			n.lease.known[id] = true
		}
	}
}

// leases returns the nodes that have a lease, and where in the stream it is.
func (n *node) leases(ctx context.Context) (map[string]uint64, error) {
	s, err := n.l.snapshot(ctx, n.l.names.lease("*"))
	return s.leases, err
}
