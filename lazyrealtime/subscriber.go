package lazyrealtime

import (
	"context"
	"errors"
	"iter"
	"strconv"
	"sync"
	"time"

	"golazy.dev/lazyrealtime/cable"
	"golazy.dev/lazywebsocket"
)

// Subscriber is a subscription of a client to a channel.
type Subscriber struct {
	session    *session
	identifier string
	channel    *Channel
	params     *cable.Params // nil once it has started
	topics     []string      // that it will follow; nil once it does
	turbo      bool          // its channel is turbo-rails'
	public     bool          // the topic is public
	accepted   bool          // the channel has let it in

	followers []*follower // one for each topic
	confirmed int64       // when it was, in Unix milliseconds; serving goroutine only
	stuck     string      // the latest request that was not taken; serving goroutine only
	present   bool        // its identity is present in the first topic, on its account; serving goroutine only

	mu      sync.Mutex
	ended   bool
	replays *replays // nil while none runs
}

// replays are the replays of a subscription that run. Its mu guards n.
type replays struct {
	ctx    context.Context // ends with the subscription
	cancel context.CancelFunc
	n      int
}

// errEnded is the failure of a subscription that has ended while it was catching
// up.
var errEnded = errors.New("the subscription has ended")

// admit lets a subscription in: nil, or why not.
func (s *Subscriber) admit() error {
	h := s.session.hub
	if err := h.within("IdentifierBytes", h.config.Limits.IdentifierBytes, defaultIdentifierBytes, len(s.identifier)); err != nil {
		return err
	}
	params, err := cable.ParseIdentifier(s.identifier)
	if err != nil {
		return err
	}
	s.params, s.turbo = &params, params.Channel == channelTurbo
	channel, err := h.channel(params.Channel)
	if err != nil {
		return err
	}
	s.channel = channel
	if err := s.channel.Subscribe(s.session.ctx, s); err != nil {
		return err
	}
	s.accepted = true
	kind := formBase
	if s.session.extended {
		kind = formExtended
	}
	for _, topic := range s.topics {
		t, err := h.acquire(s.session.ctx, topic)
		if err != nil {
			return err
		}
		fm := form{kind: kind, identifier: s.identifier}
		if kind == formExtended {
			fm.stream = streamName(topic, s.identifier)
		}
		s.followers = append(s.followers, t.follow(s.session.conn, fm, s))
	}
	if s.topics = nil; len(s.followers) > 0 {
		s.mu.Lock()                                         // the application may be using it already
		s.identifier = s.followers[0].group.form.identifier // the same memory for all with this text
		s.mu.Unlock()
	}
	return nil
}

// from implements owner.
func (s *Subscriber) from() string { return s.session.origin }

// start confirms the subscription and lets the messages come: history first, then
// what is live.
func (s *Subscriber) start(c *cable.Command) {
	starts, replays, err := s.starts(c)
	s.confirmed = time.Now().UnixMilli()
	switch {
	case err != nil:
		s.session.disconnect(endNoEngine)
	case replays:
		_ = s.push(cable.AppendReply(nil, cable.ConfirmSubscription, s.identifier))
		s.startReplay(starts)
	default:
		s.startNow(c.History != nil)
	}
	s.params = nil
}

// confirmAgain confirms a subscription to a client that has repeated its subscribe.
// Extended clients do that when they have waited for half of the time that they wait
// at all, and take a second confirmation for one of something that they no longer
// want: the first is on its way then, or the connection is lost.
func (s *Subscriber) confirmAgain() {
	if age := time.Since(time.UnixMilli(s.confirmed)); !s.session.extended || age >= confirmPatience {
		_ = s.push(cable.AppendReply(nil, cable.ConfirmSubscription, s.identifier))
	}
}

// confirmPatience is how long clients wait for a confirmation.
const confirmPatience = 10 * time.Second

// startNow is start where nothing is replayed. An extended client learns where it
// starts, so that nothing is missing when it comes back before it has got a
// message.
func (s *Subscriber) startNow(history bool) {
	for i, f := range s.followers {
		f.now(func(at Position) {
			if i == 0 {
				_ = s.pushReply(cable.ConfirmSubscription, f, at)
				s.confirmNothing(history)
			}
			s.tellPlace(f, at)
		})
	}
	if len(s.followers) == 0 {
		_ = s.push(cable.AppendReply(nil, cable.ConfirmSubscription, s.identifier))
		s.confirmNothing(history)
	}
}

// confirmNothing answers a history that was asked for and has nothing to replay.
func (s *Subscriber) confirmNothing(asked bool) {
	if asked && s.session.extended {
		_ = s.push(cable.AppendReply(nil, cable.ConfirmHistory, s.identifier))
	}
}

// tellPlace tells an extended client that follows several topics where it stands in
// one of them.
func (s *Subscriber) tellPlace(f *follower, at Position) {
	if s.session.extended && len(s.followers) > 1 && at.Epoch != "" {
		_ = s.push(cable.AppendReplyAt(nil, cable.ConfirmHistory, s.identifier, f.group.form.stream, at.Epoch, at.Offset))
	}
}

// pushReply answers, and tells an extended client where it stands, if it follows
// one topic.
func (s *Subscriber) pushReply(kind cable.Kind, f *follower, at Position) error {
	if !s.session.extended || len(s.followers) > 1 || at.Epoch == "" {
		return s.push(cable.AppendReply(nil, kind, s.identifier))
	}
	return s.push(cable.AppendReplyAt(nil, kind, s.identifier, f.group.form.stream, at.Epoch, at.Offset))
}

// begin says where a follower begins.
type begin struct {
	replay bool
	gap    bool      // something is missing, nobody knows what
	busy   bool      // another replay takes care of it
	at     Position  // replay behind it
	since  time.Time // or from this time, if it is not zero
}

// starts finds out where each follower begins, and whether any replays.
func (s *Subscriber) starts(c *cable.Command) (starts []begin, replays bool, err error) {
	starts = make([]begin, len(s.followers))
	for i, f := range s.followers {
		if starts[i], err = s.begins(f, c); err != nil {
			return nil, false, err
		}
		replays = replays || starts[i].replay || starts[i].gap
	}
	return starts, replays, nil
}

// begins finds out where a follower begins: at the client's position, at that of
// the page's rendering, or now.
func (s *Subscriber) begins(f *follower, c *cable.Command) (begin, error) {
	h, topic := s.session.hub, f.topic.name
	if c.History != nil && s.session.extended {
		if p, ok := clientPosition(c.History, f); ok {
			if !s.mayReplay(topic) {
				return begin{gap: true}, nil
			}
			return begin{replay: true, at: p}, nil
		}
	}
	if c.Position != "" { // a client that sends it once
		p, err := h.openPosition(topic, c.Position)
		return begin{replay: err == nil, gap: err != nil, at: p.At}, nil
	}
	if s.params.Position != "" { // a page, which sends it again when it comes back
		return h.pageBegins(s.session.ctx, topic, s.params.Position)
	}
	if c.History != nil && c.History.Since > 0 && s.session.extended && s.mayReplay(topic) {
		return begin{replay: true, since: time.Unix(c.History.Since, 0)}, nil
	}
	return begin{}, nil
}

// clientPosition returns the position that a client has in a follower's topic.
func clientPosition(h *cable.History, f *follower) (Position, bool) {
	p, ok := h.Streams[f.group.form.stream]
	if !ok {
		p, ok = h.Streams[f.topic.name]
	}
	return Position(p), ok
}

// mayReplay says whether the client may see what was published before. For
// a public topic, and one whose name the hub has signed if nobody else is to be
// asked, it may.
func (s *Subscriber) mayReplay(topic string) bool {
	h := s.session.hub
	if s.public || h.config.Authorize == nil {
		return true
	}
	return h.authorize(s.session.ctx, s.session.id, OpReplay, topic) == nil
}

// startReplay replays in a goroutine, which does not wait for the engine any more
// when the subscription has ended: clients may come and go faster than it reads.
func (s *Subscriber) startReplay(starts []begin) {
	s.session.hub.goes(func() {
		r := s.enterReplay()
		s.replay(r.ctx, starts)
		s.leaveReplay(r)
	})
}

func (s *Subscriber) enterReplay() *replays {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.replays == nil {
		s.replays = new(replays)
		s.replays.ctx, s.replays.cancel = context.WithCancel(s.session.ctx)
		if s.ended {
			s.replays.cancel()
		}
	}
	s.replays.n++
	return s.replays
}

func (s *Subscriber) leaveReplay(r *replays) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.n--; r.n == 0 {
		r.cancel()
		s.replays = nil
	}
}

// replay catches up with the topics, one after the other, and says so.
func (s *Subscriber) replay(ctx context.Context, starts []begin) {
	gaps, confirm := 0, true
	for i, f := range s.followers {
		b := starts[i]
		if b.busy {
			confirm = false // that one does
			continue
		}
		level := func(at Position) {
			s.tellPlace(f, at)
			if i == len(s.followers)-1 && gaps == 0 && confirm && s.session.extended {
				_ = s.pushReply(cable.ConfirmHistory, f, at)
			}
		}
		err := f.begin(ctx, b, s.pushAll, level)
		var gap *GapError
		switch {
		case errors.As(err, &gap):
			gaps++
			f.nowBehindGap()
		case err != nil:
			s.failed(f.topic.name, err)
			return
		}
	}
}

// failed ends the connection of a replay that the engine did not answer: the client
// comes back with its positions.
func (s *Subscriber) failed(topic string, err error) {
	if s.session.ctx.Err() != nil || s.over() || errors.Is(err, errEnded) {
		return
	}
	s.session.hub.logger.Warn("a replay has failed", "topic", topic, "identity", s.session.id.ID, "error", err)
	s.session.disconnect(endNoEngine)
}

// over reports whether the subscription has ended.
func (s *Subscriber) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// refresh is refreshHTML as a message.
var refresh = []byte(strconv.Quote(refreshHTML))

// tellGap tells the client that messages are missing, in the ways that it may
// understand. It is called with the topic's mu held.
func (s *Subscriber) tellGap(f *follower, at Position) {
	s.session.hub.count(CountGaps, 1)
	if s.session.extended {
		_ = s.push(cable.AppendReplyAt(nil, cable.RejectHistory, s.identifier, f.group.form.stream, at.Epoch, at.Offset))
	}
	if s.turbo {
		_ = s.push(cable.AppendMessage(nil, s.identifier, refresh))
	}
}

// end ends the subscription: nothing of it is sent any more.
func (s *Subscriber) end() {
	s.quit()
	if s.present {
		s.present = false
		s.session.hub.exitLater(s.followers[0].topic, s.session.id.ID)
	}
	if len(s.followers) > 0 {
		s.unwatch(s.followers[0].topic)
	}
	s.session.hub.sessions.subscriptions.Add(-1)
	s.session.hub.count(CountUnsubscribes, 1)
	s.drop()
}

// quit ends what is sent.
func (s *Subscriber) quit() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	if s.replays != nil {
		s.replays.cancel()
	}
}

// drop lets go of the topics, and lets the channel know.
func (s *Subscriber) drop() {
	for _, f := range s.followers {
		f.end()
	}
	if s.accepted && s.channel.Unsubscribe != nil {
		s.channel.Unsubscribe(s)
	}
}

// push puts a frame of the subscription into the connection's queue, unless the
// subscription has ended.
func (s *Subscriber) push(frame []byte) error {
	pm, _ := lazywebsocket.NewPreparedMessage(lazywebsocket.TextMessage, frame) // text is never refused
	return s.pushAll(one(s.session.conn, pm))
}

// pushAll is push of several frames. After end has returned nothing more is
// pushed.
func (s *Subscriber) pushAll(frames iter.Seq2[*lazywebsocket.Conn, *lazywebsocket.PreparedMessage]) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return errEnded
	}
	return s.session.out.Send(frames)
}
