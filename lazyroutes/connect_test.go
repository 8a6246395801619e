package lazyroutes_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// connectRequest is a CONNECT as net/http's HTTP/2 server gives it to handlers.
func connectRequest(path string, protocol ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Method, r.Proto, r.ProtoMajor, r.ProtoMinor = http.MethodConnect, "HTTP/2.0", 2, 0
	if len(protocol) > 0 {
		r.Header[":protocol"] = protocol
	}
	return r
}

// An extended CONNECT that asks for a WebSocket goes to the route that is drawn for GET,
// and is a CONNECT there; no other CONNECT does.
func TestExtendedConnect(t *testing.T) {
	overHTTP1 := connectRequest("/ws/7", "websocket")
	overHTTP1.Proto, overHTTP1.ProtoMajor, overHTTP1.ProtoMinor = "HTTP/1.1", 1, 1
	overHTTP3 := connectRequest("/ws/7", "websocket")
	overHTTP3.Proto, overHTTP3.ProtoMajor = "HTTP/3.0", 3
	get := connectRequest("/ws/7", "websocket")
	get.Method = http.MethodPost
	for name, tc := range map[string]struct {
		r    *http.Request
		code int
		body string
	}{
		"websocket":         {connectRequest("/ws/7", "websocket"), 200, "CONNECT 7"},
		"in capitals":       {connectRequest("/ws/7", "WebSocket"), 200, "CONNECT 7"},
		"no route":          {connectRequest("/other", "websocket"), 404, "Not Found\n"},
		"route of POST":     {connectRequest("/post", "websocket"), 405, "Method Not Allowed\n"},
		"another protocol":  {connectRequest("/ws/7", "connect-udp"), 405, "Method Not Allowed\n"},
		"a KELVIN SIGN":     {connectRequest("/ws/7", "websoc\u212aet"), 405, "Method Not Allowed\n"},
		"two protocols":     {connectRequest("/ws/7", "websocket", "websocket"), 405, "Method Not Allowed\n"},
		"plain":             {connectRequest("/ws/7"), 405, "Method Not Allowed\n"},
		"HTTP/3":            {overHTTP3, 200, "CONNECT 7"},
		"HTTP/1.1":          {overHTTP1, 405, "Method Not Allowed\n"},
		"not even CONNECT":  {get, 405, "Method Not Allowed\n"},
		"drawn for CONNECT": {connectRequest("/tunnel"), 200, "tunnel"},
	} {
		router, _ := newRouter(t)
		router.HandleFunc("GET", "/ws/{id}", func(w http.ResponseWriter, r *http.Request) error {
			_, err := fmt.Fprint(w, r.Method, " ", r.PathValue("id"))
			return err
		})
		router.HandleFunc("POST", "/post", says("post"))
		router.HandleFunc("CONNECT", "/tunnel", says("tunnel"))
		w := httptest.NewRecorder()
		router.ServeHTTP(w, tc.r)
		if w.Code != tc.code || w.Body.String() != tc.body {
			t.Errorf("%s: %d %q", name, w.Code, w.Body)
		}
	}
}

type returner interface{ OnReturn(f func()) }

// findOnReturn does what an upgrader does.
func findOnReturn(w http.ResponseWriter) returner {
	for {
		if on, ok := w.(returner); ok {
			return on
		}
		w = w.(interface{ Unwrap() http.ResponseWriter }).Unwrap()
	}
}

// The functions of OnReturn are called when the action has returned, in order, after
// its error was logged, and before the request ends; nothing is answered.
func TestOnReturn(t *testing.T) {
	for form, use := range forms {
		if form == "opaque" || form == "own hijacker" {
			continue // for those below the middleware it is the same
		}
		for name, result := range map[string]error{"returns": nil, "fails": errors.New("boom")} {
			t.Run(form+" "+name, func(t *testing.T) {
				var calls []string
				router, book := newRouter(t)
				use(router)
				router.HandleFunc("GET", "/", func(w http.ResponseWriter, _ *http.Request) error {
					on := findOnReturn(wrapping{w})
					findOnPanic(w).OnPanic(func() { calls = append(calls, "panic") })
					on.OnReturn(func() { calls = append(calls, fmt.Sprint("first, logged ", len(book.records(t)))) })
					on.OnReturn(nil)
					on.OnReturn(func() { calls = append(calls, "second") })
					calls = append(calls, "action")
					return result
				})
				w := serve(router, "GET", "/")
				logged := 0
				if result != nil {
					logged = 1
					if r := book.one(t); r.str("level") != "WARN" || r.str("response") != "connection taken over" {
						t.Errorf("logged %v", r)
					}
				}
				if want := []string{"action", fmt.Sprint("first, logged ", logged), "second"}; !slices.Equal(calls, want) {
					t.Errorf("%q, want %q", calls, want)
				}
				if w.Code != 200 || w.Body.Len() > 0 {
					t.Errorf("answered %d %q", w.Code, w.Body)
				}
			})
		}
	}
}

// An action that panics has not returned. A function that panics is a panic of the
// action's.
func TestOnReturnAndPanics(t *testing.T) {
	var calls []string
	router, book := newRouter(t)
	router.HandleFunc("GET", "/action", func(w http.ResponseWriter, _ *http.Request) error {
		findOnPanic(w).OnPanic(func() { calls = append(calls, "panic") })
		findOnReturn(w).OnReturn(func() { calls = append(calls, "return") })
		explode("boom")
		return nil
	})
	router.HandleFunc("GET", "/function", func(w http.ResponseWriter, _ *http.Request) error {
		findOnReturn(w).OnReturn(func() { explode("in it") })
		findOnReturn(w).OnReturn(func() { calls = append(calls, "next") })
		return nil
	})
	for _, path := range []string{"/action", "/function"} {
		if w := serve(router, "GET", path); w.Body.Len() > 0 {
			t.Errorf("%s: answered %q", path, w.Body)
		}
	}
	if got := strings.Join(calls, " "); got != "panic" {
		t.Errorf("called: %s", got)
	}
	if n := len(book.records(t)); n != 2 {
		t.Errorf("%d records", n)
	}
}
