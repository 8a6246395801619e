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

// group are the followers of a topic that get frames of one form.
type group struct {
	form     form
	envelope *cable.Envelope
	members  []*follower
}

// follower is a subscription of a connection, to one topic.
type follower struct {
	topic *topic
	conn  *lazywebsocket.Conn
	form  form

	origin string            // of the connection: it does not get its own whispers
	gap    func(at Position) // tells the client that messages before are missing; must not block, or call the topic

	// The topic's mu guards what follows.
	place  int      // in its group's members
	live   bool     // it is there
	gone   bool     // the subscription has ended
	joined Position // where it became live
}

// join makes a follower get what is live, behind the topic's last position. mu is
// held.
func (t *topic) join(f *follower) {
	if f.live || f.gone {
		return
	}
	g := t.forms[f.form]
	if g == nil {
		if t.forms == nil {
			t.forms = make(map[form]*group)
		}
		g = &group{form: f.form}
		if f.form.kind != formText {
			g.envelope = cable.NewEnvelope(f.form.identifier, f.form.stream, f.form.kind == formExtended)
		}
		t.forms[f.form] = g
	}
	f.place, f.live, f.joined = len(g.members), true, t.last
	g.members = append(g.members, f)
}

// leave ends join. mu is held.
func (t *topic) leave(f *follower) {
	if !f.live {
		return
	}
	f.live = false
	g := t.forms[f.form]
	last := len(g.members) - 1
	moved := g.members[last]
	g.members[f.place], moved.place = moved, f.place
	g.members[last] = nil
	if g.members = g.members[:last]; last == 0 {
		delete(t.forms, f.form)
	}
}

// fanout puts a message into the queues of all who are live: one frame for all
// that share its form. mu is held; nothing waits for a network.
func (t *topic) fanout(m *Message) {
	if len(t.forms) == 0 {
		return
	}
	start := t.hub.now()
	n := 0
	_ = t.out.Send(func(yield func(*lazywebsocket.Conn, *lazywebsocket.PreparedMessage) bool) {
		for _, g := range t.forms {
			pm := t.frame(g, m)
			for _, f := range g.members {
				if !yield(f.conn, pm) {
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
		for _, g := range t.forms {
			pm := t.frame(g, m)
			for _, f := range g.members {
				if (origin == "" || f.origin != origin) && !yield(f.conn, pm) {
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
	for _, g := range t.forms {
		for _, f := range g.members {
			f.gap(t.last)
			f.joined = t.last
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
		var envelope *cable.Envelope
		if f.form.kind != formText {
			envelope = cable.NewEnvelope(f.form.identifier, f.form.stream, f.form.kind == formExtended)
		}
		var scratch []byte
		for _, m := range messages {
			scratch = appendForm(scratch[:0], f.form.kind, envelope, m)
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
