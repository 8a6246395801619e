package lazyrealtime

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golazy.dev/lazyrealtime/cable"
	"golazy.dev/lazywebsocket"
)

// ErrTokenExpired is wrapped by what Config.Authenticate returns for a credential
// that has ended: clients are told so, and fetch another.
var ErrTokenExpired = errors.New("lazyrealtime: the token has expired")

// TokenOf returns the token that a client sends with its request: as subprotocol
// "anycable-token.TOKEN", parameter "jid", header "X-JID", or bearer token; "" if
// it sends none.
func TokenOf(r *http.Request) string {
	if _, token := cable.Negotiate(lazywebsocket.Subprotocols(r)); token != "" {
		return token
	}
	if token := r.URL.Query().Get("jid"); token != "" {
		return token
	}
	if token := r.Header.Get("X-Jid"); token != "" {
		return token
	}
	return bearerToken(r)
}

// bearerToken returns the token of an Authorization header, "" if there is none.
func bearerToken(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// authenticate says who makes a request, and since when that is known.
func (h *Hub) authenticate(r *http.Request) (id Identity, err error) {
	now := time.Now()
	switch ticket, ok := strings.CutPrefix(TokenOf(r), ticketPrefix); {
	case ok:
		id, err = h.redeem(r.Context(), ticket)
	case h.config.Authenticate != nil:
		id, err = h.config.Authenticate(r)
	}
	if err != nil {
		return Identity{}, err
	}
	id.Issued = issuedUntil(now, id)
	return id, h.Check(id)
}

// issuedUntil returns when a credential was issued that is presented now. What is revoked
// from now on is void, also if nobody says when that was, or by a clock that is ahead.
func issuedUntil(now time.Time, id Identity) time.Time {
	if id.Issued.IsZero() || id.Issued.After(now) {
		return now
	}
	return id.Issued
}

// Check says whether a credential is void: the error wraps ErrDenied if the
// identity was revoked since it was issued, and ErrTokenExpired if it has expired, or
// is older than Config.CredentialLife.
// A hub asks it for every connection; pages ask it for their visitors' cookies.
func (h *Hub) Check(id Identity) error {
	now := time.Now()
	if !id.Expires.IsZero() && !id.Expires.After(now) {
		return ErrTokenExpired
	}
	if id.Issued.IsZero() {
		id.Issued = now
	}
	if h.revoked.voids(id) {
		return fmt.Errorf("%w: the credential was revoked", ErrDenied)
	}
	return h.tooOld(id, now)
}

// tooOld refuses a credential that may be older than a revocation is remembered:
// nobody knows any more whether it was revoked. Where nobody knows when it was issued,
// its end has to be near enough.
func (h *Hub) tooOld(id Identity, now time.Time) error {
	life := or(h.config.CredentialLife, defaultCredentialLife)
	switch {
	case id.ID == "" || id.Issued.Add(life).After(now):
		return nil
	case id.Issued.After(time.Unix(0, 0)):
		return fmt.Errorf("%w: it is older than Config.CredentialLife, %v", ErrTokenExpired, life)
	case id.Expires.IsZero() || id.Expires.Sub(now) > life:
		return fmt.Errorf("%w: the credential may live longer than Config.CredentialLife, %v", ErrDenied, life)
	}
	return nil
}

// authorize asks the application; without one the answer is no.
func (h *Hub) authorize(ctx context.Context, id Identity, op Op, topic string) error {
	if h.config.Authorize == nil {
		return fmt.Errorf("%w: %s: there is no Config.Authorize", ErrDenied, op)
	}
	if err := h.config.Authorize(ctx, id, op, topic); err != nil {
		if errors.Is(err, ErrDenied) {
			return err
		}
		h.logger.Info("an operation was denied", "operation", op.String(), "topic", topic, "identity", id.ID, "error", err)
		return fmt.Errorf("%w: %s: %w", ErrDenied, op, err)
	}
	return nil
}

// checkTopic says what is wrong with a topic's name.
func (h *Hub) checkTopic(topic string) error {
	most := limitOf(h.config.Limits.TopicBytes, maxTopicBytes)
	if most < 0 || most > maxTopicBytes {
		most = maxTopicBytes
	}
	switch {
	case topic == "":
		return fmt.Errorf("%w must not be empty", errTopic)
	case len(topic) > most:
		return &LimitError{"TopicBytes", most}
	case !utf8.ValidString(topic) || strings.ContainsFunc(topic, unicode.IsControl):
		return fmt.Errorf("%w must be UTF-8 without control characters", errTopic)
	}
	return nil
}

var errTopic = errors.New("lazyrealtime: a topic")

const maxTopicBytes = 255

// within checks n against a field of Limits, and counts what is beyond it.
func (h *Hub) within(field string, v, def, n int) error {
	most := limitOf(v, def)
	if most < 0 || n <= most {
		return nil
	}
	h.count(CountLimited, 1)
	return &LimitError{field, most}
}

// limitOf returns the default for a zero limit; negative is none.
func limitOf(v, def int) int {
	if v == 0 {
		return def
	}
	return v
}

// ticketPrefix begins the tokens that Ticket makes.
const ticketPrefix = "ticket."

const ticketLife = 30 * time.Second

// ticket is an Identity on its way.
type ticket struct {
	ID      string    `json:"i"`
	Issued  time.Time `json:"a"`
	Expires time.Time `json:"e,omitzero"`
	Info    []byte    `json:"d,omitempty"`
	Until   int64     `json:"x"`
	Nonce   string    `json:"n"`
}

// Ticket returns a token that stands for an identity for one connection within 30
// seconds: for pages of other origins, whose cookies do not come along. Clients
// send it as any token (see TokenOf). The identity's Value does not come with it.
func (h *Hub) Ticket(_ context.Context, id Identity) (string, error) {
	now := time.Now()
	id.Issued = issuedUntil(now, id)
	if err := h.Check(id); err != nil {
		return "", err
	}
	return ticketPrefix + seal(h.keys.ticket, ticket{
		ID: id.ID, Issued: id.Issued, Expires: id.Expires, Info: id.Info,
		Until: now.Add(ticketLife).Unix(), Nonce: nonce(),
	}), nil
}

// redeem uses a ticket up.
func (h *Hub) redeem(ctx context.Context, sealed string) (Identity, error) {
	var t ticket
	if err := unseal(h.keys.ticket, sealed, &t); err != nil {
		return Identity{}, err
	}
	if time.Now().Unix() >= t.Until {
		return Identity{}, fmt.Errorf("%w: the ticket has expired", ErrTokenExpired)
	}
	first, err := h.log.Claim(ctx, "ticket/"+t.Nonce, time.Unix(t.Until, 0).Add(time.Minute))
	if err != nil {
		return Identity{}, err
	}
	if !first {
		return Identity{}, fmt.Errorf("%w: the ticket was used before", ErrTokenExpired)
	}
	return Identity{ID: t.ID, Issued: t.Issued, Expires: t.Expires, Info: t.Info}, nil
}
