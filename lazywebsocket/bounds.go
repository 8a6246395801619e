package lazywebsocket

import "net/netip"

// bounds are what an Upgrader or a Dialer says about queues and budgets, where
// that is not the default.
type bounds struct {
	queue   QueueOptions
	budget  *Budget    // nil: DefaultBudget
	address netip.Addr // counted in the budget; zero: not
}

func (c *Conn) initBounds(s settings) {
	if s.bounds != (bounds{}) {
		b := s.bounds // so that s itself stays on the stack
		lazily(&c.rare).bounds = &b
	}
}

// bounds returns the connection's bounds; they do not change.
func (c *Conn) bounds() *bounds {
	if r := c.rare.Load(); r != nil && r.bounds != nil {
		return r.bounds
	}
	return &defaultBounds
}

var defaultBounds bounds

// budget returns the budget that the connection counts in.
func (c *Conn) budget() *Budget { return c.bounds().budget.orDefault() }
