package lazyrealtime_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/enginetest"
)

// ask is a message whose sender wants an answer. Behind is the request before it, if
// that is unanswered.
func ask(identifier, request, behind, data string) string {
	members := `,"data":` + quoted(data) + `,"request":` + quoted(request)
	if behind != "" {
		members += `,"behind":` + quoted(behind)
	}
	return command("message", identifier, members)
}

// told is the answer that names no position.
func told(identifier, request, status, reason string) string {
	frame := `{"type":"reply","identifier":` + echoed(identifier) + `,"request":` + quoted(request) + `,"status":` + quoted(status)
	if reason != "" {
		frame += `,"reason":` + quoted(reason)
	}
	return frame + `}`
}

// toldAt is the answer to what is in the room at an offset.
func (w *world) toldAt(request string, offset uint64) string {
	return fmt.Sprintf(`%s,"stream_id":%q,"epoch":%q,"offset":%d}`,
		strings.TrimSuffix(told(roomID, request, "ok", ""), "}"), streamOf("room", roomID), w.epoch(), offset)
}

// wantLog fails if the room holds anything else.
func (w *world) wantLog(want ...string) {
	w.t.Helper()
	page, err := w.log.Read(w.t.Context(), "room", lazyrealtime.Position{}, 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	var got []string
	for _, m := range page.Messages {
		got = append(got, string(m.Data))
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		w.t.Errorf("the log holds %v, want %v", got, want)
	}
}

// asker is a client with a subscription whose messages do not come: only answers do.
func (w *world) asker(id string) *client {
	w.t.Helper()
	w.log.OnLive(func(*lazyrealtime.Message, uint64) enginetest.Fate { return enginetest.Drop })
	c := w.join(id, extended)
	c.subscribe(roomID)
	return c
}

// A request that is repeated has one answer, over any connection, and one message.
func TestRequest(t *testing.T) {
	modes(t, identified, func(w *world) {
		other := w.join("other", extended)
		other.subscribe(roomID)
		c := w.join("a", extended)
		c.subscribe(roomID)
		c.send(ask(roomID, "1", "", `"x"`))
		stored := w.stored(roomID, "room", `"x"`, 1)
		c.want(stored, w.toldAt("1", 1))
		c.send(ask(roomID, "1", "", `"x"`))
		c.want(w.toldAt("1", 1))
		_ = c.conn.Close()
		c = w.join("a", extended)
		c.subscribe(roomID)
		c.send(ask(roomID, "1", "", `"x"`))
		c.want(w.toldAt("1", 1))
		c.send(ask(roomID, "2", "1", `"x"`))
		c.want(w.stored(roomID, "room", `"x"`, 2), w.toldAt("2", 2))
		c.send(command("message", roomID, `,"data":"\"y\"","behind":"1"`))
		c.want(w.stored(roomID, "room", `"y"`, 3))
		c.wantNothing()
		other.want(stored, w.stored(roomID, "room", `"x"`, 2), w.stored(roomID, "room", `"y"`, 3))
		other.wantNothing()
	})
}

// A base client gets nothing new, and its message is one among others.
func TestRequestOfBaseClient(t *testing.T) {
	modes(t, identified, func(w *world) {
		c := w.join("a", base)
		c.subscribe(roomID)
		for range 2 {
			c.send(ask(roomID, "1", "", `"x"`))
			c.want(plain(roomID, `"x"`))
		}
		c.send(ask(lobby, "1", "", `"x"`))
		c.wantNothing()
		c.send(ask(roomID, "2", "", `{`))
		c.wantClose(invalid, 1008)
		w.wantLog(`"x"`, `"x"`)
	})
}

// Nobody can take the id of another's message, whatever the names are.
func TestRequestOfOthers(t *testing.T) {
	within(t, identified, func(w *world) {
		for i, who := range [][2]string{{"a", "12"}, {"a1", "2"}, {"b", "12"}, {"a12", "x"}, {"1", "12"}, {"11", "2"}, {"", strings.Repeat("r", 22)}} {
			c := w.asker(who[0])
			c.send(ask(roomID, who[1], "", `1`))
			c.want(w.toldAt(who[1], uint64(i)+1))
		}
		w.publish("room", `1`, lazyrealtime.MessageID("12"))
		w.wantLog("1", "1", "1", "1", "1", "1", "1", "1")
		// The anonymous have a name in common, which only chance keeps apart: what could
		// be guessed is refused.
		c := w.asker("")
		c.send(ask(roomID, strings.Repeat("r", 21), "", `1`))
		c.want(told(roomID, strings.Repeat("r", 21), "refused", "invalid"))
	})
}

// What is refused is refused for good, in a word that says no more than it must.
func TestRequestRefused(t *testing.T) {
	config := identified
	config.Authorize = func(_ context.Context, id lazyrealtime.Identity, op lazyrealtime.Op, _ string) error {
		switch {
		case op != lazyrealtime.OpPublish || id.ID == "a":
			return nil
		case id.ID == "down":
			return fmt.Errorf("SECRET: %w", lazyrealtime.ErrUnavailable)
		}
		return errors.New("SECRET")
	}
	config.Channels = map[string]lazyrealtime.Channel{"C": requested(nil), "Mute": {Subscribe: requested(nil).Subscribe}}
	const c, mute = `{"channel":"C"}`, `{"channel":"Mute"}`
	modes(t, config, func(w *world) {
		a, b, down := w.asker("a"), w.asker("b"), w.asker("down")
		a.subscribe(c)
		a.subscribe(mute)
		for _, test := range []struct {
			client *client
			frame  string
			want   string
		}{
			{b, ask(roomID, "1", "", `1`), told(roomID, "1", "refused", "denied")},
			{down, ask(roomID, "1", "", `1`), told(roomID, "1", "unavailable", "outage")},
			{a, ask(roomID, "1", "", `{`), told(roomID, "1", "refused", "invalid")},
			{a, ask(roomID, "2", "", ``), told(roomID, "2", "refused", "invalid")},
			{a, ask(roomID, "3", "", `null`), told(roomID, "3", "refused", "invalid")},
			{a, ask(roomID, "4", "", `"`+strings.Repeat("x", 64<<10)+`"`), told(roomID, "4", "refused", "too_large")},
			{a, ask(lobby, "5", "", `1`), told(lobby, "5", "refused", "no_subscription")},
			{a, ask("[]", "6", "", `1`), told("[]", "6", "refused", "no_subscription")},
			{a, ask(mute, "7", "", `1`), told(mute, "7", "refused", "unsupported")},
			{a, ask(c, "8", "", `{"action":"denied"}`), told(c, "8", "refused", "denied")},
			{a, ask(c, "9", "", `{"action":"other"}`), told(c, "9", "refused", "failed")},
			{a, ask(c, "10", "", `{"action":"limit"}`), told(c, "10", "refused", "too_large")},
			{a, ask(c, "11", "", `{"action":"data"}`), told(c, "11", "refused", "invalid")},
			{a, ask(c, "12", "", `{"action":"log"}`), told(c, "12", "unavailable", "outage")},
			{a, ask(c, "13", "", `{"action":"closed"}`), told(c, "13", "unavailable", "outage")},
			{a, ask(c, "14", "", `{"action":"slow"}`), told(c, "14", "unavailable", "outage")},
			{a, ask(c, "15", "", `{"action":"fine"}`), told(c, "15", "ok", "")},
			{a, ask(roomID, "1", "", `1`), w.toldAt("1", 1)},
		} {
			test.client.send(test.frame)
			test.client.want(test.want)
			test.client.idle(time.Second)
		}
		a.wantNothing()
		w.wantLog("1")
	})
}

// requested is a channel that answers as it is asked to, and notes what ids it is given.
func requested(ids *[]string) lazyrealtime.Channel {
	return lazyrealtime.Channel{
		Subscribe: func(context.Context, *lazyrealtime.Subscriber) error { return nil },
		Message: func(ctx context.Context, s *lazyrealtime.Subscriber, action string, data json.RawMessage) error {
			if ids != nil {
				*ids = append(*ids, lazyrealtime.RequestID(ctx))
				_, err := s.Hub().Publish(ctx, "room", data, lazyrealtime.MessageID(lazyrealtime.RequestID(ctx)))
				return err
			}
			switch action {
			case "denied":
				return fmt.Errorf("%w: SECRET", lazyrealtime.ErrDenied)
			case "limit":
				return fmt.Errorf("SECRET: %w", &lazyrealtime.LimitError{Limit: "SECRET", Value: 1})
			case "data":
				return &lazyrealtime.DataError{Reason: "SECRET"}
			case "log":
				return fmt.Errorf("SECRET: %w: %w", lazyrealtime.ErrUnavailable, lazyrealtime.ErrDenied)
			case "closed":
				return lazyrealtime.ErrClosed
			case "slow":
				<-ctx.Done()
				return ctx.Err()
			case "fine":
				return nil
			}
			return errors.New("SECRET")
		},
	}
}

// A channel learns the id, and what it publishes with that it publishes once.
func TestRequestID(t *testing.T) {
	var ids []string
	config := identified
	config.Channels = map[string]lazyrealtime.Channel{"C": requested(&ids)}
	const id = `{"channel":"C"}`
	modes(t, config, func(w *world) {
		ids = nil
		for _, who := range []string{"a", "a", "b"} {
			c := w.join(who, extended)
			c.subscribe(id)
			c.send(ask(id, "1", "", `1`))
			c.want(told(id, "1", "ok", ""))
			_ = c.conn.Close()
		}
		c := w.join("a", extended)
		c.subscribe(id)
		for range 2 {
			c.send(command("message", id, `,"data":"2"`))
		}
		c.wantNothing()
		w.wantLog("1", "1", "2", "2")
		if len(ids) != 5 || ids[0] != ids[1] || ids[0] == ids[2] || len(ids[0]) < 40 || ids[3]+ids[4] != "" {
			w.t.Errorf("the ids are %q", ids)
		}
	})
}

// Whether the log has taken it or not: who repeats a request that could not be served
// has it there once.
func TestRequestUnavailable(t *testing.T) {
	modes(t, identified, func(w *world) {
		c := w.asker("a")
		w.log.Fail(enginetest.OpAppend)
		c.send(ask(roomID, "1", "", `1`))
		c.want(told(roomID, "1", "unavailable", "outage"))
		w.log.Before(nil)
		w.log.After(func(_ context.Context, c enginetest.Call) error {
			if c.Op == enginetest.OpAppend {
				return lazyrealtime.ErrUnavailable
			}
			return nil
		})
		for range 2 {
			c.send(ask(roomID, "1", "", `1`))
			c.want(told(roomID, "1", "unavailable", "outage"))
		}
		w.log.After(nil)
		c.send(ask(roomID, "1", "", `1`))
		c.want(w.toldAt("1", 1))
		w.wantLog("1")
	})
}

// An engine that does not answer at all is one that cannot.
func TestRequestTimeout(t *testing.T) {
	modes(t, identified, func(w *world) {
		c := w.asker("a")
		unblock := w.log.Block(enginetest.OpAppend)
		start := time.Now()
		c.send(ask(roomID, "1", "", `1`))
		c.want(told(roomID, "1", "unavailable", "outage"))
		if took := time.Since(start); took != 10*time.Second {
			w.t.Errorf("the answer took %v", took)
		}
		unblock()
		c.idle(time.Second)
		c.send(ask(roomID, "1", "", `1`))
		c.want(w.toldAt("1", 1))
	})
}

// hang makes appending to other topics than the room take for ever.
func (w *world) hang() {
	w.log.Before(func(ctx context.Context, c enginetest.Call) error {
		if c.Op != enginetest.OpAppend || c.Topic == "room" {
			return nil
		}
		<-ctx.Done()
		return ctx.Err()
	})
}

// What has waited behind others of its connection, for an engine that does not answer, is
// not served when the engine may have forgotten that it has it already: one connection
// can be held up for no longer than one request.
func TestRequestLate(t *testing.T) {
	modes(t, identified, func(w *world) {
		c := w.asker("a")
		c.send(ask(roomID, "1", "", `1`))
		c.want(w.toldAt("1", 1))
		others := make([]string, 5)
		for i := range others {
			others[i] = fmt.Sprintf(`{"channel":"$pubsub","stream_name":"other%d"}`, i)
			c.subscribe(others[i])
		}
		c.idle(85 * time.Second) // the answer was lost, and is asked for again
		w.hang()
		start := time.Now()
		for _, identifier := range append(others, roomID) {
			c.send(ask(identifier, "1", "", `1`))
		}
		c.want(told(others[0], "1", "unavailable", "outage"))
		for _, identifier := range append(others[1:], roomID) {
			c.want(told(identifier, "1", "unavailable", "rate_limited"))
		}
		if took := time.Since(start); took != 10*time.Second {
			w.t.Errorf("the answers took %v", took)
		}
		c.idle(time.Second)
		c.send(ask(roomID, "1", "", `1`))
		c.want(w.toldAt("1", 1))
		w.wantLog("1")
	})
}

// Requests that were sent together share the time that one may take.
func TestRequestsShareTheirTime(t *testing.T) {
	modes(t, identified, func(w *world) {
		c := w.asker("a")
		c.subscribe(lobby)
		slow := func(d time.Duration) {
			w.log.Before(func(_ context.Context, c enginetest.Call) error {
				if c.Op == enginetest.OpAppend {
					time.Sleep(d)
				}
				return nil
			})
		}
		slow(3 * time.Second)
		for n := 1; n <= 3; n++ {
			c.send(ask(roomID, fmt.Sprint(n), "", fmt.Sprint(n)))
		}
		c.want(w.toldAt("1", 1), w.toldAt("2", 2), told(roomID, "3", "unavailable", "rate_limited"))
		c.idle(time.Second) // nothing waits any more
		start := time.Now()
		slow(4 * time.Second)
		c.send(ask(roomID, "3", "", `3`))
		synctest.Wait()
		w.hang()
		c.send(ask(lobby, "4", "", `4`))
		c.want(w.toldAt("3", 3), told(lobby, "4", "unavailable", "outage"))
		if took := time.Since(start); took != 10*time.Second {
			w.t.Errorf("it took %v", took)
		}
	})
}

// A client that has a few messages under way all the time is served all the time, as long
// as each is served soon.
func TestRequestsInARow(t *testing.T) {
	config := identified
	config.Limits.PublishesPerSecond = -1
	modes(t, config, func(w *world) {
		c := w.asker("a")
		w.log.Before(func(_ context.Context, c enginetest.Call) error {
			if c.Op == enginetest.OpAppend {
				time.Sleep(50 * time.Millisecond)
			}
			return nil
		})
		const underWay, all = 8, 400 // for 20 s
		for n := range all + underWay {
			if n < all {
				c.send(ask(roomID, fmt.Sprint(n), "", `1`))
			}
			if n >= underWay {
				c.want(w.toldAt(fmt.Sprint(n-underWay), uint64(n-underWay)+1))
			}
		}
	})
}

// What stands behind a request that has to be repeated does not overtake it.
func TestRequestOrder(t *testing.T) {
	modes(t, identified, func(w *world) {
		c := w.asker("a")
		for round := range 2 {
			w.log.Fail(enginetest.OpAppend)
			c.send(ask(roomID, "1", "", `1`))
			c.want(told(roomID, "1", "unavailable", "outage"))
			w.log.Before(nil)
			c.send(ask(roomID, "2", "1", `2`))
			c.send(ask(roomID, "3", "2", `3`))
			c.want(told(roomID, "2", "unavailable", "behind"), told(roomID, "3", "unavailable", "behind"))
			if round == 0 {
				continue
			}
			c.send(ask(roomID, "1", "", `1`))
			c.send(ask(roomID, "2", "1", `2`))
			c.send(ask(roomID, "3", "2", `3`))
			c.send(ask(roomID, "4", "3", `4`))
			c.want(w.toldAt("1", 1), w.toldAt("2", 2), w.toldAt("3", 3), w.toldAt("4", 4))
		}
		// One that is given up stops nobody who does not stand behind it.
		w.log.Fail(enginetest.OpAppend)
		c.send(ask(roomID, "5", "4", `5`))
		c.want(told(roomID, "5", "unavailable", "outage"))
		w.log.Before(nil)
		c.send(ask(roomID, "6", "", `null`))
		c.send(ask(roomID, "7", "6", `7`))
		c.want(told(roomID, "6", "refused", "invalid"), told(roomID, "7", "unavailable", "behind"))
		c.send(ask(roomID, "5", "", `5`))
		c.want(w.toldAt("5", 5))
		c.send(ask(roomID, "7", "6", `7`)) // which was not the latest
		c.want(w.toldAt("7", 6))
		w.log.Fail(enginetest.OpAppend)
		c.send(ask(roomID, "8", "", `8`))
		c.want(told(roomID, "8", "unavailable", "outage"))
		w.log.Before(nil)
		c.send(ask(roomID, "9", "", `9`))
		c.send(ask(roomID, "10", "8", `10`)) // late, and still behind it
		c.want(w.toldAt("9", 7), told(roomID, "10", "unavailable", "behind"))
		w.wantLog("1", "2", "3", "4", "5", "7", "9")
	})
}

// Who sends requests faster than he may is told so and stays; what was not served is
// served when there is room again.
func TestRequestRate(t *testing.T) {
	modes(t, limited(lazyrealtime.Limits{PublishesPerSecond: 5}), func(w *world) {
		c := w.asker("a")
		name := func(n int) string { return fmt.Sprint("r", n) }
		for n := 1; n <= 20; n++ {
			c.send(ask(roomID, name(n), "", fmt.Sprint(n)))
			c.want(w.toldAt(name(n), uint64(n)))
		}
		c.send(ask(roomID, name(21), "", "21"))
		c.want(told(roomID, name(21), "unavailable", "rate_limited"))
		time.Sleep(250 * time.Millisecond)
		c.send(ask(roomID, name(22), name(21), "22"))
		c.want(told(roomID, name(22), "unavailable", "behind"))
		c.send(ask(roomID, name(21), "", "21"))
		c.want(w.toldAt(name(21), 21))
		c.send(ask(roomID, name(22), name(21), "22"))
		c.want(told(roomID, name(22), "unavailable", "rate_limited"))
		time.Sleep(250 * time.Millisecond)
		c.send(ask(roomID, name(22), "", "22"))
		c.want(w.toldAt(name(22), 22))
		// A flood of them is one of commands.
		for n := range 1000 {
			if c.conn.WriteMessage(1, []byte(ask(roomID, name(n), "", "1"))) != nil {
				break
			}
		}
		for {
			frame, err := c.read()
			if err != nil {
				w.t.Fatalf("not told why: %v", err)
			}
			if frame == tooFast {
				break
			}
		}
	})
}

// Who is sent away meanwhile gets no answer, and neither does what he has left.
func TestRequestEnds(t *testing.T) {
	modes(t, identified, func(w *world) {
		for _, end := range []func(c *client){
			func(c *client) { _ = c.conn.Close() },
			func(*client) { w.revoke("a") },
		} {
			c := w.asker("a")
			unblock := w.log.Block(enginetest.OpAppend)
			c.send(ask(roomID, "1", "", `1`))
			synctest.Wait()
			end(c)
			synctest.Wait()
			unblock()
			for {
				frame, err := c.read()
				if err != nil {
					break
				}
				if frame != remote {
					w.t.Errorf("got %s", frame)
				}
			}
			w.wantStats(0, 0)
		}
	})
}

// A refusal that does not reach the client is asked for again, and may not come again:
// what stood behind it has not been stored meanwhile.
func TestRequestOrderBehindRefusal(t *testing.T) {
	var denied bool
	config := identified
	config.Authorize = func(_ context.Context, _ lazyrealtime.Identity, op lazyrealtime.Op, _ string) error {
		if op == lazyrealtime.OpPublish && denied {
			return errors.New("nobody knows")
		}
		return nil
	}
	modes(t, config, func(w *world) {
		c := w.asker("a")
		denied = true
		c.send(ask(roomID, "1", "", `1`))
		c.want(told(roomID, "1", "refused", "denied"))
		denied = false
		c.send(ask(roomID, "2", "1", `2`))
		c.want(told(roomID, "2", "unavailable", "behind"))
		_ = c.conn.Close() // and the answers are lost
		c = w.asker("a")
		c.send(ask(roomID, "1", "", `1`))
		c.send(ask(roomID, "2", "1", `2`))
		c.want(w.toldAt("1", 1), w.toldAt("2", 2))
		w.wantLog("1", "2")
	})
}
