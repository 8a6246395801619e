package load

import (
	"crypto/tls"
	"net"
	"sync"
	"time"
)

// dialTLS opens a connection; i chooses the local address.
func dialTLS(t Task, i int) (*tls.Conn, error) {
	d := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(1+i%sources))}} //nolint:gosec // 1 to 8
	conn, err := tls.DialWithDialer(d, "tcp", t.Addr.String(),                            //nolint:noctx // on loopback
		&tls.Config{InsecureSkipVerify: true}) //nolint:gosec // the certificate was made a moment ago
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(stuckAfter)); err != nil {
		return nil, err
	}
	if err := upgrade(conn.Read, conn.Write, t.Addr.String(), t.Scenario.Path); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// dialTLSPlayer opens a connection with a player and a score of its own.
func dialTLSPlayer(t Task, i int, s *script) (*tlsPlayer, error) {
	conn, err := dialTLS(t, i)
	if err != nil {
		return nil, err
	}
	p := &tlsPlayer{player: newPlayer(s, new(score)), conn: conn}
	p.write = func(b []byte) error {
		_, err := conn.Write(b)
		return err
	}
	return p, nil
}

type tlsPlayer struct {
	*player
	conn *tls.Conn
}

// perform plays so many batches, and reads until all answers have come.
func (p *tlsPlayer) perform(batches int, buf []byte) error {
	const atMost = 3 * stuckAfter
	if err := p.conn.SetDeadline(time.Now().Add(atMost)); err != nil {
		return err
	}
	if err := p.play(batches); err != nil {
		return err
	}
	for p.waiting > 0 {
		n, err := p.conn.Read(buf)
		if err != nil {
			return err
		}
		if err := p.receive(buf[:n], time.Now()); err != nil {
			return err
		}
	}
	return nil
}

// exchangeTLS runs an Exchange with TLS: a goroutine for each connection.
func exchangeTLS(t Task) (Result, error) {
	s := t.Scenario
	script := newScript(s.Size, s.InFlight, s.Binary)
	var players []*tlsPlayer
	for i := range s.Conns {
		p, err := dialTLSPlayer(t, i, script)
		if err != nil {
			return Result{}, err
		}
		defer p.conn.NetConn().Close() //nolint:errcheck // the end of the run
		players = append(players, p)
	}
	if err := performAll(players, batches(s, s.Warm())); err != nil {
		return Result{}, err
	}
	total := new(score)
	for _, p := range players {
		*p.score = score{}
	}
	return t.measure(func() error {
		err := performAll(players, batches(s, s.Messages))
		for _, p := range players {
			total.add(p.score)
		}
		return err
	}, total)
}

func performAll(players []*tlsPlayer, batches int) error {
	var wait sync.WaitGroup
	errs := make(chan error, len(players))
	for _, p := range players {
		wait.Go(func() { errs <- p.perform(batches, make([]byte, 32<<10)) })
	}
	wait.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *score) add(other *score) {
	s.messages += other.messages
	s.latency.total += other.latency.total
	for i, n := range other.latency.counts {
		s.latency.counts[i] += n
	}
}

// tlsWaiters are idle connections.
type tlsWaiters struct {
	task   Task
	script *script
	conns  []net.Conn
}

func (w *tlsWaiters) grow(n int) error {
	buf := make([]byte, 4096)
	for range n {
		p, err := dialTLSPlayer(w.task, len(w.conns), w.script)
		if err != nil {
			return err
		}
		w.conns = append(w.conns, p.conn.NetConn())
		if err := p.perform(idleMessages, buf); err != nil {
			return err
		}
	}
	return nil
}

func (w *tlsWaiters) close() {
	for _, c := range w.conns {
		_ = c.Close()
	}
}
