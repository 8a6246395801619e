package lazyrealtime

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"golazy.dev/lazywebsocket"
)

const (
	// eventPause is how long an event stream may be silent: proxies end what is.
	eventPause = 15 * time.Second
	// eventPatience is how long a client may take nothing of it.
	eventPatience = 30 * time.Second
)

// eventRetry is how long clients wait before they come back: between this and twice
// as long, so that those of a server that restarts do not come at once.
const eventRetry = 2500 * time.Millisecond

// retryField is the line that tells a client how long to wait.
func retryField() string {
	return fmt.Sprintf("retry: %d\n", (eventRetry + rand.N(eventRetry)).Milliseconds()) //nolint:gosec // not a secret
}

// notNow refuses a request that may come again soon. An EventSource would be ended for
// good by any status but 200 (HTML, 9.2.3): it gets a stream that ends, and comes back.
func (h *Hub) notNow(w http.ResponseWriter, r *http.Request, status int, err error) {
	if lazywebsocket.IsWebSocketUpgrade(r) {
		w.Header().Set("Retry-After", "5")
		h.answer(w, status, err)
		return
	}
	h.count(CountRefused, 1)
	h.logger.Info("an event stream was put off", "error", err)
	eventHeader(w)
	_, _ = fmt.Fprint(w, retryField(), "\n") // the client is gone
}

func eventHeader(w http.ResponseWriter) {
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // nginx would keep events back
}

// serveEvents serves an EventSource until it or its credential ends.
func (h *Hub) serveEvents(w http.ResponseWriter, r *http.Request, id Identity, topic string, from begin) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	e := &events{ctx: ctx, w: w, rc: http.NewResponseController(w), over: make(chan struct{})}
	defer e.finish()
	release, err := h.budget().Admit(r.RemoteAddr)
	if err != nil {
		h.notNow(w, r, http.StatusTooManyRequests, err)
		return
	}
	defer release()
	s := &session{hub: h, id: id, mute: cancel, stop: e.stop}
	if err := h.register(s); err != nil {
		h.notNow(w, r, http.StatusTooManyRequests, err)
		return
	}
	defer s.deregister(nil)
	var options []SubscribeOption
	if from.replay && !from.gap {
		options = append(options, After(from.at))
	}
	sub, err := h.Subscribe(ctx, topic, options...)
	if err != nil {
		h.notNow(w, r, http.StatusServiceUnavailable, err)
		return
	}
	defer sub.Close()
	s.recheck()
	e.head(sub.Position())
	if from.gap {
		e.gap(sub.Position())
	}
	for e.err == nil {
		if sub = e.next(ctx, h, sub); sub == nil {
			return
		}
	}
}

// events writes Server-Sent Events.
type events struct {
	ctx  context.Context
	w    http.ResponseWriter
	rc   *http.ResponseController
	err  error
	over chan struct{} // closed when the handler ends

	mu   sync.Mutex
	done bool // the deadline is no longer ours, or has been brought forward
}

// stop ends the stream, whose context has ended: if it is stuck in a write to a
// client that does not read, after a while.
func (e *events) stop(ending) {
	timer := time.NewTimer(goodbye)
	defer timer.Stop()
	select {
	case <-e.over:
	case <-timer.C:
		e.deadline(time.Now(), true)
	}
}

// finish is called when the handler ends.
func (e *events) finish() {
	close(e.over)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.done = true
}

// deadline sets that of a write, for the last time or not.
func (e *events) deadline(at time.Time, last bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.done {
		e.done = last
		_ = e.rc.SetWriteDeadline(at) // not all writers can
	}
}

// head begins the stream, with the position that a client comes back from which has
// got no message yet: an event without data is not dispatched, but its id counts
// (HTML, 9.2.6).
func (e *events) head(at Position) {
	eventHeader(e.w)
	e.write(retryField() + idField(at) + "\n")
}

// next sends the subscription's next message. It returns the one to go on with: another one
// behind a gap, nil at the end.
func (e *events) next(ctx context.Context, h *Hub, sub *Subscription) *Subscription {
	quiet := time.NewTimer(eventPause)
	defer quiet.Stop()
	m, err := sub.next(quiet.C)
	var gap *GapError
	switch {
	case e.ctx.Err() != nil:
		return nil // what was read after that is not for this client
	case errors.As(err, &gap):
		h.count(CountGaps, 1)
		sub.Close()
		if sub, err = h.Subscribe(ctx, gap.Topic); err != nil {
			return nil
		}
		e.gap(sub.Position())
	case err != nil:
		return nil
	case m == nil:
		e.write(": quiet\n\n")
	default:
		e.message(m.Position, string(plainText(m.Data)))
	}
	return sub
}

// gap tells the page to refresh, and where it goes on.
func (e *events) gap(at Position) { e.message(at, refreshHTML) }

// message sends an event; what is not stored has no id.
func (e *events) message(at Position, text string) {
	var b strings.Builder
	b.WriteString(idField(at))
	for line := range strings.SplitSeq(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text), "\n") {
		b.WriteString("data: " + line + "\n")
	}
	b.WriteString("\n")
	e.write(b.String())
}

// idField is the line with a position, if there is one.
func idField(at Position) string {
	if at.Epoch == "" {
		return ""
	}
	return "id: " + eventID(at) + "\n"
}

func (e *events) write(text string) {
	if e.err == nil {
		e.deadline(time.Now().Add(eventPatience), false)
		_, e.err = e.w.Write([]byte(text)) //nolint:gosec // an event stream is no HTML
	}
	if e.err == nil {
		e.err = e.rc.Flush()
	}
}
