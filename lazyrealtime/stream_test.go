package lazyrealtime_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/enginetest"
	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

const turboRefresh = `<turbo-stream action="refresh"></turbo-stream>`

// source is an EventSource, as the HTML standard has it (9.2.6).
type source struct {
	t       *testing.T
	body    io.ReadCloser
	lines   *bufio.Reader
	last    string // Last-Event-ID
	quiets  int    // comments
	retries int
}

func (w *world) source(path, last string, header ...string) *source {
	w.t.Helper()
	if last != "" {
		header = append(header, "Last-Event-ID: "+last)
	}
	resp := w.request("GET", path, "", append(header, "Accept: text/event-stream")...)
	h := resp.Header
	if resp.StatusCode != 200 || h.Get("Content-Type") != "text/event-stream" || h.Get("Cache-Control") != "no-store" {
		w.t.Fatalf("%s: %s %v", path, resp.Status, h)
	}
	return &source{t: w.t, body: resp.Body, lines: bufio.NewReader(resp.Body), last: last}
}

// event returns the data of the next event that is dispatched.
func (s *source) event() (string, error) {
	var data []string
	id := s.last
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			return "", err
		}
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "\n":
			if s.last = id; data != nil {
				return strings.Join(data, "\n"), nil
			}
		case field == "":
			s.quiets++
		case field == "id":
			id = value
		case field == "retry":
			s.retries++
		case field == "data":
			data = append(data, value)
		default:
			s.t.Fatalf("the line %q", line)
		}
	}
}

func (s *source) want(data ...string) {
	s.t.Helper()
	for _, want := range data {
		if got, err := s.event(); got != want || err != nil {
			s.t.Fatalf("got %q (%v), want %q", got, err, want)
		}
	}
}

// started waits until the stream has begun.
func (s *source) started() *source {
	if _, err := s.lines.Peek(1); err != nil {
		s.t.Fatal(err)
	}
	return s
}

func TestEvents(t *testing.T) {
	within(t, public, func(w *world) {
		s := w.source("/stream?stream=room", "").started()
		if _, err := w.hub.PublishHTML(w.t.Context(), "room", `<turbo-stream action="append">é</turbo-stream>`); err != nil {
			w.t.Fatal(err)
		}
		w.publish("room", `{"n": 1}`)
		w.publish("room", "[1,\n2]")
		s.want(`<turbo-stream action="append">é</turbo-stream>`, `{"n": 1}`, "[1,\n2]")
		// Whatever is in the text, it is the text and no field.
		for _, text := range []string{"a\nb", "\n", "a\n", "\n\na", "a\r\nb\rc", "id: forged\nevent: x\nretry: 0", ": comment", " lead", "\u2028", "\x00"} {
			if _, err := w.hub.PublishHTML(w.t.Context(), "room", text); err != nil {
				w.t.Fatal(err)
			}
			s.want(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text))
		}
		last := s.last
		if last != fmt.Sprint(w.epoch(), ":", 13) {
			w.t.Errorf("the id is %s", last)
		}
		if err := w.hub.Broadcast(w.t.Context(), "room", []byte(`"not stored"`)); err != nil {
			w.t.Fatal(err)
		}
		if s.want("not stored"); s.last != last {
			w.t.Errorf("what is not stored has the id %s", s.last)
		}
	})
}

// A source that comes back gets what it has missed, once and in order, wherever it
// was cut; also if it had got nothing.
func TestEventsResume(t *testing.T) {
	within(t, public, func(w *world) {
		r := rand.New(rand.NewPCG(1, 2))
		w.publish("room", `"before"`)
		s := w.source("/stream?stream=room", "").started()
		_ = s.body.Close()
		synctest.Wait()
		first := w.source("/stream?stream=room", "")
		go func() { w.publish("room", `"seen"`) }()
		first.want("seen")
		// A source without a message knows where it began.
		began := w.source("/stream?stream=room", "")
		go func() { time.Sleep(20 * time.Second); _ = began.body.Close() }()
		if _, err := began.event(); err == nil || began.last != fmt.Sprint(w.epoch(), ":2") {
			w.t.Fatalf("it stands at %q", began.last)
		}
		next, last := 0, began.last
		for n := 0; n < 300; {
			for range r.IntN(20) {
				w.publish("room", fmt.Sprintf(`"%d"`, n))
				n++
			}
			s := w.source("/stream?stream=room", last)
			for range min(r.IntN(30), n-next) {
				s.want(fmt.Sprint(next))
				next++
			}
			last = s.last
			_ = s.body.Close()
		}
	})
}

// Where something is missing the page is told to refresh, and goes on from there.
func TestEventsGap(t *testing.T) {
	config := public
	config.Retain = func(string) lazyrealtime.Retention { return lazyrealtime.Retention{Messages: 3} }
	config.Authenticate = asked
	within(t, config, func(w *world) {
		w.fill("room", 1, 10)
		for _, last := range []string{
			w.epoch() + ":5", "another:9", "9", "x", w.epoch() + ":11", w.epoch() + ":-1", w.epoch() + ":", ":9", w.epoch() + ":99999999999999999999",
		} {
			s := w.source("/stream?stream=room", last)
			s.want(turboRefresh)
			if s.last != w.epoch()+":10" {
				w.t.Errorf("%s: it goes on from %s", last, s.last)
			}
			_ = s.body.Close()
		}
		s := w.source("/stream?stream=room", w.epoch()+":7")
		s.want(`{"n":8}`, `{"n":9}`, `{"n":10}`)
		s = w.source("/stream?stream=room", w.epoch()+":10").started()
		w.fill("room", 11, 11)
		s.want(`{"n":11}`)
		// A hole in what is live.
		w.log.OnLive(func(*lazyrealtime.Message, uint64) enginetest.Fate { return enginetest.Drop })
		w.fill("room", 12, 20)
		w.log.OnLive(nil)
		w.fill("room", 21, 21)
		s.want(turboRefresh)
		synctest.Wait()
		w.fill("room", 22, 22)
		s.want(`{"n":22}`)
	})
}

// A signed position brings what came between rendering and following, once; later
// uses, of another topic's or a broken one, are told to refresh.
func TestStreamPosition(t *testing.T) {
	modes(t, lazyrealtime.Config{Authenticate: asked}, func(w *world) {
		w.fill("room", 1, 2)
		name, position := w.name("a", "room")
		_, elsewhere := w.name("a", "lobby")
		_, text := w.name("a", "room")
		w.fill("room", 3, 4)
		url := "/stream?id=a&name=" + name + "&position="
		s := w.source(url+position, "")
		s.want(`{"n":3}`, `{"n":4}`)
		c := w.dial(url + text)
		for _, want := range []string{`{"n":3}`, `{"n":4}`} {
			if got, err := c.readText(); got != want {
				w.t.Errorf("got %s %v", got, err)
			}
		}
		for _, again := range []string{position, text, elsewhere, "broken", name} {
			w.source(url+again, "").want(turboRefresh)
			late := w.dial(url + again)
			if got, err := late.readText(); got != turboRefresh {
				w.t.Errorf("got %s %v", got, err)
			}
			w.fill("room", 5, 5)
			if got, err := late.readText(); got != `{"n":5}` {
				w.t.Errorf("got %s %v", got, err)
			}
		}
		// An EventSource sends the old position, too, when it comes back: its id counts.
		w.source(url+position, s.last).want(`{"n":5}`)
		w.log.Fail(enginetest.OpClaim)
		_, position = w.name("a", "room")
		w.wantPutOff(url + position)
		w.log.Before(nil)
	})
}

// Text is the text of a JSON string, or JSON.
func TestText(t *testing.T) {
	modes(t, public, func(w *world) {
		c := w.dial("/stream?stream=room")
		synctest.Wait()
		for _, m := range [][2]string{
			{`"<p>é\u00e9\n\"</p>"`, "<p>éé\n\"</p>"}, {`{"a": "b"}`, `{"a": "b"}`}, {` "x"`, ` "x"`}, {`"\ud800"`, "\ufffd"}, {`12`, `12`},
		} {
			w.publish("room", m[0])
			if got, err := c.readText(); got != m[1] {
				w.t.Errorf("got %q %v, want %q", got, err, m[1])
			}
		}
		// What the client says is nothing to it.
		for _, frame := range []string{"nonsense", command("subscribe", lobby, ""), command("message", roomID, `,"data":"{}"`)} {
			c.send(frame)
		}
		if err := w.hub.Broadcast(w.t.Context(), "room", []byte(`"not stored"`)); err != nil {
			w.t.Fatal(err)
		}
		if got, err := c.readText(); got != "not stored" {
			w.t.Errorf("got %q %v", got, err)
		}
		c.wantNothing()
		_ = c.conn.Close()
		w.wantStats(0, 0)
	})
}

func TestStreamRefuses(t *testing.T) {
	var a asks
	config := lazyrealtime.Config{Authenticate: asked, Authorize: a.authorize}
	within(t, config, func(w *world) {
		name, position := w.name("a", "room")
		a.deny = func(_ lazyrealtime.Op, topic string) error {
			if topic == "secret" {
				return lazyrealtime.ErrDenied
			}
			return nil
		}
		for query, want := range map[string]int{
			"": 403, "stream=room": 403, "name=room": 403, "name=" + name: 403, "id=b&name=" + name: 403, "id=a&name=" + position: 403,
			"id=a&name=" + name + "&stream=room": 200, "id=a&name=&stream=room": 403,
		} {
			resp := w.request("GET", "/stream?"+query, "")
			if resp.StatusCode != want {
				w.t.Errorf("%s: %s", query, resp.Status)
			}
			_ = resp.Body.Close()
			p := w.net.Peer()
			p.Request("/stream?" + query)
			if got := p.Response().StatusCode; got != map[int]int{403: 403, 200: 101}[want] {
				w.t.Errorf("%s: a WebSocket gets %d", query, got)
			}
		}
		for _, method := range []string{"POST", "HEAD", "DELETE"} {
			if status, _ := w.answered(method, "/stream?id=a&name="+name, ""); status != http.StatusMethodNotAllowed {
				w.t.Errorf("%s: %d", method, status)
			}
		}
		// Who may follow but not replay begins with what comes.
		a.deny = func(op lazyrealtime.Op, _ string) error {
			if op == lazyrealtime.OpReplay {
				return lazyrealtime.ErrDenied
			}
			return nil
		}
		w.fill("room", 1, 3)
		s := w.source("/stream?id=a&name="+name, w.epoch()+":1")
		s.want(turboRefresh)
		w.fill("room", 4, 4)
		s.want(`{"n":4}`)
		w.log.Fail(enginetest.OpFollow)
		a.deny = nil
		_ = s.body.Close()
		w.wantPutOff("/stream?id=a&name=" + w.other("a", "other"))
		c := w.dial("/stream?id=a&name=" + w.other("a", "another"))
		if _, err := c.readText(); !lazywebsocket.IsCloseError(err, 1013) {
			w.t.Errorf("without an engine: %v", err)
		}
		w.log.Before(nil)
	})
	config = public
	config.Limits.TopicBytes = 4
	within(t, config, func(w *world) {
		for _, topic := range []string{"rooms", "%00", "%ff", ""} {
			if status, _ := w.answered("GET", "/stream?stream="+topic, ""); status != http.StatusForbidden {
				w.t.Errorf("the topic %s: %d", topic, status)
			}
		}
	})
}

// other signs a name.
func (w *world) other(id, topic string) string {
	name, _ := w.name(id, topic)
	return name
}

// Silence is broken now and then, so that nobody on the way takes it for death.
func TestEventsKeepalive(t *testing.T) {
	within(t, public, func(w *world) {
		s := w.source("/stream?stream=room", "").started()
		start := time.Now()
		go func() {
			time.Sleep(time.Minute + time.Second)
			w.publish("room", `"at last"`)
		}()
		s.want("at last")
		if s.quiets != 4 || s.retries != 1 || time.Since(start) != time.Minute+time.Second {
			w.t.Errorf("%d comments in %v", s.quiets, time.Since(start))
		}
	})
}

// A source that does not read delays nobody, and is gone after a while: of itself,
// and soon when its credential is.
func TestEventsSlow(t *testing.T) {
	for _, revoked := range []bool{true, false} {
		within(t, identified, func(w *world) {
			w.net = wstest.Network{Buffer: 1024}.Serve(w.t, w.hub.Handler())
			s := w.source("/stream?stream=room&id=slow", "").started()
			fine := w.source("/stream?stream=room&id=fine", "").started()
			big := strings.Repeat("x", 10_000)
			for range 20 {
				w.publish("room", `"`+big+`"`)
				fine.want(big)
			}
			w.wantStats(2, 0)
			start := time.Now()
			if revoked {
				w.revoke("slow")
			}
			patience := map[bool]time.Duration{true: 5 * time.Second, false: 30 * time.Second}[revoked]
			time.Sleep(patience - time.Millisecond)
			w.wantStats(2, 0)
			time.Sleep(2 * time.Millisecond)
			w.wantStats(1, 0)
			_, _ = s, start
			w.publish("room", `"on"`)
			fine.want("on")
		})
	}
}

// What a client says that it has received last is a line of the answer only where a hub
// could have said it.
func TestEventsForgedID(t *testing.T) {
	within(t, public, func(w *world) {
		at := w.publish("room", `"x"`)
		good := fmt.Sprint(at.Epoch, ":", at.Offset)
		for _, last := range []string{"\xff:1", strings.Repeat("x", 256) + ":1", strings.Repeat("x", 60_000) + ":1"} {
			s := w.source("/stream?stream=room", last)
			if line, err := s.lines.ReadString('\n'); err != nil || !strings.HasPrefix(line, "retry: ") {
				w.t.Fatalf("%q, %v", line, err)
			}
			if line, err := s.lines.ReadString('\n'); err != nil || line != "id: "+good+"\n" {
				w.t.Errorf("%.40q, %v", line, err)
			}
			s.want(turboRefresh)
			_ = s.body.Close()
		}
	})
}

// Event streams count as connections from their address.
func TestEventsOfAnAddress(t *testing.T) {
	config := public
	config.Upgrader = &lazywebsocket.Upgrader{Budget: &lazywebsocket.Budget{ConnectionsPerAddress: 2}}
	within(t, config, func(w *world) {
		handler := w.hub.Handler()
		w.net = wstest.Serve(w.t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			r.RemoteAddr = r.URL.Query().Get("from") + ":1"
			handler.ServeHTTP(rw, r)
		}))
		const here, there = "/stream?stream=room&from=192.0.2.1", "/stream?stream=room&from=192.0.2.2"
		first := w.source(here, "").started()
		c := w.dial("/cable?from=192.0.2.1", extended)
		c.want(welcome)
		w.wantPutOff(here)
		w.source(there, "").started()
		_ = first.body.Close()
		synctest.Wait()
		w.source(here, "").started()
		w.wantPutOff(here)
		_ = c.conn.Close()
		synctest.Wait()
		w.source(here, "").started()
		w.wantPutOff(here)
		w.wantStats(3, 0)
	})
}
