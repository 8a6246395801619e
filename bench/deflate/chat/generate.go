package chat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The corpus is Sessions connections that each receive PerSession messages.
const (
	Sessions   = 8
	PerSession = 104
)

// Sizes of a message in bytes.
const (
	minMessage = 100
	maxMessage = 4096
)

// epoch is when the sessions begin.
var epoch = time.Date(2026, 3, 4, 8, 30, 0, 0, time.UTC).UnixMilli()

// Generate returns the corpus: for each session its messages. It is the same on
// every machine and with every release of Go.
func Generate() [][][]byte {
	sessions := make([][][]byte, Sessions)
	for i := range sessions {
		s := newSession(uint64(i))
		for len(sessions[i]) < PerSession {
			if m := s.next(); minMessage <= len(m) && len(m) <= maxMessage {
				sessions[i] = append(sessions[i], m)
			}
		}
	}
	return sessions
}

type person struct{ ID, Name, Avatar string }

// room is a room that a connection sees.
type room struct {
	id     string
	trade  []string
	people []person
	seq    int
	recent []message // the newest last
}

// session is what one connection sees: a busy room and a quiet one.
type session struct {
	*random
	now   int64
	rooms []*room
}

func newSession(seed uint64) *session {
	r := &random{state: seed*7919 + 42}
	s := &session{random: r, now: epoch + int64(r.below(9*3600*1000))}
	for range 2 {
		s.rooms = append(s.rooms, newRoom(r, s.now))
	}
	return s
}

// newRoom has 5 to 20 people.
func newRoom(r *random, now int64) *room {
	room := &room{
		id:    r.word(roomNames) + "-" + r.text(hexDigits, 8),
		trade: trades[r.below(len(trades))],
		seq:   r.between(200, 90000),
	}
	for range r.between(5, 20) {
		p := person{ID: "u_" + r.text(base64URL, 12), Name: r.any(firstNames) + " " + r.any(lastNames)}
		if r.chance(70) {
			p.Avatar = "https://cdn.example.net/avatars/" + r.text(hexDigits, 16) + "_64.webp"
		}
		room.people = append(room.people, p)
	}
	// What was written before the connection began can be reacted to.
	room.recent = append(room.recent, message{ID: r.ulid(now - 60000), Seq: room.seq})
	return room
}

// next returns the next event, after the time that people let pass.
func (s *session) next() []byte {
	s.now += int64(s.between(200, 4000) << s.zipf(5))
	rm := s.rooms[0]
	if s.chance(20) {
		rm = s.rooms[1]
	}
	who := rm.people[s.zipf(len(rm.people))]
	switch n := s.below(100); {
	case n < 54:
		return marshal(s.message(rm, who))
	case n < 64:
		return marshal(typing{"typing", rm.id, who.ID, who.Name, s.now + 5000})
	case n < 74:
		last := rm.recent[len(rm.recent)-1]
		return marshal(receipt{"receipt", rm.id, who.ID, last.ID, last.Seq, stamp(s.now)})
	case n < 84:
		return marshal(reaction{"reaction", rm.id, s.recent(rm).ID, who.ID, s.word(emoji), s.zipf(9) + 1, stamp(s.now)})
	case n < 89:
		return marshal(s.presence(rm, who))
	case n < 94:
		return marshal(s.edit(rm, who))
	default:
		m := s.message(rm, who)
		m.Type = "thread"
		m.Thread = s.thread(rm)
		return marshal(m)
	}
}

// recent draws from the last messages of a room, the newest most likely.
func (s *session) recent(rm *room) message {
	return rm.recent[len(rm.recent)-1-s.zipf(min(len(rm.recent), 12))]
}

func (s *session) writer(rm *room, who person) *writer {
	w := &writer{random: s.random, trade: rm.trade, people: rm.people}
	// Who writes in another language is decided by the person.
	switch who.ID[len(who.ID)-1] % 16 {
	case 0:
		w.tongue = japanese
	case 1:
		w.tongue = spanish
	case 2:
		w.tongue = german
	}
	return w
}

// length draws how long a text is: most are a line, some are an essay.
func (s *session) length() int {
	switch n := s.below(100); {
	case n < 28:
		return s.between(2, 40)
	case n < 64:
		return s.between(40, 180)
	case n < 90:
		return s.between(180, 560)
	default:
		return s.between(560, 2800)
	}
}

func (s *session) message(rm *room, who person) message {
	rm.seq++
	w := s.writer(rm, who)
	m := message{
		Type: "message", ID: s.ulid(s.now), Room: rm.id, Seq: rm.seq, TS: stamp(s.now),
		Author: author(who),
		Body:   w.text(s.length()),
	}
	if s.chance(3) {
		m.Body += "\n" + w.paste(s.between(200, 2200), s.now)
	}
	if s.chance(18) {
		p := rm.people[s.zipf(len(rm.people))]
		first, _, _ := strings.Cut(p.Name, " ")
		m.Body = "@" + first + " " + m.Body
		m.Mentions = []string{p.ID}
	}
	if s.chance(7) {
		m.Attachments = s.attachments()
	}
	if s.chance(7) {
		m.Preview = s.preview(w)
		m.Body += " " + m.Preview.URL
	}
	if s.chance(40) {
		m.Nonce = s.uuid()
	}
	rm.recent = append(rm.recent, m)
	return m
}

func (s *session) attachments() []attachment {
	var list []attachment
	for range 1 + s.zipf(3) {
		kind := s.below(len(fileTypes)/2) * 2
		id := s.uuid()
		name := fmt.Sprintf("%s-%d.%s", s.any(fileNames), s.between(1, 999), fileTypes[kind])
		a := attachment{
			ID: id, Name: name, Type: fileTypes[kind+1], Size: s.between(900, 9_000_000),
			URL: "https://files.example.net/" + id + "/" + name + "?sig=" + s.text(base64URL, 43),
		}
		if strings.HasPrefix(a.Type, "image/") {
			a.Width, a.Height = s.between(120, 4032), s.between(120, 3024)
		}
		list = append(list, a)
	}
	return list
}

func (s *session) preview(w *writer) *preview {
	var title strings.Builder
	w.sentence(&title)
	p := &preview{URL: w.url(), Title: title.String(), Description: w.text(s.between(40, 240))}
	if s.chance(60) {
		p.Image = "https://img.example.net/p/" + s.text(base64URL, 22) + ".jpg"
	}
	return p
}

// edit changes a word of a recent message, or adds to it.
func (s *session) edit(rm *room, who person) edit {
	m := s.recent(rm)
	body := m.Body
	if words := strings.Fields(body); len(words) > 3 && s.chance(50) {
		body = strings.Replace(body, words[s.below(len(words))], s.word(nouns), 1)
	} else {
		body = strings.TrimSpace(body + " edit: " + s.writer(rm, who).text(s.between(5, 60)))
	}
	return edit{"edit", rm.id, m.ID, stamp(s.now), who.ID, body, 1 + s.zipf(4)}
}

func (s *session) presence(rm *room, who person) presence {
	p := presence{
		Type: "presence", User: author(who),
		Status:   s.word([]string{"online", "away", "offline", "busy"}),
		Device:   s.word([]string{"web", "ios", "android", "desktop"}),
		LastSeen: stamp(s.now - int64(s.below(90000))),
	}
	if s.chance(25) {
		p.Text = s.writer(rm, who).text(s.between(8, 30))
	}
	return p
}

func (s *session) thread(rm *room) *threadRef {
	t := &threadRef{Root: s.recent(rm).ID, Replies: 1 + s.zipf(30)}
	for range 1 + s.zipf(5) {
		if id := rm.people[s.zipf(len(rm.people))].ID; !slices.Contains(t.Participants, id) {
			t.Participants = append(t.Participants, id)
		}
	}
	return t
}

func stamp(ms int64) string {
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z")
}

func marshal(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // as JavaScript's JSON.stringify
	if err := e.Encode(v); err != nil {
		panic(err) // structs of strings and numbers
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
