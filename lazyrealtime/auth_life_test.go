package lazyrealtime_test

import (
	"errors"
	"testing"
	"time"

	"golazy.dev/lazyrealtime"
)

// A revocation is forgotten after CredentialLife: what it voided must have ended by
// then, whatever the credential says of its own end.
func TestCredentialLife(t *testing.T) {
	const life, day = 31 * 24 * time.Hour, 24 * time.Hour
	epoch := time.Unix(0, 0) // of a token that does not say when it was issued
	within(t, lazyrealtime.Config{}, func(w *world) {
		now := time.Now()
		for name, c := range map[string]struct {
			id   lazyrealtime.Identity
			want error
		}{
			"young, without an end":     {lazyrealtime.Identity{ID: "a", Issued: now.Add(-life + 1)}, nil},
			"old, without an end":       {lazyrealtime.Identity{ID: "a", Issued: now.Add(-life)}, lazyrealtime.ErrTokenExpired},
			"old, with a late end":      {lazyrealtime.Identity{ID: "a", Issued: now.Add(-life), Expires: now.Add(day)}, lazyrealtime.ErrTokenExpired},
			"young, with a late end":    {lazyrealtime.Identity{ID: "a", Issued: now.Add(-day), Expires: now.Add(2 * life)}, nil},
			"checked now":               {lazyrealtime.Identity{ID: "a"}, nil},
			"anonymous":                 {lazyrealtime.Identity{Issued: now.Add(-2 * life)}, nil},
			"of any age, without end":   {lazyrealtime.Identity{ID: "a", Issued: epoch}, lazyrealtime.ErrDenied},
			"of any age, a late end":    {lazyrealtime.Identity{ID: "a", Issued: epoch, Expires: now.Add(life + 1)}, lazyrealtime.ErrDenied},
			"of any age, an early end":  {lazyrealtime.Identity{ID: "a", Issued: epoch, Expires: now.Add(life)}, nil},
			"of any age, and has ended": {lazyrealtime.Identity{ID: "a", Issued: epoch, Expires: now}, lazyrealtime.ErrTokenExpired},
		} {
			if err := w.hub.Check(c.id); !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", name, err, c.want)
			}
		}
	})
	within(t, lazyrealtime.Config{CredentialLife: 100 * 365 * day}, func(w *world) {
		for _, issued := range []time.Time{epoch, time.Now().Add(-10 * 365 * day)} {
			if err := w.hub.Check(lazyrealtime.Identity{ID: "a", Issued: issued}); err != nil {
				t.Errorf("issued %v, with a life of a hundred years: %v", issued, err)
			}
		}
	})
}

// A ticket is no way around it.
func TestCredentialLifeOfATicket(t *testing.T) {
	config := revocable
	config.CredentialLife = time.Hour
	within(t, config, func(w *world) {
		id := lazyrealtime.Identity{ID: "a", Issued: time.Now().Add(-time.Hour + 10*time.Second)}
		first, second := w.ticket(id), w.ticket(id)
		w.dial("/cable?jid="+first, base).want(welcome)
		time.Sleep(10 * time.Second)
		w.dial("/cable?jid="+second, base).wantClose(tokenExpired, 1008)
		if _, err := w.hub.Ticket(t.Context(), id); !errors.Is(err, lazyrealtime.ErrTokenExpired) {
			t.Errorf("a ticket for what has ended: %v", err)
		}
	})
}
