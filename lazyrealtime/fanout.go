package lazyrealtime

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"iter"
	"time"

	"golazy.dev/lazyrealtime/cable"
	"golazy.dev/lazywebsocket"
)

// form is how a message looks to a subscription: those with the same form share
// one frame.
type form struct {
	kind       formKind
	identifier string // of the subscription; empty for plain text
	stream     string // how extended clients call the topic
}

type formKind uint8

const (
	formBase     formKind = iota // Action Cable
	formExtended                 // with positions
	formText                     // the message alone
)

// streamName is how an extended client calls a topic in a subscription. Clients
// remember one position per name and connection, so that two subscriptions of a
// topic need two names, the same after every reconnect.
func streamName(topic, identifier string) string {
	sum := sha256.Sum256([]byte(identifier))
	return topic + "~" + hex.EncodeToString(sum[:5])
}

// group are the followers of a topic that get frames of one form. The topic's mu
// guards it, except for what never changes.
type group struct {
	form     form            // never changes
	envelope *cable.Envelope // nor does this; nil for plain text
	members  []member        // who are live
	users    int             // followers, live or not
	place    int             // in the topic's groups
}

// member is a follower and its connection: for most of them a fanout has to look at
// no more, and they are in no processor's cache when it comes by.
type member struct {
	conn     *lazywebsocket.Conn
	follower *follower
}

// groups are those of a topic: a few, or one for each subscription.
type groups struct {
	all   []*group
	index map[form]*group // nil while there are few
}

// fewGroups is up to how many groups are looked for one by one: for them a map
// would take more memory than they do.
const fewGroups = 8

// of returns the group of a form, with one user more. mu is held.
func (gs *groups) of(fm form) *group {
	g := gs.find(fm)
	if g == nil {
		g = &group{form: fm, place: len(gs.all)}
		if fm.kind != formText {
			g.envelope = cable.NewEnvelope(fm.identifier, fm.stream, fm.kind == formExtended)
		}
		gs.all = append(gs.all, g)
		if gs.index != nil {
			gs.index[fm] = g
		} else if len(gs.all) > fewGroups {
			gs.index = make(map[form]*group, len(gs.all))
			for _, g := range gs.all {
				gs.index[g.form] = g
			}
		}
	}
	g.users++
	return g
}

func (gs *groups) find(fm form) *group {
	if gs.index != nil {
		return gs.index[fm]
	}
	for _, g := range gs.all {
		if g.form == fm {
			return g
		}
	}
	return nil
}

// release ends a use of a group. mu is held.
func (gs *groups) release(g *group) {
	if g.users--; g.users > 0 {
		return
	}
	last := len(gs.all) - 1
	moved := gs.all[last]
	gs.all[g.place], moved.place = moved, g.place
	gs.all[last] = nil
	if gs.all = gs.all[:last]; last == 0 {
		*gs = groups{} // of a topic that had more once
	}
	delete(gs.index, g.form)
}

// follower is a subscription of a connection, to one topic.
type follower struct {
	topic *topic
	conn  *lazywebsocket.Conn
	group *group
	owner owner

	// The topic's mu guards what follows.
	place int      // in its group's members
	live  bool     // it is there
	gone  bool     // the subscription has ended
	from  Position // it has got everything behind it
	sent  bool     // and something before, perhaps: a replay has begun
}

// owner is whose follower it is.
type owner interface {
	// from returns the origin of the connection: it does not get its own whispers.
	from() string
	// tellGap tells the client that messages before a position are missing. It does
	// not block, and calls nothing of the topic, whose mu is held.
	tellGap(f *follower, at Position)
}

// follow makes a follower, which is not live yet, of a topic that was acquired for
// it; end releases the topic.
func (t *topic) follow(conn *lazywebsocket.Conn, fm form, o owner) *follower {
	t.mu.Lock()
	defer t.mu.Unlock()
	return &follower{topic: t, conn: conn, group: t.groups.of(fm), owner: o}
}

// join makes a follower get what is live, behind the topic's last position. mu is
// held.
func (t *topic) join(f *follower) {
	if f.live || f.gone {
		return
	}
	g := f.group
	f.place, f.live = len(g.members), true
	g.members = append(g.members, member{f.conn, f})
}

// leave ends join. mu is held.
func (t *topic) leave(f *follower) {
	if !f.live {
		return
	}
	f.live = false
	g := f.group
	last := len(g.members) - 1
	moved := g.members[last]
	g.members[f.place], moved.follower.place = moved, f.place
	g.members[last] = member{}
	g.members = g.members[:last]
}

// fanout puts a message into the queues of all who are live: one frame for all
// that share its form. mu is held; nothing waits for a network.
func (t *topic) fanout(m *Message) {
	if len(t.groups.all) == 0 {
		return
	}
	start := t.hub.now()
	n := 0
	_ = t.out.Send(func(yield func(*lazywebsocket.Conn, *lazywebsocket.PreparedMessage) bool) {
		for _, g := range t.groups.all {
			if len(g.members) == 0 {
				continue
			}
			pm := t.frame(g, m)
			for _, to := range g.members {
				if !yield(to.conn, pm) {
					return
				}
			}
			n += len(g.members)
		}
	}) // its only error is that of a control message
	t.hub.count(CountDeliveries, n)
	t.hub.took(TimeFanout, start)
}

// fleet sends what is not stored, to all but the connection that it comes from.
func (t *topic) fleet(origin string, data []byte) {
	m := &Message{Topic: t.name, Time: time.Now(), Data: data}
	t.mu.Lock()
	defer t.mu.Unlock()
	_ = t.out.Send(func(yield func(*lazywebsocket.Conn, *lazywebsocket.PreparedMessage) bool) {
		for _, g := range t.groups.all {
			if len(g.members) == 0 {
				continue
			}
			pm := t.frame(g, m)
			for _, to := range g.members {
				if (origin == "" || to.follower.owner.from() != origin) && !yield(to.conn, pm) {
					return
				}
			}
		}
	})
	for s := range t.pulls {
		s.fleeting(m)
	}
}

// fanoutGap tells everybody who is live that messages are missing. mu is held.
func (t *topic) fanoutGap() {
	for _, g := range t.groups.all {
		for _, to := range g.members {
			f := to.follower
			f.owner.tellGap(f, t.last)
			f.from = t.last
		}
	}
}

// frame builds a message in the form of a group. mu is held.
func (t *topic) frame(g *group, m *Message) *lazywebsocket.PreparedMessage {
	t.scratch = appendForm(t.scratch[:0], g.form.kind, g.envelope, m)
	pm, _ := lazywebsocket.NewPreparedMessage(lazywebsocket.TextMessage, t.scratch) // text is never refused
	if cap(t.scratch) > 16<<10 {
		t.scratch = nil
	}
	return pm
}

// frames builds messages in the form of a follower that is catching up.
func (f *follower) frames(messages []*Message) iter.Seq2[*lazywebsocket.Conn, *lazywebsocket.PreparedMessage] {
	return func(yield func(*lazywebsocket.Conn, *lazywebsocket.PreparedMessage) bool) {
		var scratch []byte
		for _, m := range messages {
			scratch = appendForm(scratch[:0], f.group.form.kind, f.group.envelope, m)
			pm, _ := lazywebsocket.NewPreparedMessage(lazywebsocket.TextMessage, scratch)
			if !yield(f.conn, pm) {
				return
			}
		}
	}
}

// appendForm appends a message as a client gets it.
func appendForm(dst []byte, kind formKind, envelope *cable.Envelope, m *Message) []byte {
	if kind == formText {
		return append(dst, plainText(m.Data)...)
	}
	return envelope.Append(dst, m.Data, m.Position.Epoch, m.Position.Offset)
}

// plainText is what a client gets that speaks no protocol: the text of a JSON
// string, such as HTML, or else the JSON itself.
func plainText(data []byte) []byte {
	if len(data) > 0 && data[0] == '"' {
		var text string
		if json.Unmarshal(data, &text) == nil {
			return []byte(text)
		}
	}
	return data
}
