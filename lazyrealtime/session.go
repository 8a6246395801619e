package lazyrealtime

import (
	"context"
	"errors"
	"iter"
	"maps"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golazy.dev/lazyrealtime/cable"
	"golazy.dev/lazywebsocket"
)

// session is a connection that speaks Action Cable, from its welcome to its end.
// One goroutine at a time serves what the client sends.
type session struct {
	hub      *Hub
	conn     *lazywebsocket.Conn
	id       Identity
	extended bool
	origin   string
	ctx      context.Context // ends with the session
	cancel   context.CancelFunc
	out      *lazywebsocket.Group // what sends the session's own frames
	rate     *bucket
	commands *bucket
	backlog  backlog
	expiry   *time.Timer  // nil: the credential does not end
	mute     func()       // makes a session silent that speaks something else
	stop     func(ending) // and ends it; nil: Action Cable

	leaving atomic.Bool // it is being ended

	mu    sync.Mutex
	subs  map[string]*Subscriber // by identifier
	ended bool
}

// ending is why the hub ends a connection, as the client is told.
type ending struct {
	reason    string // of the disconnect frame
	reconnect bool
	code      int    // of the Close frame
	text      string // its reason
}

var (
	endRevoked  = ending{cable.ReasonRemote, false, lazywebsocket.ClosePolicyViolation, "revoked"}
	endDenied   = ending{cable.ReasonUnauthorized, false, lazywebsocket.ClosePolicyViolation, "unauthorized"}
	endExpired  = ending{cable.ReasonTokenExpired, false, lazywebsocket.ClosePolicyViolation, "token expired"}
	endRestart  = ending{cable.ReasonServerRestart, true, lazywebsocket.CloseGoingAway, "server restart"}
	endInvalid  = ending{cable.ReasonInvalidRequest, false, lazywebsocket.ClosePolicyViolation, "invalid request"}
	endTooMany  = ending{"too_many_connections", false, lazywebsocket.CloseTryAgainLater, "too many connections"}
	endFull     = ending{"server_full", true, lazywebsocket.CloseTryAgainLater, "too many connections"}
	endTooFast  = ending{"rate_limited", true, lazywebsocket.ClosePolicyViolation, "too many messages"}
	endNoEngine = ending{cable.ReasonServerRestart, true, lazywebsocket.CloseTryAgainLater, "the log is unavailable"}
)

// goodbye bounds how long the closing handshake may take.
const goodbye = 5 * time.Second

// newSession registers a connection and welcomes it.
func (h *Hub) newSession(conn *lazywebsocket.Conn, id Identity, interval time.Duration) (*session, error) {
	s := &session{
		hub: h, conn: conn, id: id, extended: conn.Subprotocol() == cable.Extended,
		origin: nonce(), subs: make(map[string]*Subscriber),
		commands: newBucket(h.config.Limits.commands()),
	}
	if err := h.register(s); err != nil {
		h.dismiss(conn, h.tooMany(err))
		return nil, err
	}
	sendTo(new(lazywebsocket.Group), conn, cable.AppendWelcome(nil, "")) // before any ping
	s.out = h.join(conn, interval)
	s.recheck()
	return s, nil
}

// register counts a session, of any kind, until deregister. Who tells the client of an
// error counts the refusal.
func (h *Hub) register(s *session) error {
	if err := h.sessions.add(s, h.config.Limits); err != nil {
		h.count(CountLimited, 1)
		if isFull(err) {
			h.turnedAway()
		}
		return err
	}
	s.ctx, s.cancel = context.WithCancel(h.ctx)
	h.count(CountConnects, 1)
	return nil
}

// recheck ends a session whose credential has become void while it was registered,
// and sees to it that it ends with its credential.
func (s *session) recheck() {
	if !s.id.Expires.IsZero() {
		s.expiry = time.AfterFunc(time.Until(s.id.Expires), func() { s.disconnect(endExpired) })
	}
	switch {
	case s.hub.revoked.voids(s.id):
		s.disconnect(endRevoked)
	case s.hub.draining(), !s.hub.current(): // nobody knows who has been revoked
		s.disconnect(endRestart)
	}
}

// deregister reverses register.
func (s *session) deregister(err error) {
	if s.expiry != nil {
		s.expiry.Stop()
	}
	s.cancel()
	s.hub.sessions.remove(s)
	s.hub.count(CountDisconnects, 1)
	if errors.Is(err, lazywebsocket.ErrQueueFull) {
		s.hub.count(CountSlow, 1)
	}
}

// run serves a connection until it ends.
func (s *session) run() error {
	err := s.read()
	s.ServeClosed(s.conn, err)
	return errors.Join(s.conn.Close(), unexpected(err))
}

// read serves what arrives, until the connection ends.
func (s *session) read() (err error) {
	defer func() {
		if v := recover(); v != nil { // of the application's, which ends this connection alone
			err = &lazywebsocket.PanicError{Value: v, Stack: debug.Stack()}
			_ = s.conn.Close() // which knows of the panic: 1011
		}
	}()
	var buf []byte
	for {
		messageType, data, err := s.conn.AppendMessage(buf[:0])
		if err == nil {
			err = s.ServeMessage(s.conn, messageType, data)
		}
		if err != nil {
			return err
		}
		if buf = data; cap(buf) > keptBuffer {
			buf = nil
		}
	}
}

// guard calls what calls the application, where nothing is left to be ended by its
// panic.
func (h *Hub) guard(f func()) {
	defer func() {
		if v := recover(); v != nil {
			h.logger.Error("panic in a callback", "panic", v, "stack", string(debug.Stack()))
		}
	}()
	f()
}

// keptBuffer is the most that a waiting connection keeps to read into.
const keptBuffer = 512

// unexpected drops what connections end with.
func unexpected(err error) error {
	var closed *lazywebsocket.CloseError
	var op *lazywebsocket.OpError
	if errors.As(err, &closed) || errors.As(err, &op) {
		return nil
	}
	return err
}

// ServeMessage implements lazywebsocket.MessageHandler.
func (s *session) ServeMessage(_ *lazywebsocket.Conn, messageType int, data []byte) error {
	if s.leaving.Load() {
		return nil // who has been sent away is not served any more
	}
	command, err := cable.ParseCommand(data)
	switch {
	case !s.commands.take():
		s.hub.count(CountLimited, 1)
		s.disconnect(endTooFast)
	case errors.Is(err, cable.ErrUnknownCommand) && messageType == lazywebsocket.TextMessage:
		// A page of a later version has come to this node. To be sent away for good
		// would cost it everything, and it goes without the answer.
	case err != nil || messageType != lazywebsocket.TextMessage:
		s.disconnect(endInvalid)
	default:
		now := time.Now()
		s.backlog.begin(now)
		s.serve(&command)
		s.backlog.end(now, time.Now())
	}
	return nil
}

// ServeClosed implements lazywebsocket.MessageHandler.
func (s *session) ServeClosed(_ *lazywebsocket.Conn, err error) {
	s.mu.Lock()
	s.ended = true
	subs := s.subs
	s.subs = nil
	s.mu.Unlock()
	s.cancel()
	var panicked *lazywebsocket.PanicError
	if errors.As(err, &panicked) {
		s.hub.logger.Error("a connection ends with a panic", "identity", s.id.ID, "error", panicked, "stack", string(panicked.Stack))
	}
	defer s.deregister(err)
	for _, sub := range subs {
		s.hub.guard(sub.end)
	}
}

// send puts a frame into the connection's queue. It waits for nothing.
func (s *session) send(frame []byte) { sendTo(s.out, s.conn, frame) }

func sendTo(out *lazywebsocket.Group, conn *lazywebsocket.Conn, frame []byte) {
	pm, _ := lazywebsocket.NewPreparedMessage(lazywebsocket.TextMessage, frame) // text is never refused
	_ = out.Send(one(conn, pm))                                                 // nor here
}

func one(c *lazywebsocket.Conn, pm *lazywebsocket.PreparedMessage) iter.Seq2[*lazywebsocket.Conn, *lazywebsocket.PreparedMessage] {
	return func(yield func(*lazywebsocket.Conn, *lazywebsocket.PreparedMessage) bool) { yield(c, pm) }
}

// disconnect tells the client why and closes, once, and does not wait for that. Once
// it has returned nothing of a topic is sent any more. It reports whether it was the
// first.
func (s *session) disconnect(e ending) bool {
	if s.leaving.Swap(true) {
		return false
	}
	s.silence()
	go s.goodbye(e)
	return true
}

// dismiss is disconnect that waits.
func (s *session) dismiss(e ending) {
	if !s.leaving.Swap(true) {
		s.silence()
		s.goodbye(e)
	}
}

// silence ends what is sent to the client of its subscriptions.
func (s *session) silence() {
	if s.mute != nil {
		s.mute()
		return
	}
	s.mu.Lock()
	subs := slices.Collect(maps.Values(s.subs))
	s.mu.Unlock()
	for _, sub := range subs {
		sub.quit()
		for _, f := range sub.followers {
			f.mute()
		}
	}
}

func (s *session) goodbye(e ending) {
	if s.stop != nil {
		s.stop(e)
	} else {
		s.hub.dismiss(s.conn, e)
	}
}

// dismiss tells a client why its connection ends, and closes it.
func (h *Hub) dismiss(conn *lazywebsocket.Conn, e ending) {
	sendTo(new(lazywebsocket.Group), conn, cable.AppendDisconnect(nil, e.reason, e.reconnect))
	closeWith(conn, e)
}

// closeWith does the closing handshake.
func closeWith(conn *lazywebsocket.Conn, e ending) {
	ctx, cancel := context.WithTimeout(context.Background(), goodbye)
	defer cancel()
	_ = conn.Shutdown(ctx, e.code, e.text) // the connection is closed all the same
}
