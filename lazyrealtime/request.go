package lazyrealtime

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"golazy.dev/lazyrealtime/cable"
)

// requestPatience bounds how long a message may take whose sender waits for an answer,
// with the time that it has waited for those before it to be served. With the 90 s in
// which cable.js repeats itself it stays below the two minutes for which engines remember
// a message's id.
const requestPatience = 10 * time.Second

// requestLeast is what has to be left of that: with less, an engine that is slow, and
// works, would be taken for one that does not.
const requestLeast = requestPatience / 2

// backlog is how long what a client has sent may have waited for what was served before
// it. It belongs to the goroutine that serves.
type backlog struct {
	waited time.Duration
	until  time.Time // when serving has ended last
}

const (
	// backlogPause is the shortest time without anything to serve that proves that
	// nothing was waiting: a goroutine that could run may have to wait for a processor.
	backlogPause = 50 * time.Millisecond
	// backlogQuick is what serving takes that counts for nothing. A client that always
	// has a few messages under way lets no pause arise, and has none that waits for long:
	// eight of these are less than a second.
	backlogQuick = 100 * time.Millisecond
)

// begin notes that something is served from now on.
func (b *backlog) begin(now time.Time) {
	pause := now.Sub(b.until)
	if b.waited -= min(b.waited, pause); pause > backlogPause {
		b.waited = 0
	}
}

// end notes that it has been served, since begin was called.
func (b *backlog) end(began, now time.Time) {
	if took := now.Sub(began); took > backlogQuick {
		b.waited += took
	}
	b.until = now
}

// anonymousRequest is the shortest name of a request from somebody anonymous: 128 bits
// in base64. All the anonymous share their names, and who knew another's could publish
// in its place, so that the other's message would be taken for the repetition.
const anonymousRequest = 22

// request is a message whose sender waits for an answer, as the channel sees it: a
// value of its context.
type request struct {
	id string
	at Position // where publishMessage has published it, if it has
}

type requestKey struct{}

// RequestID returns the id of the message that Channel.Message is called for, in its
// context, or "" if its sender does not wait for an answer. Who waits repeats a message
// that was not answered, also over another connection, to another node: with
// MessageID(RequestID(ctx)) it is published once. The id is the identity's own: no other
// can send a message that has it.
func RequestID(ctx context.Context) string {
	if r := requestOf(ctx); r != nil {
		return r.id
	}
	return ""
}

func requestOf(ctx context.Context) *request {
	r, _ := ctx.Value(requestKey{}).(*request)
	return r
}

// requestID makes an id of who asks and of his name for the request: of both together,
// and unlike any that others than clients use. The same name from two identities has
// nothing in common.
func requestID(identity, name string) string {
	sum := sha256.Sum256([]byte(strconv.Itoa(len(identity)) + ":" + identity + name))
	return "client/" + base64.RawURLEncoding.EncodeToString(sum[:])
}

// request serves a message whose sender waits for an answer. Sub is nil if there is no
// such subscription.
func (s *session) request(sub *Subscriber, c *cable.Command) {
	o := &cable.Outcome{Identifier: c.Identifier, Request: c.Request}
	if sub == nil {
		o.Status, o.Reason = cable.StatusRefused, cable.RefusedNoSubscription
		s.send(cable.AppendOutcome(nil, o))
		return
	}
	r := &request{id: requestID(s.id.ID, c.Request)}
	o.Status, o.Reason = s.try(sub, c, r)
	switch {
	case o.Status != cable.StatusOK:
		sub.stuck = c.Request
	case sub.stuck == c.Request:
		sub.stuck = ""
	}
	if r.at.Epoch != "" {
		o.Stream, o.Epoch, o.Offset = sub.followers[0].group.form.stream, r.at.Epoch, r.at.Offset
	}
	_ = sub.push(cable.AppendOutcome(nil, o)) // unless it has ended meanwhile, and with it who waits
}

// try passes a message on, unless something stands against that, and says what became
// of it. What stands behind one that was not taken is not served either: it would be
// stored before that one, should that be sent again. So also behind one that was
// refused: if the client does not get that answer, it does send it again, and the answer
// may be another one then.
func (s *session) try(sub *Subscriber, c *cable.Command, r *request) (cable.Status, string) {
	data := json.RawMessage(c.Text)
	switch {
	case c.Behind != "" && c.Behind == sub.stuck:
		return cable.StatusUnavailable, cable.UnavailableBehind
	case requestPatience-s.backlog.waited < requestLeast, !s.rate.take():
		s.hub.count(CountLimited, 1)
		return cable.StatusUnavailable, cable.UnavailableTooFast
	case sub.channel.Message == nil:
		return cable.StatusRefused, cable.RefusedUnsupported
	case s.id.ID == "" && len(c.Request) < anonymousRequest:
		return cable.StatusRefused, cable.RefusedInvalid
	}
	if err := s.hub.checkData(data); err != nil {
		return refusal(err)
	}
	ctx, cancel := context.WithTimeout(context.WithValue(s.ctx, requestKey{}, r), requestPatience-s.backlog.waited)
	defer cancel()
	if err := s.deliver(ctx, sub, data); err != nil {
		return refusal(err)
	}
	return cable.StatusOK, ""
}

// refusal says in the protocol's words why a message was not served: errors may tell
// what is none of the client's business.
func refusal(err error) (cable.Status, string) {
	var limit *LimitError
	var data *DataError
	switch {
	case unavailable(err):
		return cable.StatusUnavailable, cable.UnavailableOutage
	case errors.Is(err, ErrDenied):
		return cable.StatusRefused, cable.RefusedDenied
	case errors.As(err, &limit):
		return cable.StatusRefused, cable.RefusedTooLarge
	case errors.As(err, &data):
		return cable.StatusRefused, cable.RefusedInvalid
	default:
		return cable.StatusRefused, cable.RefusedFailed
	}
}

// unavailable reports whether what has failed may succeed later.
func unavailable(err error) bool {
	return errors.Is(err, ErrUnavailable) || errors.Is(err, ErrClosed) || errors.Is(err, context.DeadlineExceeded)
}
