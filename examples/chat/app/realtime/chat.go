// Package realtime is the chat without its pages: rooms, what is said in them, and who may do what, on a hub of
// lazyrealtime. The log behind the hub keeps everything that the chat keeps; there is no other store.
//
// Two kinds of topics:
//
//   - "rooms": a message for each room that somebody has made.
//   - "room:lobby" and so on: what is said in a room. Beside it travel what is not stored (who types) and who is here.
package realtime

import (
	"cmp"
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"golazy.dev/examples/chat/app/session"
	"golazy.dev/lazyrealtime"
)

// Options say how the chat is run.
type Options struct {
	// Secret is what all keys are made of: 32 random bytes, the same on all nodes and after a restart.
	Secret []byte
	// PublishKey lets programs publish. If empty, it is made of the secret.
	PublishKey string
	// Passphrase opens the private room. If empty, it is made of the secret.
	Passphrase string
	// Drain is how long a stopping server takes to send its browsers away, so that they do not all come back at once. If
	// zero, 2 s. If negative, no time.
	Drain time.Duration
}

// Chat is the application. Its methods may be called concurrently.
type Chat struct {
	Hub      *lazyrealtime.Hub
	Sessions *session.Keeper

	publishKey string
	passphrase string
}

// Open starts the chat on a log, which stays the caller's to close.
func Open(ctx context.Context, log lazyrealtime.Log, options Options) (*Chat, error) {
	keys, err := derive(options.Secret)
	if err != nil {
		return nil, err
	}
	c := &Chat{
		Sessions:   session.NewKeeper(keys.session),
		publishKey: cmp.Or(options.PublishKey, keys.publish),
		passphrase: cmp.Or(options.Passphrase, keys.passphrase),
	}
	c.Hub, err = lazyrealtime.Open(ctx, lazyrealtime.Config{
		Log:            log,
		Secret:         keys.hub,
		PublishKey:     c.publishKey,
		Authenticate:   c.authenticate,
		Authorize:      c.Authorize,
		Retain:         retain,
		CredentialLife: session.Life,
		Drain:          cmp.Or(options.Drain, 2*time.Second),
	})
	return c, err
}

// PublishKey is what programs send to /_broadcast.
func (c *Chat) PublishKey() string { return c.publishKey }

// Passphrase opens the private room.
func (c *Chat) Passphrase() string { return c.passphrase }

// OpensDoor reports whether somebody knows the passphrase. It takes the same time for all wrong ones.
func (c *Chat) OpensDoor(passphrase string) bool {
	given, want := sha256.Sum256([]byte(strings.TrimSpace(passphrase))), sha256.Sum256([]byte(c.passphrase))
	return hmac.Equal(given[:], want[:])
}

// LogOut ends a session wherever it is open: pages are refused and sockets close, on all nodes.
func (c *Chat) LogOut(ctx context.Context, s session.Session) error { return c.Hub.Revoke(ctx, s.ID) }

// Check reports whether a session is still good: it was not revoked.
func (c *Chat) Check(s session.Session) error { return c.Hub.Check(Identity(s)) }

// Identity is what the hub knows a session as.
func Identity(s session.Session) lazyrealtime.Identity {
	info, _ := json.Marshal(Person{Name: s.Name, Hue: Hue(s.ID)}) // a string and a number: it cannot fail
	return lazyrealtime.Identity{ID: s.ID, Issued: s.Issued(), Expires: s.Expires(), Info: info, Value: s}
}

// authenticate says whose browser opens a socket. The cookie comes by itself, and the hub's upgrader has refused pages of
// other origins.
func (c *Chat) authenticate(r *http.Request) (lazyrealtime.Identity, error) {
	s, err := c.Sessions.Read(r)
	if err != nil {
		return lazyrealtime.Identity{}, err
	}
	return Identity(s), nil
}

// Authorize says what a session may do with a topic.
func (c *Chat) Authorize(_ context.Context, id lazyrealtime.Identity, op lazyrealtime.Op, topic string) error {
	s, ok := id.Value.(session.Session)
	if !ok {
		return fmt.Errorf("%w: not logged in", lazyrealtime.ErrDenied)
	}
	if op == lazyrealtime.OpPublish {
		return fmt.Errorf("%w: what is said goes through the page, which knows who says it", lazyrealtime.ErrDenied)
	}
	if topic == roomsTopic && (op == lazyrealtime.OpSubscribe || op == lazyrealtime.OpReplay) {
		return nil
	}
	slug, ok := strings.CutPrefix(topic, roomPrefix)
	if !ok || !mayEnter(s, slug) {
		return fmt.Errorf("%w: %s", lazyrealtime.ErrDenied, topic)
	}
	return nil
}

// Kept is the most that is kept of any topic, for engines that want to know: rooms for ever.
var Kept = lazyrealtime.Retention{Messages: 1000, Age: 100 * 365 * 24 * time.Hour}

// retain says how much is kept: rooms for ever, and what was said in one for a month.
func retain(topic string) lazyrealtime.Retention {
	if topic == roomsTopic {
		return Kept
	}
	return lazyrealtime.Retention{Messages: Kept.Messages, Age: 30 * 24 * time.Hour}
}

// Stream is what a page needs to follow a topic from where it was rendered.
type Stream struct {
	Name     string // signed for one session
	Position string // signed, too
}

// follow signs a topic for a session, which must be allowed to subscribe, from a position on.
func (c *Chat) follow(ctx context.Context, s session.Session, topic string, from lazyrealtime.Position) (Stream, error) {
	name, _, err := c.Hub.SignedName(ctx, Identity(s), topic)
	if err != nil {
		return Stream{}, err
	}
	return Stream{Name: name, Position: c.Hub.SignPosition(topic, from)}, nil
}

// keys are what is made of the one secret, so that a node needs no other and a restart voids nothing.
type keys struct {
	session, hub        []byte
	publish, passphrase string
}

func derive(secret []byte) (k keys, err error) {
	make32 := func(purpose string) []byte {
		key, derr := hkdf.Key(sha256.New, secret, nil, "chat "+purpose, 32)
		if derr != nil {
			err = derr
		}
		return key
	}
	if len(secret) < 32 {
		return keys{}, fmt.Errorf("the secret has %d bytes, fewer than 32", len(secret))
	}
	k = keys{
		session:    make32("session"),
		hub:        make32("hub"),
		publish:    words(make32("publish"), 1, 32),
		passphrase: words(make32("passphrase"), 4, 4),
	}
	return k, err
}

// words spells a key as n groups of so many letters and digits, five bits each.
func words(key []byte, n, length int) string {
	text := strings.ToLower(base32.StdEncoding.EncodeToString(key))
	groups := make([]string, n)
	for i := range groups {
		groups[i] = text[i*length : (i+1)*length]
	}
	return strings.Join(groups, "-")
}
