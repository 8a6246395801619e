package load

import (
	"errors"
	"time"

	"golazy.dev/bench/field/scenario"
)

// listener is a member of the room.
type listener struct {
	answers answers
	hall    *hall
}

// hall is all of them, and who publishes.
type hall struct {
	score   *score
	sent    time.Time
	members []*listener
}

func (l *listener) receive(b []byte, now time.Time) error {
	n, err := l.answers.feed(b)
	l.hall.score.messages += n
	l.hall.score.latency.add(now.Sub(l.hall.sent), n)
	return err
}

// silent is a connection on which nothing must come.
type silent struct{}

func (silent) receive([]byte, time.Time) error {
	return errors.New("load: the publisher gets a message")
}

// broadcast publishes when all members have what was published before.
func broadcast(t Task) (Result, error) {
	l, err := newLoop()
	if err != nil {
		return Result{}, err
	}
	defer l.close()
	h := &hall{score: new(score)}
	if err := h.open(l, t); err != nil {
		return Result{}, err
	}
	control, err := l.dial(t.Addr, scenario.Publish, 0, silent{})
	if err != nil {
		return Result{}, err
	}
	s := t.Scenario
	sequence := 0
	publish := func(messages int) error {
		for range max(1, messages/(s.Conns*s.InFlight)) {
			sequence++
			if err := h.publish(l, control, s, sequence); err != nil {
				return err
			}
		}
		return nil
	}
	if err := publish(s.Warm()); err != nil {
		return Result{}, err
	}
	*h.score = score{}
	return t.measure(func() error { return publish(s.Messages) }, h.score)
}

// open fills the room. A member has joined when its own message has come back.
func (h *hall) open(l *loop, t Task) error {
	hello := []byte("hello")
	for i := range t.Scenario.Conns {
		m := &listener{answers: answers{want: [][]byte{hello}, opcode: opText}, hall: h}
		h.members = append(h.members, m)
		socket, err := l.dial(t.Addr, t.Scenario.Path, i, m)
		if err != nil {
			return err
		}
		if err := socket.write(appendFrame(nil, opText, hello, i)); err != nil {
			return err
		}
		if err := l.run(func() bool { return h.score.messages == i+1 }); err != nil {
			return err
		}
	}
	return nil
}

// publish publishes and waits until everyone has everything.
func (h *hall) publish(l *loop, control *socket, s scenario.Scenario, sequence int) error {
	m := scenario.Publication(s.InFlight, sequence, s.Size)
	for _, member := range h.members {
		member.answers.want = [][]byte{m}
		member.answers.next = 0
	}
	goal := h.score.messages + s.Conns*s.InFlight
	h.sent = time.Now()
	if err := control.write(appendFrame(nil, opText, m, sequence)); err != nil {
		return err
	}
	return l.run(func() bool { return h.score.messages >= goal })
}
