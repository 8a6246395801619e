package load

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// visitor connects, upgrades, says goodbye, and waits for the answer to that and
// for the end of the connection.
type visitor struct {
	task   *Task
	loop   *loop
	socket *socket
	score  *score
	hello  []byte
	left   int // further visits
	visits int

	begin time.Time
	head  []byte // of the answer, until it is whole
	open  bool
	bye   int // bytes of the Close frame that have come
}

// visit begins a visit.
func (v *visitor) visit() error {
	v.begin = time.Now()
	v.head, v.open, v.bye = v.head[:0], false, 0
	v.visits++
	fd, err := connect(v.task.Addr, v.visits)
	if err != nil {
		return err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return err
	}
	if v.socket, err = v.loop.add(fd, v); err != nil {
		return err
	}
	return v.socket.write(v.hello)
}

func (v *visitor) receive(b []byte, _ time.Time) error {
	if !v.open {
		v.head = append(v.head, b...)
		end := headEnd(v.head)
		if end == 0 {
			return nil
		}
		if end != len(v.head) {
			return errors.New("load: the server sends before the client")
		}
		if err := checkUpgrade(v.head); err != nil {
			return err
		}
		v.open = true
		return v.socket.write(goodbye())
	}
	if v.bye == 0 && b[0] != fin|opClose {
		return fmt.Errorf("load: goodbye is answered with % x", b)
	}
	v.bye += len(b)
	return nil
}

// end ends a visit, and begins the next. The server closes first (RFC 6455,
// 7.1.1).
func (v *visitor) end(now time.Time) error {
	if v.bye < 4 { // a Close frame with a code
		return errors.New("load: the server ends the connection without goodbye")
	}
	v.socket.leave()
	v.score.messages++
	v.score.latency.add(now.Sub(v.begin), 1)
	if v.left--; v.left > 0 {
		return v.visit()
	}
	return nil
}

func handshakes(t Task) (Result, error) {
	l, err := newLoop()
	if err != nil {
		return Result{}, err
	}
	defer l.close()
	total := new(score)
	round := func(messages int) error {
		each := max(1, messages/t.Scenario.Conns)
		goal := total.messages + each*t.Scenario.Conns
		for range t.Scenario.Conns {
			v := &visitor{task: &t, loop: l, score: total, left: each, hello: request(t.Addr.String(), t.Scenario.Path)}
			if err := v.visit(); err != nil {
				return err
			}
		}
		return l.run(func() bool { return total.messages >= goal })
	}
	if err := round(t.Scenario.Warm()); err != nil {
		return Result{}, err
	}
	*total = score{}
	return t.measure(func() error { return round(t.Scenario.Messages) }, total)
}
