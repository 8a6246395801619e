package load

import (
	"time"

	"golazy.dev/bench/field/scenario"
)

// player sends a script on a connection and compares the answers.
type player struct {
	write   func([]byte) error
	script  *script
	answers answers
	batch   int // index of the one that is sent next
	left    int // batches that have not been sent
	waiting int // messages whose answers have not come
	sent    time.Time
	score   *score
}

// score is what all players of a run have got.
type score struct {
	messages int
	latency  histogram
}

func newPlayer(s *script, total *score) *player {
	return &player{
		script: s, answers: answers{want: s.messages, opcode: s.opcode}, score: total,
	}
}

// play sends the first of so many batches. The others follow when the answers
// before have come.
func (p *player) play(batches int) error {
	p.left = batches
	return p.send()
}

func (p *player) send() error {
	p.left--
	b := p.script.batches[p.batch]
	if p.batch++; p.batch == len(p.script.batches) {
		p.batch = 0
	}
	p.waiting = p.script.inFlight
	p.sent = time.Now()
	return p.write(b)
}

func (p *player) receive(b []byte, now time.Time) error {
	n, err := p.answers.feed(b)
	if err != nil {
		return err
	}
	if p.waiting -= n; p.waiting < 0 {
		return errDiffers
	}
	p.score.messages += n
	p.score.latency.add(now.Sub(p.sent), n)
	if p.waiting == 0 && p.left > 0 {
		return p.send()
	}
	return nil
}

// group is players that play together.
type group struct {
	loop    *loop
	players []*player
	score   *score
}

func dialGroup(t Task, s *script) (*group, error) {
	l, err := newLoop()
	if err != nil {
		return nil, err
	}
	g := &group{loop: l, score: new(score)}
	return g, g.grow(t, t.Scenario.Conns, s)
}

// grow opens n more connections.
func (g *group) grow(t Task, n int, s *script) error {
	for range n {
		p := newPlayer(s, g.score)
		socket, err := g.loop.dial(t.Addr, t.Scenario.Path, len(g.players), p)
		if err != nil {
			return err
		}
		p.write = socket.write
		g.players = append(g.players, p)
	}
	return nil
}

// play makes some of the players play so many batches each.
func (g *group) play(players []*player, batches int) error {
	goal := g.score.messages
	for _, p := range players {
		goal += batches * p.script.inFlight
		if err := p.play(batches); err != nil {
			return err
		}
	}
	return g.loop.run(func() bool { return g.score.messages >= goal })
}

// exchange runs an Exchange without TLS.
func exchange(t Task) (Result, error) {
	s := t.Scenario
	g, err := dialGroup(t, newScript(s.Size, s.InFlight, s.Binary))
	if err != nil {
		return Result{}, err
	}
	defer g.loop.close()
	if err := g.play(g.players, batches(s, s.Warm())); err != nil {
		return Result{}, err
	}
	*g.score = score{}
	return t.measure(func() error { return g.play(g.players, batches(s, s.Messages)) }, g.score)
}

// batches is how many batches a connection sends, so that there are about as
// many messages.
func batches(s scenario.Scenario, messages int) int {
	return max(1, messages/(s.Conns*s.InFlight))
}
