package lazyrealtime_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"golazy.dev/lazyrealtime"
)

// A client that asks for what it may not have, or for nonsense, a hundred times a second,
// does not write the operator's log.
func TestAttackLog(t *testing.T) {
	long := strings.Repeat("x", 1900)
	room := `{"channel":"$pubsub","stream_name":"room","x":"` + long + `"}`
	config := identified
	config.Channels = map[string]lazyrealtime.Channel{"Broken": {Subscribe: func(context.Context, *lazyrealtime.Subscriber) error {
		return errors.New("something of the application's is broken")
	}}}
	config.Authorize = func(_ context.Context, _ lazyrealtime.Identity, op lazyrealtime.Op, _ string) error {
		if op == lazyrealtime.OpSubscribe {
			return nil
		}
		return lazyrealtime.ErrDenied
	}
	config.Limits.Members = 1
	for name, tc := range map[string]struct {
		frame string
		want  int // lines, of any number of attempts
	}{
		"publish":          {command("message", room, `,"data":"1"`), 0},
		"publish, asking":  {ask(room, "1", "", "1"), 0},
		"publish nonsense": {ask(room, "1", "", "{"), 0},
		"whisper":          {command("whisper", room, `,"data":1`), 0},
		"presence":         {command("join", room, ""), 0},
		"no JSON":          {command("subscribe", strings.Repeat("x\n", 900), ""), 0},
		"a long name":      {command("subscribe", long+long, ""), 0},
		"no topic":         {command("subscribe", `{"channel":"$pubsub","stream_name":"\u0001"}`, ""), 0},
		"a long topic":     {command("subscribe", `{"channel":"$pubsub","stream_name":"`+long+`"}`, ""), 0},
		"no channel":       {command("subscribe", `{"channel":"`+long+`"}`, ""), 0},
		"no signature":     {command("subscribe", `{"channel":"$pubsub","signed_stream_name":"`+long+`"}`, ""), 0},
		"no command":       {`{"command":"` + long + `"}`, 0},
		"a broken channel": {command("subscribe", `{"channel":"Broken"}`, ""), 150}, // which is the operator's business
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			config := config
			config.Logger = slog.New(slog.NewTextHandler(&log, nil))
			within(t, config, func(w *world) {
				c := w.join("a", extended)
				c.subscribe(room)
				go func() {
					for range 150 {
						c.send(tc.frame)
					}
				}()
				ctx, cancel := context.WithTimeout(w.t.Context(), 5*time.Second)
				defer cancel()
				for ctx.Err() == nil {
					_, _, _ = c.conn.ReadMessageContext(ctx)
				}
				w.wantStats(1, 1)
			})
			if n := strings.Count(log.String(), "\n"); n != tc.want {
				t.Errorf("%d lines, want %d: %.300s", n, tc.want, fmt.Sprint(&log))
			}
		})
	}
}
