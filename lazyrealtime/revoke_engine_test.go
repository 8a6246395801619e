package lazyrealtime_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/enginetest"
	"golazy.dev/lazyrealtime/memory"
	"golazy.dev/lazywebsocket"
)

func TestRevokeUnheard(t *testing.T) {
	for _, within := range []time.Duration{0, time.Second, time.Minute} {
		config := revocable
		config.RevokeWithin = within
		withDeaf(t, deaf{changes: true}, config, func(w *world) {
			second := open(w.t, config, w.log)
			defer second.close()
			for range 5 {
				c := second.script("/cable?id=a", base)
				time.Sleep(1234 * time.Millisecond)
				start := time.Now()
				w.revoke("a")
				for {
					first, payload := c.Next()
					if first&0xf == 9 { // ping
						c.Pong(string(payload))
					}
					if string(payload) == remote {
						break
					}
				}
				if took, most := time.Since(start), max(within, 1); took > most && within > 0 || took > 10*time.Second && within == 0 {
					w.t.Errorf("within %v: %v", within, took)
				}
				c.Conn.Close()
			}
		})
	}
}

func TestRevokeUnheardAndLoggedInAgain(t *testing.T) {
	withDeaf(t, deaf{changes: true}, revocable, func(w *world) {
		second := open(w.t, revocable, w.log)
		defer second.close()
		before := second.join("a", base)
		time.Sleep(time.Millisecond)
		w.revoke("a")
		time.Sleep(time.Millisecond)
		behind := second.join("a", base)
		before.wantClose(remote, 1008)
		behind.wantNothing()
		second.wantStats(1, 0)
	})
}

func TestRevokeSurvivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := revocable
		config.CredentialLife = time.Hour
		log := enginetest.NewFaulty(memory.Open())
		defer log.Close()
		w := open(t, config, log)
		time.Sleep(time.Second)
		w.revoke("a")
		w.close()
		for _, c := range []struct {
			sleep time.Duration
			age   string
			want  string
		}{
			{time.Second, "1s", unauthorized},
			{0, "999ms", welcome},
			{0, "2h", unauthorized},
			{59 * time.Minute, "2h", unauthorized},
			{time.Minute, "2h", tokenExpired}, // the revocation is forgotten, the credential does not come back to life
			{0, "59m59s", welcome},
		} {
			time.Sleep(c.sleep)
			w := open(t, config, log)
			w.dial("/cable?id=a&age="+c.age, base).want(c.want)
			w.close()
		}
		// And where a hub lives on.
		w = open(t, config, log)
		defer w.close()
		w.revoke("b")
		w.dial("/cable?id=b&age=1s", base).want(unauthorized)
		time.Sleep(time.Hour + 10*time.Second)
		w.dial("/cable?id=b&age=2h", base).want(tokenExpired)
		w.dial("/cable?id=b&age=1s", base).want(welcome)
	})
}

func TestRevokeUnreadable(t *testing.T) {
	const within = 10 * time.Second
	for _, hangs := range []bool{false, true} {
		for _, phase := range []time.Duration{0, 900 * time.Millisecond, 1700 * time.Millisecond} {
			t.Run(fmt.Sprint(hangs, phase), func(t *testing.T) {
				modes(t, revocable, func(w *world) { unreadable(w, hangs, phase, within) })
			})
		}
	}
}

func unreadable(w *world, hangs bool, phase, within time.Duration) {
	time.Sleep(phase)
	if err := w.log.Control(w.t.Context(), lazyrealtime.Record{Kind: "revoke", Key: "x", Value: "0"}); err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait() // the hub has read the log now
	known := time.Now()
	unblock := func() { w.log.Before(nil) }
	if hangs {
		unblock = w.log.Block(enginetest.OpControls)
	} else {
		w.log.Fail(enginetest.OpControls)
	}
	time.Sleep(1100 * time.Millisecond) // a record of which nothing can be known moves nothing
	if err := w.log.Control(w.t.Context(), lazyrealtime.Record{Kind: "revoke", Key: "x", Value: "0"}); err != nil {
		w.t.Fatal(err)
	}
	c, text := w.join("a", extended), w.dial("/stream?stream=room")
	anonymous := w.join("", base)
	events := w.request("GET", "/stream?stream=room", "")
	time.Sleep(time.Until(known.Add(within - time.Millisecond)))
	w.wantStats(4, 0)
	if err := w.hub.Ready(); err != nil {
		w.t.Errorf("not ready before its time: %v", err)
	}
	c.wantClose(restart, 1001)
	if took := time.Since(known); took > within+100*time.Millisecond {
		w.t.Errorf("closed after %v", took)
	}
	anonymous.wantClose(restart, 1001)
	if _, err := text.read(); !lazywebsocket.IsCloseError(err, 1001) {
		w.t.Errorf("a text stream: %v", err)
	}
	if _, err := io.ReadAll(events.Body); err != nil {
		w.t.Errorf("an event stream: %v", err)
	}
	w.wantStats(0, 0)
	if err := w.hub.Ready(); !errors.Is(err, lazyrealtime.ErrUnavailable) {
		w.t.Errorf("ready: %v", err)
	}
	p := w.net.Peer()
	p.Request("/cable", "Sec-WebSocket-Protocol: "+base)
	if resp := p.Response(); resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		w.t.Errorf("a WebSocket gets %s", resp.Status)
	}
	w.wantPutOff("/stream?stream=room")
	time.Sleep(time.Minute)
	unblock()
	time.Sleep(within / 2)
	if err := w.hub.Ready(); err != nil {
		w.t.Errorf("not ready again: %v", err)
	}
	w.join("a", base)
}

func TestRevokeFails(t *testing.T) {
	within(t, revocable, func(w *world) {
		c := w.join("a", base)
		if err := w.hub.Revoke(w.t.Context(), ""); err == nil {
			w.t.Error("nobody was revoked")
		}
		w.log.Fail(enginetest.OpControl)
		if err := w.hub.Revoke(w.t.Context(), "a"); !errors.Is(err, lazyrealtime.ErrUnavailable) {
			w.t.Errorf("without an engine: %v", err)
		}
		w.wantStats(1, 0)
		c.wantNothing()
		// An acknowledgement that is lost: it was done.
		w.log.Before(nil)
		w.log.After(func(_ context.Context, call enginetest.Call) error {
			if call.Op == enginetest.OpControl {
				return lazyrealtime.ErrUnavailable
			}
			return nil
		})
		if err := w.hub.Revoke(w.t.Context(), "a"); !errors.Is(err, lazyrealtime.ErrUnavailable) {
			w.t.Errorf("got %v", err)
		}
		c.wantClose(remote, 1008)
	})
	// Revoke does not need to read.
	within(t, revocable, func(w *world) {
		c := w.join("a", base)
		w.log.Fail(enginetest.OpControls)
		w.revoke("a")
		c.wantClose(remote, 1008)
		w.log.Before(nil)
	})
	// Records of another kind are no revocations. One that is broken is: TestLaterControls.
	within(t, revocable, func(w *world) {
		c := w.join("a", base)
		later := time.Now().Add(time.Hour)
		for _, r := range []lazyrealtime.Record{
			{Kind: "other", Key: "a", Value: fmt.Sprint(later.UnixNano())},
			{Kind: "revoke", Value: fmt.Sprint(later.UnixNano())},
		} {
			r.Expires = later
			if err := w.log.Control(w.t.Context(), r); err != nil {
				w.t.Fatal(err)
			}
		}
		c.wantNothing()
		w.join("a", base)
		w.join("", base)
	})
}
