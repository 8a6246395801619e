package load

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"golazy.dev/bench/deflate/peers"
)

// Traffic is the outcome of a run that measures time and bytes.
type Traffic struct {
	Answer                        string // the server's Sec-WebSocket-Extensions
	Messages                      int    // each sent and answered
	CPU                           time.Duration
	Elapsed                       time.Duration
	BytesPlain, BytesOut, BytesIn int // of text; on the wire from the server; to it
}

// RunTraffic exchanges messages on conns connections at once, one in flight on
// each, first some that are not measured.
func RunTraffic(addr string, conns, warm, messages int) (Traffic, error) {
	all, err := newScripts(warm + messages)
	if err != nil {
		return Traffic{}, err
	}
	group, err := dialAll(addr, conns, all)
	if err != nil {
		return Traffic{}, err
	}
	defer closeAll(group)
	if err := together(group, func(c *conn) error { return c.exchange(warm) }); err != nil {
		return Traffic{}, err
	}
	t := Traffic{Answer: group[0].answer, Messages: conns * messages}
	for _, c := range group {
		c.received, c.sent, c.text = 0, 0, 0
	}
	before, err := getUsage(addr, false)
	if err != nil {
		return t, err
	}
	start := time.Now()
	if err := together(group, func(c *conn) error { return c.exchange(messages) }); err != nil {
		return t, err
	}
	t.Elapsed = time.Since(start)
	after, err := getUsage(addr, false)
	t.CPU = after.CPU - before.CPU
	for _, c := range group {
		t.BytesPlain += c.text
		t.BytesOut += c.received
		t.BytesIn += c.sent
	}
	return t, err
}

func dialAll(addr string, conns int, all *scripts) ([]*conn, error) {
	var group []*conn
	for i := range conns {
		c, err := dial(addr, i)
		if err == nil {
			group = append(group, c)
			c.script, err = all.of(i, c.params)
		}
		if err != nil {
			closeAll(group)
			return nil, err
		}
	}
	return group, nil
}

func closeAll(group []*conn) {
	for _, c := range group {
		c.close()
	}
}

// together runs f for all connections at once and returns an error, if any has
// one.
func together(group []*conn, f func(*conn) error) error {
	errs := make(chan error, len(group))
	var running sync.WaitGroup
	for _, c := range group {
		running.Go(func() {
			if err := f(c); err != nil {
				errs <- err
			}
		})
	}
	running.Wait()
	close(errs)
	return <-errs
}

func getUsage(addr string, collect bool) (u peers.Usage, err error) {
	url := "http://" + addr + "/usage"
	if collect {
		url += "?collect"
	}
	resp, err := http.Get(url) //nolint:gosec,noctx // a server that this program has started
	if err != nil {
		return u, err
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	return u, json.NewDecoder(resp.Body).Decode(&u)
}
