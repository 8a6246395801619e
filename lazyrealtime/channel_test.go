package lazyrealtime_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/enginetest"
)

// calls notes what a channel is called for.
type calls struct {
	mu   sync.Mutex
	list []string
}

func (c *calls) add(format string, a ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, fmt.Sprintf(format, a...))
}

func (c *calls) want(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Equal(c.list, want) {
		t.Errorf("called %q, want %q", c.list, want)
	}
	c.list = nil
}

// channel follows the topics that are named, and says what it is called for.
func (c *calls) channel() lazyrealtime.Channel {
	return lazyrealtime.Channel{
		Subscribe: func(_ context.Context, s *lazyrealtime.Subscriber) error {
			c.add("subscribe %s", s.Identity().ID)
			if err := s.Param("error"); err != "" {
				return errors.New(err)
			}
			for topic := range strings.FieldsSeq(s.Param("topics")) {
				if err := s.Follow(topic); err != nil {
					return err
				}
			}
			return nil
		},
		Message: func(_ context.Context, s *lazyrealtime.Subscriber, action string, data json.RawMessage) error {
			c.add("message %s %s", action, data)
			if action == "echo" {
				return s.Send(data)
			}
			return errors.New("of " + s.Identifier())
		},
		Unsubscribe: func(s *lazyrealtime.Subscriber) { c.add("unsubscribe %s", s.Param("topics")) },
		Whisper:     true,
	}
}

func TestChannel(t *testing.T) {
	var calls calls
	config := lazyrealtime.Config{Authenticate: asked, Authorize: allow, Channels: map[string]lazyrealtime.Channel{
		"C": calls.channel(), "Nothing": {}, "Bare": {Subscribe: func(context.Context, *lazyrealtime.Subscriber) error { return nil }},
	}}
	const id, bare = `{"channel":"C","topics":"room hall room"}`, `{"channel":"Bare"}`
	protocols(t, config, func(w *world, protocol string) {
		c := w.join("a", protocol)
		c.send(command("subscribe", id, ""))
		c.want(answer("confirm_subscription", id))
		if protocol == extended { // where it stands in each
			c.want(w.answerAt("confirm_history", id, "room", 0), w.answerAt("confirm_history", id, "hall", 0))
		}
		calls.want(w.t, "subscribe a")
		for _, topic := range []string{"room", "hall", "cellar"} {
			if err := w.hub.Broadcast(w.t.Context(), topic, []byte(`"to `+topic+`"`)); err != nil {
				w.t.Fatal(err)
			}
		}
		c.want(plain(id, `"to room"`), plain(id, `"to hall"`)) // and room once
		c.send(command("message", id, `,"data":"{\"action\":\"echo\",\"n\":1}"`))
		c.want(plain(id, `{"action":"echo","n":1}`))
		c.send(command("message", id, `,"data":"[1]"`))
		c.send(command("message", id, `,"data":"{\"action\":5}"`))
		c.send(command("message", id, `,"data":"{\"action\":\"a\",\"Action\":\"b\"}"`))
		calls.want(w.t, `message echo {"action":"echo","n":1}`, `message  [1]`, `message  {"action":5}`, `message a {"action":"a","Action":"b"}`)
		c.send(command("subscribe", bare, ""))
		c.want(answer("confirm_subscription", bare))
		for _, name := range []string{"message", "whisper", "history", "leave"} {
			c.send(command(name, bare, `,"data":"{}"`)) // for which it has nothing
		}
		if protocol == extended {
			c.want(answer("confirm_history", bare))
		}
		c.wantNothing()
		c.send(command("unsubscribe", id, ""))
		c.send(command("unsubscribe", id, ""))
		calls.want(w.t, "unsubscribe room hall room")
		c.send(command("message", id, `,"data":"{}"`))
		c.subscribe(id)
		calls.want(w.t, "subscribe a")
		_ = c.conn.Close()
		calls.want(w.t, "unsubscribe room hall room")
		w.wantStats(0, 0)
	})
}

func TestChannelRejects(t *testing.T) {
	var calls calls
	var l logged
	config := lazyrealtime.Config{
		Authenticate: asked, Logger: l.logger(), Limits: lazyrealtime.Limits{PublishesPerSecond: -1},
		Channels: map[string]lazyrealtime.Channel{"C": calls.channel(), "Nothing": {}},
	}
	many := ""
	for i := range 101 {
		many += fmt.Sprint(" ", i)
	}
	protocols(t, config, func(w *world, protocol string) {
		c := w.join("a", protocol)
		for _, id := range []string{
			`{"channel":"Nothing"}`, `{"channel":"c"}`, `{"channel":"C","error":"no room"}`, `{"channel":"C","topics":"a` + "\u0080" + `"}`,
			`{"channel":"C","topics":"room ` + strings.Repeat("x", 256) + `"}`, `{"channel":"C","topics":"` + many + `"}`,
		} {
			c.send(command("subscribe", id, ""))
			c.want(answer("reject_subscription", id))
		}
		synctest.Wait()
		calls.list = nil
		if !strings.Contains(l.String(), "no room") {
			w.t.Errorf("the log says nothing: %s", &l)
		}
		// An engine that cannot follow is no rejection, which would be final, and the
		// channel hears of the end of what it had accepted.
		w.log.Fail(enginetest.OpFollow)
		c.send(command("subscribe", `{"channel":"C","topics":"room"}`, ""))
		c.wantClose(restart, 1013)
		calls.want(w.t, "subscribe a", "unsubscribe room")
		w.log.Before(nil)
		w.wantStats(0, 0)
		if n := w.hub.Stats().Topics; n != 0 {
			w.t.Errorf("%d topics are left", n)
		}
	})
}

// What the application keeps of a subscription is safe to use at any time.
func TestChannelSubscriber(t *testing.T) {
	kept := make(chan *lazyrealtime.Subscriber, 1)
	config := lazyrealtime.Config{Authenticate: asked, Channels: map[string]lazyrealtime.Channel{"C": {
		Subscribe: func(_ context.Context, s *lazyrealtime.Subscriber) error {
			kept <- s
			go func() {
				for range 100 {
					_ = s.Param("a") // while the subscription starts
				}
			}()
			return s.Follow("room")
		},
	}}}
	const id = `{"channel":"C","a":"text","b":[1, 2],"c":null,"d":{"e":"\u00e9"}}`
	modes(t, config, func(w *world) {
		c := w.join("a", base)
		c.subscribe(id)
		s := <-kept
		for name, want := range map[string]string{"a": "text", "b": "[1, 2]", "c": "", "d": `{"e":"\u00e9"}`, "channel": "C", "z": ""} {
			if got := s.Param(name); got != want {
				w.t.Errorf("the parameter %s is %s", name, got)
			}
		}
		if s.Identifier() != id || s.Identity().ID != "a" || s.Hub() != w.hub {
			w.t.Error("it is another subscription")
		}
		if err := s.Follow("late"); err == nil {
			w.t.Error("Follow is accepted when it is too late")
		}
		for _, wrong := range []string{"", "null", "0", "{", `"` + strings.Repeat("x", 64<<10) + `"`} {
			if err := s.Send([]byte(wrong)); err == nil {
				w.t.Errorf("Send takes %.20s", wrong)
			}
		}
		other := w.join("b", base)
		other.subscribe(id)
		<-kept
		if err := s.Send([]byte(`"to a"`)); err != nil {
			w.t.Error(err)
		}
		c.want(plain(id, `"to a"`))
		other.wantNothing()
		c.send(command("unsubscribe", id, ""))
		synctest.Wait()
		_ = s.Send([]byte(`"late"`))
		c.wantNothing()
	})
}

// A connection's messages are served one at a time, in order, whoever else waits.
func TestChannelMessagesInOrder(t *testing.T) {
	var at, most atomic.Int32
	var order []int
	config := lazyrealtime.Config{Authenticate: asked, Channels: map[string]lazyrealtime.Channel{"C": {
		Subscribe: func(context.Context, *lazyrealtime.Subscriber) error { return nil },
		Message: func(_ context.Context, _ *lazyrealtime.Subscriber, _ string, data json.RawMessage) error {
			most.Store(max(most.Load(), at.Add(1)))
			defer at.Add(-1)
			time.Sleep(time.Millisecond)
			var n int
			_ = json.Unmarshal(data, &n)
			order = append(order, n)
			return nil
		},
	}}}
	modes(t, config, func(w *world) {
		order = nil
		c := w.join("a", base)
		c.subscribe(`{"channel":"C"}`)
		for n := 1; n <= 100; n++ {
			c.send(command("message", `{"channel":"C"}`, fmt.Sprintf(`,"data":"%d"`, n)))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if most.Load() != 1 || len(order) != 100 || !slices.IsSorted(order) {
			w.t.Errorf("%d at once; %v", most.Load(), order)
		}
	})
}
