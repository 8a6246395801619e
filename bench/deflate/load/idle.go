package load

// Idle is the outcome of a run that measures memory. Sizes are per connection.
type Idle struct {
	Conns            int // fewer than asked for where they would not have fitted
	Heap, Stack, RSS float64
}

// probes is the number of connections from which the memory of all is guessed.
const probes = 200

// RunIdle opens connections, exchanges messages on each, and measures what the
// server holds while all of them wait. It opens no more than fit in limit bytes
// of the server's heap.
func RunIdle(addr string, conns, messages, limit int) (Idle, error) {
	all, err := newScripts(messages)
	if err != nil {
		return Idle{}, err
	}
	var group []*conn
	defer func() { closeAll(group) }()
	add := func(n int) error {
		more, err := openIdle(addr, len(group), n, messages, all)
		group = append(group, more...)
		return err
	}
	if err := add(1); err != nil { // what is made once for all is not counted
		return Idle{}, err
	}
	base, err := getUsage(addr, true)
	if err != nil {
		return Idle{}, err
	}
	measure := func() (Idle, error) {
		u, err := getUsage(addr, true)
		n := len(group) - 1
		each := func(after, before int) float64 { return float64(after-before) / float64(n) }
		return Idle{n, each(u.Heap, base.Heap), each(u.Stack, base.Stack), each(u.RSS, base.RSS)}, err
	}
	if err := add(min(conns, probes)); err != nil {
		return Idle{}, err
	}
	first, err := measure()
	if err != nil || conns <= probes {
		return first, err
	}
	fit := min(conns, int(float64(limit)/max(first.Heap, 1)))
	if err := add(max(fit-probes, 0)); err != nil {
		return Idle{}, err
	}
	return measure()
}

// atOnce is how many connections are busy at a time; the others wait.
const atOnce = 20

func openIdle(addr string, from, n, messages int, all *scripts) ([]*conn, error) {
	var group []*conn
	for n > 0 {
		var batch []*conn
		for range min(n, atOnce) {
			c, err := dial(addr, from)
			if err != nil {
				return group, err
			}
			group, batch = append(group, c), append(batch, c)
			if c.script, err = all.of(from, c.params); err != nil {
				return group, err
			}
			from++
		}
		n -= len(batch)
		if err := together(batch, func(c *conn) error { return c.exchange(messages) }); err != nil {
			return group, err
		}
	}
	return group, nil
}
