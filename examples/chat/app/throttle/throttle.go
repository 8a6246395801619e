// Package throttle bounds how often somebody may do something: a session, and all sessions of an address together, because
// sessions cost nothing to make.
//
// What it takes is fixed when it is made. Everybody has a bucket by a hash, so that no crowd of addresses fills a memory or
// pushes others out of one; two that have the same bucket share its rate. The hash is seeded, so that nobody can choose
// whose bucket is theirs.
package throttle

import (
	"hash/maphash"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// buckets is how many a table has: some 70 KB, and a stranger shares yours with one in a thousand.
const buckets = 1024

// Rate is Burst times at once, and one more each time that Every has passed. The zero value is no limit.
type Rate struct {
	Burst int
	Every time.Duration
}

// Throttle counts on this node only: with several, each has its own. Its methods may be called concurrently.
type Throttle struct {
	seed maphash.Seed

	mu        sync.Mutex // guards both tables, so that what is refused by one is not counted by the other
	users     []*rate.Limiter
	addresses []*rate.Limiter
}

// New returns a Throttle with a rate for each user, and one for each address.
func New(user, address Rate) *Throttle {
	return &Throttle{seed: maphash.MakeSeed(), users: user.table(), addresses: address.table()}
}

func (r Rate) table() []*rate.Limiter {
	if r == (Rate{}) {
		return nil
	}
	table := make([]*rate.Limiter, buckets)
	for i := range table {
		table[i] = rate.NewLimiter(rate.Every(r.Every), r.Burst)
	}
	return table
}

// Wait returns zero for somebody who may do it now, and counts that. Otherwise it returns how long they have to wait, and
// counts nothing: who asks too often waits no longer for that.
func (t *Throttle) Wait(user, address string) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	asked := []*rate.Limiter{t.bucket(t.users, user), t.bucket(t.addresses, address)}
	var wait time.Duration
	for _, limit := range asked {
		if limit != nil {
			wait = max(wait, missing(limit, now))
		}
	}
	for _, limit := range asked {
		if limit != nil && wait == 0 {
			limit.AllowN(now, 1)
		}
	}
	return wait
}

func (t *Throttle) bucket(table []*rate.Limiter, key string) *rate.Limiter {
	if table == nil {
		return nil
	}
	return table[maphash.String(t.seed, key)%buckets]
}

// missing is how long it takes until there is a token, in whole milliseconds: what a float adds in nanoseconds is nothing.
func missing(limit *rate.Limiter, now time.Time) time.Duration {
	tokens := limit.TokensAt(now)
	if tokens >= 1 {
		return 0
	}
	wait := time.Duration((1 - tokens) / float64(limit.Limit()) * float64(time.Second))
	return max(wait.Round(time.Millisecond), time.Millisecond)
}

// Address is the key of a request's peer: its address, of IPv6 the first 64 bits, all of which one subscriber has. It is
// that of the connection, and not what a header says, which anybody can write. Behind a proxy all visitors are one address.
func Address(r *http.Request) string {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	addr := at.Addr().Unmap().WithZone("")
	if addr.Is4() {
		return addr.String()
	}
	network, err := addr.Prefix(64)
	if err != nil {
		return r.RemoteAddr
	}
	return network.String()
}
