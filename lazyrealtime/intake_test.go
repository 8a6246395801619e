package lazyrealtime_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/enginetest"
)

const (
	publishKey = "the key of programs"
	bearer     = "Authorization: Bearer " + publishKey
)

var intake = lazyrealtime.Config{Public: true, PublishKey: publishKey}

// posted publishes with a body.
func (w *world) posted(body string, header ...string) (status int, answer string) {
	w.t.Helper()
	return w.answered("POST", "/_broadcast", body, append([]string{bearer}, header...)...)
}

// tail returns how many messages a topic has had.
func (w *world) tail(topic string) uint64 {
	w.t.Helper()
	tail, err := w.log.Tail(w.t.Context(), topic)
	if err != nil {
		w.t.Fatal(err)
	}
	return tail.Offset
}

func TestIntake(t *testing.T) {
	within(t, intake, func(w *world) {
		c := w.join("", extended)
		c.subscribe(roomID)
		at := func(n int) string { return fmt.Sprintf(`{"epoch":%q,"offset":%d}`, w.epoch(), n) }
		status, answer := w.posted(`{"stream":"room","data":"{\"n\":1}"}`)
		if status != http.StatusCreated || answer != at(1)+"\n" {
			w.t.Errorf("one: %d %s", status, answer)
		}
		status, answer = w.posted(` [{"stream":"room","data":"2"},{"stream":"lobby","data":"\"html <p>\"","more":1,"Stream":"room"},{"data":"[3]","stream":"room"}] `)
		if status != http.StatusCreated || answer != "["+at(2)+","+at(1)+","+at(3)+"]\n" {
			w.t.Errorf("several: %d %s", status, answer)
		}
		c.want(w.stored(roomID, "room", `{"n":1}`, 1), w.stored(roomID, "room", `2`, 2), w.stored(roomID, "room", `[3]`, 3))
	})
}

// Without a key there is no endpoint, with a wrong one nothing happens.
func TestIntakeKey(t *testing.T) {
	const body = `{"stream":"room","data":"1"}`
	within(t, public, func(w *world) {
		for _, header := range []string{bearer, "Authorization: Bearer ", "Authorization: Bearer", "X: Y"} {
			if status, _ := w.answered("POST", "/_broadcast", body, header); status != http.StatusNotFound {
				w.t.Errorf("without a key: %d", status)
			}
		}
	})
	within(t, intake, func(w *world) {
		for _, header := range []string{
			"X: Y", "Authorization: ", "Authorization: Bearer", "Authorization: Bearer ", "Authorization: " + publishKey,
			"Authorization: Basic " + publishKey, bearer + "x", bearer[:len(bearer)-1], strings.ToUpper(bearer),
			"X-Jid: " + publishKey, "Authorization: Bearer, Bearer " + publishKey,
		} {
			for _, method := range []string{"POST", "GET", "PUT"} {
				resp := w.request(method, "/_broadcast?jid="+publishKey[:3], body, header)
				if resp.StatusCode != http.StatusUnauthorized || resp.Header.Get("WWW-Authenticate") != "Bearer" {
					w.t.Errorf("%s with %s: %s", method, header, resp.Status)
				}
			}
		}
		for _, method := range []string{"GET", "PUT", "DELETE", "PATCH"} {
			resp := w.request(method, "/_broadcast", body, bearer)
			if resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != "POST" {
				w.t.Errorf("%s: %s", method, resp.Status)
			}
		}
		if n := w.tail("room"); n != 0 {
			w.t.Errorf("%d messages were published", n)
		}
		for _, header := range []string{"Authorization: bearer " + publishKey, "Authorization: BEARER   " + publishKey} {
			if status, answer := w.answered("POST", "/_broadcast", body, header); status != http.StatusCreated {
				w.t.Errorf("with %s: %d %s", header, status, answer)
			}
		}
	})
}

// What is wrong is said, and then nothing of it is published.
func TestIntakeRefuses(t *testing.T) {
	const fine = `{"stream":"room","data":"1"}`
	large := strings.Repeat("x", 64<<10-1)
	many := strings.TrimSuffix(strings.Repeat(fine+",", 1001), ",")
	within(t, intake, func(w *world) {
		for _, c := range []struct {
			status int
			body   string
		}{
			{400, ``},
			{400, `null`},
			{400, `{}`},
			{400, `[]`},
			{400, `[null]`},
			{400, `"text"`},
			{400, `{"stream":"room"}`},
			{400, `{"data":"1"}`},
			{400, `{"stream":"","data":"1"}`},
			{400, `{"stream":"a\u0000","data":"1"}`},
			{400, `{"stream":"room","data":1}`},
			{400, `{"Stream":"room","data":"1"}`},
			{400, `{"stream":"room","DATA":"1"}`},
			{400, `{"stream":"room","data":{"n":1}}`},
			{400, `{"stream":["room"],"data":"1"}`},
			{400, `{"stream":"room","data":""}`},
			{400, `{"stream":"room","data":"{"}`},
			{400, `{"stream":"room","data":"{} {}"}`},
			{400, `{"stream":"room","data":"null"}`},
			{400, `{"stream":"room","data":"0"}`},
			{400, `{"stream":"room","data":"false"}`},
			{400, `{"stream":"room","data":"\"\""}`},
			{400, `{"stream":"room","data":"1"`},
			{400, fine + fine},
			{400, fine + "x"},
			{400, "{\"stream\":\"room\",\"data\":\"\\\"\xff\\\"\"}"},
			{400, `[` + fine + `,{"stream":"room","data":"{"}]`},
			{400, `[` + fine + `,{"stream":"","data":"1"}]`},
			{400, `[` + fine + `,]`},
			{413, `[` + fine + `,{"stream":"room","data":"\"` + large + `\""}]`},
			{413, `{"stream":"room","data":"\"` + large + `\""}`},
			{413, `{"stream":"` + strings.Repeat("x", 256) + `","data":"1"}`},
			{413, `[` + many + `]`},
			{413, `{"stream":"room","data":"` + strings.Repeat(" ", 1<<20) + `1"}`},
		} {
			status, answer := w.posted(c.body)
			var said struct{ Error string }
			if status != c.status || json.Unmarshal([]byte(answer), &said) != nil || said.Error == "" {
				w.t.Errorf("%.80s: %d %s, want %d", c.body, status, answer, c.status)
			}
		}
		if n := w.tail("room"); n != 0 {
			w.t.Errorf("%d messages were published", n)
		}
		if status, answer := w.posted(`[` + many[:len(many)-len(fine)-1] + `]`); status != 201 || w.tail("room") != 1000 {
			w.t.Errorf("a thousand: %d %.80s", status, answer)
		}
		status, answer := w.posted(`[` + fine + `,` + fine + `,{"stream":"room","data":"{"}]`)
		if !strings.Contains(answer, `"index":2`) {
			w.t.Errorf("which one is it? %d %s", status, answer)
		}
	})
}

// A body without end is not read to its end.
func TestIntakeOfAHugeBody(t *testing.T) {
	within(t, intake, func(w *world) {
		body := &endless{}
		r := httptest.NewRequest("POST", "/_broadcast", body)
		r.Header.Set("Authorization", "Bearer "+publishKey)
		rec := httptest.NewRecorder()
		w.hub.ServePublish(rec, r)
		if rec.Code != http.StatusRequestEntityTooLarge || body.read > 2<<20 {
			w.t.Errorf("%d after %d bytes", rec.Code, body.read)
		}
		body = &endless{}
		r = httptest.NewRequest("POST", "/_broadcast", body)
		w.hub.ServePublish(httptest.NewRecorder(), r)
		if body.read > 0 {
			w.t.Errorf("%d bytes were read of a stranger", body.read)
		}
	})
	for limit, most := range map[int]int{600 << 10: 600 << 10, -1: 1 << 20} {
		config := intake
		config.Limits.MessageBytes = limit
		within(t, config, func(w *world) { // as large as messages may be
			text := `"` + strings.Repeat(`\"`, most/2-1) + `"`
			body, err := json.Marshal(map[string]string{"stream": "room", "data": text})
			if err != nil {
				w.t.Fatal(err)
			}
			if status, answer := w.posted(string(body)); status != http.StatusCreated {
				w.t.Errorf("limit %d: %d %.200s", limit, status, answer)
			}
		})
	}
}

// endless is a body of spaces.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, bytes.Repeat([]byte(" "), min(len(p), 4096)))
	e.read += n
	return n, nil
}

var _ io.Reader = (*endless)(nil)

// A request with a key that is repeated publishes nothing twice.
func TestIntakeIdempotency(t *testing.T) {
	within(t, intake, func(w *world) {
		post := func(key, body string) string {
			w.t.Helper()
			status, answer := w.posted(body, "Idempotency-Key: "+key)
			if status != http.StatusCreated {
				w.t.Fatalf("%d %s", status, answer)
			}
			return answer
		}
		const one, two = `{"stream":"room","data":"1"}`, `[{"stream":"room","data":"1"},{"stream":"room","data":"2"}]`
		first := post("k", one)
		if again := post("k", one); again != first || w.tail("room") != 1 {
			w.t.Errorf("%s, and again %s", first, again)
		}
		if other := post("l", one); other == first || w.tail("room") != 2 {
			w.t.Errorf("another key: %s", other)
		}
		all := post("k", two) // an array's messages have names of their own
		if again := post("k", two); again != all || w.tail("room") != 4 {
			w.t.Errorf("%s, and again %s; %d messages", all, again, w.tail("room"))
		}
		// However the keys look, one request's are not another's.
		for i, key := range []string{"k-0", "k-1", "k/0", "0/k", "/k", "k0", "-0", "0", "K"} {
			post(key, one)
			post(key, `[`+one+`]`)
			if want := uint64(4 + 2*(i+1)); w.tail("room") != want {
				w.t.Errorf("key %q: %d messages, want %d", key, w.tail("room"), want)
			}
		}
		if status, _ := w.posted(one, "Idempotency-Key: "+strings.Repeat("k", 256)); status != http.StatusBadRequest {
			w.t.Errorf("a key that is too long: %d", status)
		}
		w.posted(one)
		w.posted(one) // without a key they are two
		if want := uint64(4 + 18 + 2); w.tail("room") != want {
			w.t.Errorf("%d messages, want %d", w.tail("room"), want)
		}
	})
}

// Of requests with the same key at the same time one publishes, and all get its
// position.
func TestIntakeIdempotencyAtOnce(t *testing.T) {
	within(t, intake, func(w *world) {
		var mu sync.Mutex
		var answers []string
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				_, answer := w.posted(`[{"stream":"room","data":"1"},{"stream":"room","data":"2"}]`, "Idempotency-Key: k")
				mu.Lock()
				defer mu.Unlock()
				answers = append(answers, answer)
			})
		}
		all.Wait()
		if slices.Sort(answers); answers[0] != answers[7] || w.tail("room") != 2 {
			w.t.Errorf("%d messages: %v", w.tail("room"), answers)
		}
	})
}

// The answer comes when all is durable; when nobody knows, it says so, and the key
// makes it safe to ask again.
func TestIntakeWithoutAnEngine(t *testing.T) {
	within(t, intake, func(w *world) {
		const body = `{"stream":"room","data":"1"}`
		w.log.Fail(enginetest.OpAppend)
		if status, _ := w.posted(body); status != http.StatusServiceUnavailable {
			w.t.Errorf("without an engine: %d", status)
		}
		w.log.Before(nil)
		w.log.After(func(_ context.Context, c enginetest.Call) error {
			if c.Op == enginetest.OpAppend {
				return lazyrealtime.ErrUnavailable
			}
			return nil
		})
		if status, _ := w.posted(body, "Idempotency-Key: k"); status != http.StatusServiceUnavailable {
			w.t.Errorf("a lost acknowledgement: %d", status)
		}
		w.log.After(nil)
		if status, _ := w.posted(body, "Idempotency-Key: k"); status != http.StatusCreated || w.tail("room") != 1 {
			w.t.Errorf("again: %d, %d messages", status, w.tail("room"))
		}
	})
}
