package lazyrealtime

import (
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strconv"
	"unicode/utf8"

	"golazy.dev/lazywebsocket"
)

// refreshHTML is what tells a page of Turbo to fetch itself again.
const refreshHTML = `<turbo-stream action="refresh"></turbo-stream>`

// ServeStream serves the element <turbo-stream-source> of Turbo, and whoever else
// wants the messages of one topic and nothing around them: as text messages of a
// WebSocket, or as Server-Sent Events. Messages that are JSON strings, as those of
// PublishHTML, come as their text, others as JSON.
//
// The parameter name is a signed name, or with Config.Public stream is a topic;
// position is a signed position, behind which the first use replays. An
// EventSource that reconnects goes on where it was (Last-Event-ID). Where messages
// are missing it gets a turbo-stream with the action refresh. Errors are 401 and 403;
// what may be otherwise soon is 503 to a WebSocket, and to an EventSource a stream that
// ends, because it would not come back from an error. Both count in the Upgrader's
// Budget.ConnectionsPerAddress.
func (h *Hub) ServeStream(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && !lazywebsocket.IsWebSocketUpgrade(r) {
		w.Header().Set("Allow", http.MethodGet)
		http.Error(w, "use GET", http.StatusMethodNotAllowed)
		return
	}
	if !h.welcome(w, r) {
		h.answer(w, http.StatusForbidden, fmt.Errorf("%w: the origin is another", ErrDenied))
		return
	}
	if err := h.Ready(); err != nil {
		h.notNow(w, r, http.StatusServiceUnavailable, err)
		return
	}
	if err := h.full(); err != nil {
		h.notNow(w, r, http.StatusServiceUnavailable, err)
		return
	}
	id, err := h.authenticate(r)
	switch {
	case errors.Is(err, ErrUnavailable):
		h.notNow(w, r, http.StatusServiceUnavailable, err)
		return
	case err != nil:
		h.answer(w, http.StatusUnauthorized, err)
		return
	}
	topic, replay, err := h.streamTopic(r, id)
	switch {
	case errors.Is(err, ErrUnavailable):
		h.notNow(w, r, http.StatusServiceUnavailable, err)
		return
	case err != nil:
		h.answer(w, http.StatusForbidden, err)
		return
	}
	from, err := h.streamStart(r, topic, replay)
	switch {
	case err != nil:
		h.notNow(w, r, http.StatusServiceUnavailable, err)
	case lazywebsocket.IsWebSocketUpgrade(r):
		h.serveText(w, r, id, topic, from)
	default:
		h.serveEvents(w, r, id, topic, from)
	}
}

// welcome applies the upgrader's origin guard to requests of any kind, and lets the
// pages that it welcomes read the answer.
func (h *Hub) welcome(w http.ResponseWriter, r *http.Request) bool {
	check := h.upgrader.CheckOrigin
	if check == nil {
		check = lazywebsocket.SameOrigin
	}
	if !check(r) {
		return false
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		w.Header().Set("Access-Control-Allow-Origin", origin)
		w.Header().Set("Access-Control-Allow-Credentials", "true")
		w.Header().Add("Vary", "Origin")
	}
	return true
}

// answer refuses a request. What is the matter goes to the log, not to the client.
func (h *Hub) answer(w http.ResponseWriter, status int, err error) {
	h.count(CountRefused, 1)
	h.logger.Info("a request was refused", "status", status, "error", err)
	http.Error(w, http.StatusText(status), status)
}

// streamTopic returns the topic that a request may follow, and whether it may
// replay from where it says that it was.
func (h *Hub) streamTopic(r *http.Request, id Identity) (topic string, replay bool, err error) {
	query := r.URL.Query()
	if name := query.Get("name"); name != "" {
		if topic, err = h.openName(id, name); err != nil {
			return "", false, err
		}
		if h.config.Authorize == nil {
			return topic, true, h.checkTopic(topic)
		}
		if err = h.authorize(r.Context(), id, OpSubscribe, topic); err != nil {
			return "", false, err
		}
		return topic, h.authorize(r.Context(), id, OpReplay, topic) == nil, h.checkTopic(topic)
	}
	if topic = query.Get("stream"); topic != "" && h.config.Public {
		return topic, true, h.checkTopic(topic)
	}
	return "", false, fmt.Errorf("%w: there is no signed name", ErrDenied)
}

// streamStart says where a stream begins.
func (h *Hub) streamStart(r *http.Request, topic string, replay bool) (begin, error) {
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		at, err := parseEventID(last)
		known := err == nil && replay
		return begin{replay: known, gap: !known, at: at}, nil
	}
	sealed := r.URL.Query().Get("position")
	if sealed == "" {
		return begin{}, nil
	}
	return h.pageBegins(r.Context(), topic, sealed)
}

func eventID(p Position) string { return p.Epoch + ":" + strconv.FormatUint(p.Offset, 10) }

// parseEventID reverses eventID. What could be none goes into no answer.
func parseEventID(id string) (p Position, err error) {
	if len(id) > eventIDMost || !utf8.ValidString(id) {
		return p, errEventID
	}
	epoch, offset, _ := cutLast(id, ":")
	p.Epoch = epoch
	p.Offset, err = strconv.ParseUint(offset, 10, 64)
	return p, err
}

// eventIDMost is more than the id of an event has.
const eventIDMost = 255

var errEventID = errors.New("lazyrealtime: the Last-Event-ID is none of a hub's")

// serveText serves a WebSocket that gets text.
func (h *Hub) serveText(w http.ResponseWriter, r *http.Request, id Identity, topic string, from begin) {
	conn, err := h.upgrader.Upgrade(w, r, nil)
	if err != nil {
		h.count(CountRefused, 1)
		return // Upgrade has answered
	}
	s := &textStream{session: session{hub: h, conn: conn, id: id}}
	s.mute, s.stop = s.hush, func(e ending) { closeWith(conn, e) }
	if err := h.register(&s.session); err != nil {
		s.stop(h.tooMany(err))
		return
	}
	s.out = new(lazywebsocket.Group)
	t, err := h.acquire(s.ctx, topic)
	if err != nil {
		s.stop(endNoEngine)
		s.deregister(err)
		return
	}
	s.follow(t)
	s.recheck()
	h.goes(func() { s.start(from) })
	h.drive(conn, r, s, s.run)
}

// textStream is a connection that gets the text of one topic.
type textStream struct {
	session
	follower *follower
}

// follow prepares the following of the topic.
func (s *textStream) follow(t *topic) {
	f := t.follow(s.conn, form{kind: formText}, s)
	s.mu.Lock()
	s.follower = f
	leaving := s.leaving.Load()
	s.mu.Unlock()
	if leaving {
		f.mute() // nobody else has
	}
}

// hush ends what is sent of the topic.
func (s *textStream) hush() {
	s.mu.Lock()
	f := s.follower
	s.mu.Unlock()
	if f != nil {
		f.mute()
	}
}

// push is a sender.
func (s *textStream) push(frames iter.Seq2[*lazywebsocket.Conn, *lazywebsocket.PreparedMessage]) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leaving.Load() {
		return errEnded
	}
	return s.out.Send(frames)
}

// from implements owner: it whispers nothing.
func (s *textStream) from() string { return "" }

// tellGap implements owner.
func (s *textStream) tellGap(*follower, Position) { s.send([]byte(refreshHTML)) }

func (s *textStream) run() {
	defer s.conn.Close()
	for {
		if _, _, err := s.conn.AppendMessage(nil); err != nil {
			s.ServeClosed(s.conn, err)
			return
		}
	}
}

// ServeMessage drops what the client sends: it has nothing to say.
func (s *textStream) ServeMessage(*lazywebsocket.Conn, int, []byte) error { return nil }

func (s *textStream) ServeClosed(_ *lazywebsocket.Conn, err error) {
	s.cancel()
	s.follower.end()
	s.deregister(err)
}

// start makes the stream live.
func (s *textStream) start(from begin) {
	err := s.follower.begin(s.ctx, from, s.push, func(Position) {})
	var gap *GapError
	switch {
	case errors.As(err, &gap):
		s.hub.count(CountGaps, 1)
		s.follower.nowBehindGap()
	case err != nil && s.ctx.Err() == nil:
		s.disconnect(endNoEngine)
	}
}
