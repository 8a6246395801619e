package lazyroutes_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golazy.dev/lazycontroller"
	"golazy.dev/lazyroutes"
)

var errSecret = errors.New("secret hunter2")

func TestActionErrors(t *testing.T) {
	tests := []struct {
		name    string
		action  func(http.ResponseWriter, *http.Request) error
		status  int
		body    string
		level   string // "" if nothing is logged
		logged  int    // the status in the log
		outcome string // "response" in the log
	}{
		{"none", func(http.ResponseWriter, *http.Request) error { return nil }, 200, "", "", 0, ""},
		{"plain", func(http.ResponseWriter, *http.Request) error { return errSecret }, 500, "Internal Server Error\n", "ERROR", 500, ""},
		{"client's", func(http.ResponseWriter, *http.Request) error {
			return lazycontroller.Error(404, errSecret)
		}, 404, "Not Found\n", "INFO", 404, ""},
		{"wrapped", func(http.ResponseWriter, *http.Request) error {
			return fmt.Errorf("x: %w", lazycontroller.Error(409, errSecret))
		}, 409, "Conflict\n", "INFO", 409, ""},
		{"server's", func(http.ResponseWriter, *http.Request) error {
			return lazycontroller.Error(503, errSecret)
		}, 503, "Service Unavailable\n", "ERROR", 503, ""},
		{"header set before", func(w http.ResponseWriter, _ *http.Request) error {
			w.Header().Set("Content-Length", "3")
			w.Header().Set("Content-Encoding", "gzip")
			return errSecret
		}, 500, "Internal Server Error\n", "ERROR", 500, ""},
		{"after a status", func(w http.ResponseWriter, _ *http.Request) error {
			w.WriteHeader(202)
			return errSecret
		}, 202, "", "ERROR", 500, "already begun"},
		{"after a body", func(w http.ResponseWriter, _ *http.Request) error {
			_, _ = io.WriteString(w, "half")
			return lazycontroller.Error(400, errSecret)
		}, 200, "half", "INFO", 400, "already begun"},
		{"after a write of bytes", func(w http.ResponseWriter, _ *http.Request) error {
			_, _ = w.Write([]byte("half"))
			return errSecret
		}, 200, "half", "ERROR", 500, "already begun"},
		{"after a flush", func(w http.ResponseWriter, _ *http.Request) error {
			w.(http.Flusher).Flush()
			return errSecret
		}, 200, "", "ERROR", 500, "already begun"},
		{"after a flush by controller", func(w http.ResponseWriter, _ *http.Request) error {
			return errors.Join(http.NewResponseController(w).Flush(), errSecret)
		}, 200, "", "ERROR", 500, "already begun"},
		{"cancelled while the client waits", func(http.ResponseWriter, *http.Request) error {
			return context.Canceled
		}, 500, "Internal Server Error\n", "ERROR", 500, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			router, book := newRouter(t)
			router.Namespace("shop", func(s *lazyroutes.Scope) { s.HandleFunc("GET", "/{id}", tt.action) })
			w := serve(router, "GET", "/shop/7?token=hunter2")
			if w.Code != tt.status || w.Body.String() != tt.body {
				t.Errorf("%d %q, want %d %q", w.Code, w.Body, tt.status, tt.body)
			}
			if w.Header().Get("Content-Encoding") != "" {
				t.Error("the content coding of another content is left")
			}
			if tt.level == "" {
				book.none(t)
				return
			}
			r := book.one(t)
			if r.str("msg") != "request failed" || r.str("level") != tt.level || r["status"] != float64(tt.logged) {
				t.Errorf("logged %v", r)
			}
			if r.str("method") != "GET" || r.str("path") != "/shop/7" || r.str("route") != "GET /shop/{id}" || r.str("namespace") != "shop" {
				t.Errorf("logged %v", r)
			}
			if r.str("response") != tt.outcome {
				t.Errorf("logged the response %q, want %q", r.str("response"), tt.outcome)
			}
			if strings.Contains(fmt.Sprint(r), "token") {
				t.Errorf("the query was logged: %v", r)
			}
			if tt.name != "cancelled while the client waits" && !strings.Contains(r.str("error"), "hunter2") {
				t.Errorf("the error was not logged: %v", r)
			}
		})
	}
}

func TestErrorsAreNegotiated(t *testing.T) {
	router, _ := newRouter(t)
	router.HandleFunc("GET", "/", func(http.ResponseWriter, *http.Request) error { return lazycontroller.Error(422, errSecret) })
	for accept, want := range map[string]string{
		"text/html,application/xhtml+xml,*/*;q=0.8": "<h1>422 Unprocessable Entity</h1>",
		"application/json":                          `"title":"Unprocessable Entity"`,
		"*/*":                                       "Unprocessable Entity\n",
	} {
		w := serve(router, "GET", "/", "Accept", accept)
		if body := w.Body.String(); !strings.Contains(body, want) || strings.Contains(body, "hunter2") {
			t.Errorf("%s: %q", accept, body)
		}
	}
	if w := serve(router, "HEAD", "/"); w.Code != 422 || w.Body.Len() != 0 {
		t.Errorf("HEAD: %d %q", w.Code, w.Body)
	}
}

func TestClientGoneIsNoError(t *testing.T) {
	router, book := newRouter(t)
	entered := make(chan struct{})
	left := make(chan struct{})
	router.HandleFunc("GET", "/", func(_ http.ResponseWriter, r *http.Request) error {
		close(entered)
		<-r.Context().Done()
		return fmt.Errorf("query: %w", r.Context().Err())
	})
	server, _ := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		router.ServeHTTP(w, r)
		close(left)
	}), false)
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		<-entered
		cancel()
	}()
	res, err := server.Client().Do(req)
	if err == nil {
		res.Body.Close()
		t.Fatal("a response came")
	}
	<-left
	if r := book.one(t); r.str("level") != "DEBUG" || !strings.Contains(r.str("error"), "query") {
		t.Errorf("logged %v", r)
	}
}

// The logger that middleware puts into the request is the one that is used.
func TestLoggerOfTheRequest(t *testing.T) {
	router, outer := newRouter(t)
	inner := &logbook{}
	router.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			logger := inner.logger().With("request_id", "42")
			next.ServeHTTP(w, r.WithContext(lazyroutes.WithLogger(r.Context(), logger)))
		})
	})
	router.HandleFunc("GET", "/error", func(http.ResponseWriter, *http.Request) error { return errSecret })
	router.HandleFunc("GET", "/panic", func(http.ResponseWriter, *http.Request) error { panic("x") })
	serve(router, "GET", "/error")
	serve(router, "GET", "/panic")
	outer.none(t)
	records := inner.records(t)
	if len(records) != 2 || records[0].str("request_id") != "42" || records[1].str("request_id") != "42" {
		t.Errorf("logged %v", records)
	}
}

// opaque hides everything of a writer but the writer.
type opaque struct{ w http.ResponseWriter }

func (o opaque) Header() http.Header         { return o.w.Header() }
func (o opaque) Write(p []byte) (int, error) { return o.w.Write(p) }
func (o opaque) WriteHeader(status int)      { o.w.WriteHeader(status) }

// buffering is middleware that holds the response back until its end, and adds
// a field to it.
func buffering(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		held := httptest.NewRecorder()
		next.ServeHTTP(opaque{held}, r)
		for name, values := range held.Header() {
			w.Header()[name] = values
		}
		w.Header().Set("X-Through", "yes")
		w.WriteHeader(held.Code)
		_, _ = w.Write(held.Body.Bytes())
	})
}

func TestErrorsPassThroughMiddleware(t *testing.T) {
	router, book := newRouter(t)
	router.Use(buffering)
	router.HandleFunc("GET", "/error", func(http.ResponseWriter, *http.Request) error { return errSecret })
	router.HandleFunc("GET", "/panic", func(http.ResponseWriter, *http.Request) error { panic("x") })
	router.HandleFunc("GET", "/begun", func(w http.ResponseWriter, _ *http.Request) error {
		_, _ = io.WriteString(w, "half")
		return errSecret
	})
	for target, want := range map[string]string{
		"/error": "500 Internal Server Error\n",
		"/panic": "500 Internal Server Error\n",
		"/begun": "200 half",
	} {
		w := serve(router, "GET", target)
		if got := fmt.Sprintf("%d %s", w.Code, w.Body); got != want || w.Header().Get("X-Through") != "yes" {
			t.Errorf("%s: got %q, X-Through %q", target, got, w.Header().Get("X-Through"))
		}
	}
	if n := len(book.records(t)); n != 3 {
		t.Errorf("%d records, want one for each request", n)
	}
}

func TestInformationalResponsesDoNotCount(t *testing.T) {
	router, book := newRouter(t)
	router.HandleFunc("GET", "/hints", func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusProcessing)
		return lazycontroller.Error(404, errSecret)
	})
	router.HandleFunc("GET", "/switch", func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(http.StatusSwitchingProtocols)
		return lazycontroller.Error(404, errSecret)
	})
	router.HandleFunc("GET", "/invalid", func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(7) // panics
		return nil
	})
	server, netLog := listen(t, router, false)
	if res, body, err := fetch(t, server, "/hints"); err != nil || res.StatusCode != 404 || body != "Not Found\n" {
		t.Errorf("after hints: %v %q %v", res, body, err)
	}
	if res, body, err := fetch(t, server, "/invalid"); err != nil || res.StatusCode != 500 || body != "Internal Server Error\n" {
		t.Errorf("after an invalid status: %v %q %v", res, body, err)
	}
	if w := serve(router, "GET", "/switch"); w.Code != 101 || w.Body.Len() != 0 {
		t.Errorf("after switching: %d %q", w.Code, w.Body)
	}
	netLog.none(t)
	if n := len(book.records(t)); n != 3 {
		t.Errorf("%d records", n)
	}
}
