package lazyrealtime_test

import (
	"encoding/json"
	"errors"
	"flag"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golazy.dev/lazyrealtime"
)

// testdata/golden.json was written once, by revision e5316bf, and is not written again:
// every later version understands it. The command, in a tree of that revision with this
// file and golden_export_test.go in it:
//
//	go test ./lazyrealtime -run TestGoldenWrite -golden /path/to/golden.json
var golden = flag.String("golden", "", "`file` to be written")

// goldenHub is what a hub leaves with clients, in pages and in the log.
type goldenHub struct {
	Name     string              `json:"name"`     // of goldenTopic, for alice
	Position string              `json:"position"` // likewise: goldenPosition
	Ticket   string              `json:"ticket"`   // alice's
	Revoked  lazyrealtime.Record `json:"revoked"`  // alice, an hour later
	IDs      []string            `json:"ids"`      // of messages that were published over HTTP
	EventID  string              `json:"event_id"` // of Server-Sent Events
	Cable    []string            `json:"cable"`    // what goldenScript says, and is answered
}

const goldenTopic = "room:1"

var (
	goldenPosition = lazyrealtime.Position{Epoch: "EPOCH", Offset: 7}
	goldenConfig   = lazyrealtime.Config{Authorize: allow, Authenticate: asked, Public: true, PublishKey: "key"}
)

// goldenScript is what clients do; "got" is for a frame that they get. The stream is
// what they were told that the topic is called.
var goldenScript = strings.Split(strings.NewReplacer(
	"SUBSCRIPTION", `"identifier":"{\"channel\":\"$pubsub\",\"stream_name\":\"room:1\"}"`, "STREAM", "room:1~6a2bb07484",
).Replace(`connect actioncable-v1-ext-json /cable?id=alice
got
send {"command":"subscribe",SUBSCRIPTION}
got
publish {"n":1}
got
publish {"n":2}
got
broadcast {"n":"fleeting"}
got
send {"command":"presence",SUBSCRIPTION,"data":{"return_records":true}}
got
send {"command":"join",SUBSCRIPTION,"presence":{"id":"x","info":{"a":1}}}
got
send {"command":"presence",SUBSCRIPTION}
got
send {"command":"leave",SUBSCRIPTION}
got
send {"command":"message",SUBSCRIPTION,"data":"{\"n\":3}"}
got
send {"command":"history",SUBSCRIPTION,"history":{"since":0,"streams":{"STREAM":{"epoch":"EPOCH","offset":3}}}}
got
connect actioncable-v1-ext-json /cable?id=alice
got
send {"command":"subscribe",SUBSCRIPTION,"history":{"streams":{"STREAM":{"epoch":"EPOCH","offset":1}}}}
got
got
got
got
connect actioncable-v1-ext-json /cable?id=bob
got
send {"command":"subscribe",SUBSCRIPTION,"history":{"streams":{"STREAM":{"epoch":"ANOTHER","offset":1}}}}
got
got
connect actioncable-v1-json /cable?id=carol
got
send {"command":"subscribe",SUBSCRIPTION}
got
publish {"n":4}
got`), "\n")

// play does what a script says, and calls see for each frame that it gets, with what is
// behind its "got".
func (w *world) play(script []string, see func(frame, behind string)) {
	w.t.Helper()
	tail, err := w.log.Tail(w.t.Context(), goldenTopic)
	if err != nil {
		w.t.Fatal(err)
	}
	var c *client
	for _, step := range script {
		verb, rest, _ := strings.Cut(strings.ReplaceAll(step, "EPOCH", tail.Epoch), " ")
		switch verb {
		case "connect":
			protocol, path, _ := strings.Cut(rest, " ")
			c = w.dial(path, protocol)
		case "send":
			c.send(rest)
		case "publish":
			w.publish(goldenTopic, rest)
		case "broadcast":
			if err := w.hub.Broadcast(w.t.Context(), goldenTopic, []byte(rest)); err != nil {
				w.t.Fatal(err)
			}
		case "got":
			frame, err := c.read()
			if err != nil {
				w.t.Fatalf("%v, and not %s", err, rest)
			}
			see(strings.ReplaceAll(frame, tail.Epoch, "EPOCH"), strings.ReplaceAll(rest, tail.Epoch, "EPOCH"))
		}
	}
}

// intake publishes over HTTP, and returns the ids that the messages have got.
func (w *world) intake() (ids []string) {
	w.t.Helper()
	for _, body := range []string{`{"stream":"http","data":"1"}`, `[{"stream":"http","data":"2"},{"stream":"http","data":"3"}]`} {
		if status, text := w.answered("POST", "/_broadcast", body, "Authorization: Bearer key", "Idempotency-Key: order-7"); status != 201 {
			w.t.Fatalf("%d %s", status, text)
		}
	}
	messages, _, err := w.hub.History(w.t.Context(), "http", lazyrealtime.Position{}, 10)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, m := range messages {
		ids = append(ids, m.ID)
	}
	return ids
}

// revoked revokes alice, and returns the record.
func (w *world) revoked() lazyrealtime.Record {
	w.t.Helper()
	if err := w.hub.Revoke(w.t.Context(), "alice"); err != nil {
		w.t.Fatal(err)
	}
	records, _, err := w.log.Controls(w.t.Context(), 0)
	if err != nil || len(records) != 1 {
		w.t.Fatalf("%+v, %v", records, err)
	}
	records[0].Expires = records[0].Expires.UTC()
	return records[0]
}

// makeGolden makes what is in the file, at the beginning of the bubble's time.
func (w *world) makeGolden() (g goldenHub) {
	w.t.Helper()
	var err error
	g.Name, _ = w.name("alice", goldenTopic)
	g.Position = w.hub.SignPosition(goldenTopic, goldenPosition)
	if g.Ticket, err = w.hub.Ticket(w.t.Context(), lazyrealtime.Identity{ID: "alice", Info: []byte(`{"a":1}`)}); err != nil {
		w.t.Fatal(err)
	}
	g.Cable = slices.Clone(goldenScript)
	w.play(goldenScript, func(frame, _ string) { g.Cable[slices.Index(g.Cable, "got")] = "got " + frame })
	s := w.source("/stream?stream="+url.QueryEscape(goldenTopic), "")
	w.publish(goldenTopic, `{"n":5}`)
	if _, err := s.event(); err != nil {
		w.t.Fatal(err)
	}
	g.EventID = w.epochless(s.last)
	g.IDs = w.intake()
	time.Sleep(time.Hour)
	g.Revoked = w.revoked()
	return g
}

// epochless is a text without the log's epoch.
func (w *world) epochless(text string) string {
	w.t.Helper()
	tail, err := w.log.Tail(w.t.Context(), goldenTopic)
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.ReplaceAll(text, tail.Epoch, "EPOCH")
}

func TestGoldenWrite(t *testing.T) {
	var want goldenHub
	if *golden == "" {
		want = readGolden(t)
	}
	within(t, goldenConfig, func(w *world) {
		g := w.makeGolden()
		if *golden == "" {
			if g.Name != want.Name || g.Revoked != want.Revoked || !slices.Equal(g.IDs, want.IDs) || g.EventID != want.EventID {
				w.t.Errorf("written now\n%+v\nand was\n%+v", g, want)
			}
			return
		}
		text, err := json.MarshalIndent(g, "", "\t")
		if err == nil {
			err = os.WriteFile(*golden, append(text, '\n'), 0o644)
		}
		if err != nil {
			w.t.Fatal(err)
		}
	})
}

func readGolden(t *testing.T) (g goldenHub) {
	t.Helper()
	text, err := os.ReadFile("testdata/golden.json")
	if err == nil {
		err = json.Unmarshal(text, &g)
	}
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// What revision e5316bf has signed is good.
func TestGoldenSigned(t *testing.T) {
	g := readGolden(t)
	within(t, goldenConfig, func(w *world) {
		if topic, err := w.hub.OpenName("alice", g.Name); topic != goldenTopic || err != nil {
			w.t.Errorf("the name is one of %q, %v", topic, err)
		}
		if _, err := w.hub.OpenName("bob", g.Name); !errors.Is(err, lazyrealtime.ErrDenied) {
			w.t.Errorf("to bob: %v", err)
		}
		if at, err := w.hub.OpenPosition(goldenTopic, g.Position); at != goldenPosition || err != nil {
			w.t.Errorf("the position is %v, %v", at, err)
		}
		w.dial("/cable?jid="+g.Ticket, extended).want(`{"type":"welcome"}`)
		w.dial("/cable?jid="+g.Ticket, extended).want(tokenExpired)
	})
	within(t, goldenConfig, func(w *world) {
		time.Sleep(time.Second)
		w.revoked() // behind the ticket
		time.Sleep(time.Second)
		w.dial("/cable?jid="+g.Ticket, extended).want(unauthorized)
	})
}

// What clients of revision e5316bf say is answered with what they know, and perhaps
// more members.
func TestGoldenClients(t *testing.T) {
	g := readGolden(t)
	within(t, goldenConfig, func(w *world) {
		frames := 0
		w.play(g.Cable, func(frame, want string) {
			frames++
			if !covers(parsed(w.t, frame), parsed(w.t, want)) {
				w.t.Errorf("got %s, and once %s", frame, want)
			}
		})
		if frames != strings.Count(strings.Join(goldenScript, "\n"), "got") {
			w.t.Errorf("%d frames", frames)
		}
		tail, err := w.log.Tail(w.t.Context(), goldenTopic)
		if err != nil {
			w.t.Fatal(err)
		}
		w.publish(goldenTopic, `{"n":5}`)
		w.publish(goldenTopic, `{"n":6}`)
		s := w.source("/stream?stream="+url.QueryEscape(goldenTopic), strings.ReplaceAll(g.EventID, "EPOCH", tail.Epoch))
		if data, err := s.event(); data != `{"n":6}` || err != nil {
			w.t.Errorf("behind the event %s: %q, %v", g.EventID, data, err)
		}
	})
}

func parsed(t *testing.T, text string) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return v
}

// covers reports whether got has all that want has.
func covers(got, want any) bool {
	w, ok := want.(map[string]any)
	if !ok {
		return reflect.DeepEqual(got, want)
	}
	g, ok := got.(map[string]any)
	for name := range w {
		ok = ok && covers(g[name], w[name])
	}
	return ok && (len(w) > 0 || len(g) == 0)
}

// A revocation by revision e5316bf is one.
func TestGoldenRevoked(t *testing.T) {
	g := readGolden(t)
	within(t, goldenConfig, func(w *world) {
		alice, bob := w.join("alice", extended), w.join("bob", extended)
		if err := w.log.Control(w.t.Context(), g.Revoked); err != nil {
			w.t.Fatal(err)
		}
		alice.wantClose(remote, 1008)
		w.dial("/cable?id=alice", extended).want(unauthorized)
		bob.wantNothing()
		time.Sleep(time.Hour + time.Second) // behind it
		w.join("alice", extended)
	})
}
