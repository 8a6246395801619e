package lazyroutes_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"golazy.dev/lazyroutes"
)

// forms are the ways in which an action can stand in a router.
var forms = map[string]func(router *lazyroutes.Scope){
	"bare":       func(*lazyroutes.Scope) {},
	"middleware": func(s *lazyroutes.Scope) { s.Use(func(next http.Handler) http.Handler { return next }) },
	"unwrappable": func(s *lazyroutes.Scope) {
		s.Use(inTheWay(func(w http.ResponseWriter) http.ResponseWriter { return wrapping{w} }))
	},
	"opaque": func(s *lazyroutes.Scope) {
		s.Use(inTheWay(func(w http.ResponseWriter) http.ResponseWriter { return opaque{w} }))
	},
	"own hijacker": func(s *lazyroutes.Scope) {
		s.Use(inTheWay(func(w http.ResponseWriter) http.ResponseWriter { return hijackable{opaque{w}} }))
	},
}

func inTheWay(wrap func(http.ResponseWriter) http.ResponseWriter) lazyroutes.Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(wrap(w), r) })
	}
}

// hijackable can be hijacked but not unwrapped.
type hijackable struct{ opaque }

func (h hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.w.(http.Hijacker).Hijack()
}

func explode(what any) { panic(what) }

func TestPanicBeforeResponse(t *testing.T) {
	for form, use := range forms {
		for _, http2 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s http2=%t", form, http2), func(t *testing.T) {
				router, book := newRouter(t)
				use(router)
				router.HandleFunc("GET", "/", func(w http.ResponseWriter, _ *http.Request) error {
					w.Header().Set("Content-Length", "1000")
					explode(errors.New("boom hunter2"))
					return nil
				})
				router.HandleFunc("GET", "/well", says("well"))
				server, netLog := listen(t, router, http2)
				res, body, err := fetch(t, server, "/")
				if err != nil || res.StatusCode != 500 || body != "Internal Server Error\n" {
					t.Errorf("%v %q %v", res, body, err)
				}
				if _, body, err := fetch(t, server, "/well"); err != nil || body != "well" {
					t.Errorf("afterwards: %q %v", body, err)
				}
				server.Close()
				r := book.one(t)
				if r.str("level") != "ERROR" || r.str("msg") != "panic" || r.str("panic") != "boom hunter2" ||
					!strings.Contains(r.str("stack"), "lazyroutes_test.explode") || r.str("route") != "GET /" {
					t.Errorf("logged %v", r)
				}
				netLog.none(t)
			})
		}
	}
}

func TestPanicAfterResponseBegan(t *testing.T) {
	begin := map[string]func(w http.ResponseWriter){
		"write":  func(w http.ResponseWriter) { _, _ = w.Write([]byte("half")) },
		"string": func(w http.ResponseWriter) { _, _ = io.WriteString(w, "half") },
		"status": func(w http.ResponseWriter) { w.WriteHeader(200) },
		"flush":  func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush(); _, _ = w.Write(nil) },
		"copy": func(w http.ResponseWriter) {
			_, _ = io.Copy(w, struct{ io.Reader }{readerFunc(func([]byte) (int, error) { panic("while reading") })})
		},
	}
	for form, use := range forms {
		for how, begin := range begin {
			if how == "copy" && form != "bare" && form != "middleware" {
				continue // io.Copy writes nothing there before it reads
			}
			for _, http2 := range []bool{false, true} {
				if how == "copy" && http2 {
					continue // no ReaderFrom
				}
				t.Run(fmt.Sprintf("%s %s http2=%t", form, how, http2), func(t *testing.T) {
					router, book := newRouter(t)
					use(router)
					router.HandleFunc("GET", "/", func(w http.ResponseWriter, _ *http.Request) error {
						begin(w)
						explode("boom")
						return nil
					})
					server, netLog := listen(t, router, http2)
					if res, body, err := fetch(t, server, "/"); err == nil {
						t.Errorf("the response looks whole: %d %q", res.StatusCode, body)
					}
					server.Close()
					if r := book.one(t); r.str("msg") != "panic" || r.str("response") != "already begun" {
						t.Errorf("logged %v", r)
					}
					netLog.none(t)
				})
			}
		}
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestErrAbortHandler(t *testing.T) {
	ends := map[string]func() error{
		"panic":            func() error { panic(http.ErrAbortHandler) },
		"returned":         func() error { return http.ErrAbortHandler },
		"returned wrapped": func() error { return fmt.Errorf("proxy: %w", http.ErrAbortHandler) },
	}
	for form, use := range forms {
		for how, end := range ends {
			t.Run(form+" "+how, func(t *testing.T) {
				router, book := newRouter(t)
				use(router)
				router.HandleFunc("GET", "/", func(http.ResponseWriter, *http.Request) error { return end() })
				called := 0
				router.HandleFunc("GET", "/registered", func(w http.ResponseWriter, _ *http.Request) error {
					w.(panicker).OnPanic(func() { called++ })
					return end()
				})
				server, netLog := listen(t, router, false)
				for _, target := range []string{"/", "/registered"} {
					if res, body, err := fetch(t, server, target); err == nil {
						t.Errorf("a response came: %d %q", res.StatusCode, body)
					}
				}
				server.Close()
				book.none(t)
				netLog.none(t)
				if called != 1 {
					t.Errorf("the function was called %d times", called)
				}
				defer func() {
					if v := recover(); v != http.ErrAbortHandler { //nolint:errorlint // net/http compares it so
						t.Errorf("panicked with %v", v)
					}
				}()
				serve(router, "GET", "/")
			})
		}
	}
}

type panicker interface{ OnPanic(f func()) }

// findOnPanic does what an upgrader does.
func findOnPanic(w http.ResponseWriter) panicker {
	for {
		switch v := w.(type) {
		case panicker:
			return v
		case interface{ Unwrap() http.ResponseWriter }:
			w = v.Unwrap()
		default:
			return nil
		}
	}
}

// hijackWays are how an action gets at the connection.
var hijackWays = map[string]func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error){
	"assertion": func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) { return w.(http.Hijacker).Hijack() },
	"controller": func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
		return http.NewResponseController(w).Hijack()
	},
	"controller through a wrapping": func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
		return http.NewResponseController(wrapping{w}).Hijack()
	},
}

// talk sends a request and returns all that comes back until the end.
func talk(t *testing.T, server *httptest.Server) string {
	t.Helper()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// Only so that a connection left open fails the test instead of hanging it.
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(conn)
	if err != nil {
		return string(b) + "(" + err.Error() + ")"
	}
	return string(b)
}

func TestHijack(t *testing.T) {
	tests := []struct {
		name   string
		action func(w http.ResponseWriter, conn net.Conn) error
		want   string // what the client gets after "hello "
		log    string // level, message and response, "" for none
	}{
		{"returns", func(_ http.ResponseWriter, conn net.Conn) error { return conn.Close() }, "", ""},
		{"fails", func(_ http.ResponseWriter, conn net.Conn) error {
			defer conn.Close()
			return errSecret
		}, "", "WARN|request failed|connection taken over"},
		{"panics", func(http.ResponseWriter, net.Conn) error { panic("boom") }, "", "ERROR|panic|connection taken over"},
		{"panics, closed by the action", func(_ http.ResponseWriter, conn net.Conn) error {
			defer conn.Close()
			panic("boom")
		}, "", "ERROR|panic|connection taken over"},
		{"panics, registered", func(w http.ResponseWriter, conn net.Conn) error {
			on := findOnPanic(wrapping{w})
			on.OnPanic(func() { _, _ = io.WriteString(conn, "1011") })
			on.OnPanic(nil)
			on.OnPanic(func() { _, _ = io.WriteString(conn, " bye"); conn.Close() })
			panic("boom")
		}, "1011 bye", "ERROR|panic|connection taken over"},
		{"registered, returns", func(w http.ResponseWriter, conn net.Conn) error {
			findOnPanic(w).OnPanic(func() { _, _ = io.WriteString(conn, "called") })
			return conn.Close()
		}, "", ""},
		{"aborts, registered", func(w http.ResponseWriter, conn net.Conn) error {
			findOnPanic(w).OnPanic(func() { _, _ = io.WriteString(conn, "1011"); conn.Close() })
			panic(http.ErrAbortHandler)
		}, "1011", ""},
		{"aborts", func(http.ResponseWriter, net.Conn) error { panic(http.ErrAbortHandler) }, "", ""},
	}
	for form, use := range forms {
		if form == "opaque" {
			continue // cannot be hijacked
		}
		for way, hijack := range hijackWays {
			for _, tt := range tests {
				t.Run(strings.Join([]string{form, way, tt.name}, " "), func(t *testing.T) {
					router, book := newRouter(t)
					use(router)
					router.HandleFunc("GET", "/", func(w http.ResponseWriter, _ *http.Request) error {
						conn, _, err := hijack(w)
						if err != nil {
							return err
						}
						if _, err := io.WriteString(conn, "hello "); err != nil {
							return err
						}
						return tt.action(w, conn)
					})
					finished := make(chan struct{})
					server, netLog := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						defer close(finished)
						router.ServeHTTP(w, r)
					}), false)
					if got := talk(t, server); got != "hello "+tt.want {
						t.Errorf("the client got %q, want %q", got, "hello "+tt.want)
					}
					<-finished
					server.Close()
					netLog.none(t)
					if tt.log == "" {
						book.none(t)
						return
					}
					if r := book.one(t); r.str("level")+"|"+r.str("msg")+"|"+r.str("response") != tt.log {
						t.Errorf("logged %v", r)
					}
				})
			}
		}
	}
}

// A function of OnPanic that panics is logged, and the next one still called.
func TestOnPanicFunctionsAreGuarded(t *testing.T) {
	router, book := newRouter(t)
	var order []string
	router.HandleFunc("GET", "/", func(w http.ResponseWriter, _ *http.Request) error {
		defer func() { order = append(order, "deferred") }()
		w.(panicker).OnPanic(func() { order = append(order, "first"); panic("in first") })
		w.(panicker).OnPanic(func() { order = append(order, "second") })
		panic("boom")
	})
	serve(router, "GET", "/")
	if want := []string{"deferred", "first", "second"}; !slices.Equal(order, want) {
		t.Errorf("order %v, want %v", order, want)
	}
	records := book.records(t)
	if len(records) != 2 || records[0].str("msg") != "panic in a function of OnPanic" || records[0].str("panic") != "in first" ||
		records[1].str("msg") != "panic" || records[1].str("panic") != "boom" {
		t.Errorf("logged %v", records)
	}
}

// A stream that was taken over without a hijack, as over HTTP/2, is neither
// answered nor cut.
func TestPanicAfterStreamWasTaken(t *testing.T) {
	router, book := newRouter(t)
	router.HandleFunc("GET", "/", func(w http.ResponseWriter, _ *http.Request) error {
		if err := http.NewResponseController(w).Flush(); err != nil {
			return err
		}
		w.(panicker).OnPanic(func() { _, _ = io.WriteString(w, "1011") })
		panic("boom")
	})
	server, _ := listen(t, router, true)
	if res, body, err := fetch(t, server, "/"); err != nil || body != "1011" {
		t.Errorf("%v %q %v", res, body, err)
	}
	server.Close()
	if r := book.one(t); r.str("response") != "connection taken over" {
		t.Errorf("logged %v", r)
	}
}

// What an action has handed over when it returned is not touched by a panic of
// its middleware.
func TestMiddlewarePanicsAfterHandOver(t *testing.T) {
	for form, wrap := range map[string]func(http.ResponseWriter) http.ResponseWriter{
		"same writer": func(w http.ResponseWriter) http.ResponseWriter { return w },
		"wrapped":     func(w http.ResponseWriter) http.ResponseWriter { return wrapping{w} },
	} {
		t.Run(form, func(t *testing.T) {
			router, book := newRouter(t)
			panicked := make(chan struct{})
			router.Use(func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					next.ServeHTTP(wrap(w), r)
					panic("late")
				})
			})
			router.HandleFunc("GET", "/", func(w http.ResponseWriter, _ *http.Request) error {
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					return err
				}
				w.(panicker).OnPanic(func() { _, _ = io.WriteString(conn, "called") })
				go func() {
					defer conn.Close()
					<-panicked
					_, _ = io.WriteString(conn, "alive")
				}()
				return nil
			})
			server, _ := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer close(panicked)
				router.ServeHTTP(w, r)
			}), false)
			if got := talk(t, server); got != "alive" {
				t.Errorf("the client got %q", got)
			}
			if r := book.one(t); r.str("panic") != "late" {
				t.Errorf("logged %v", r)
			}
		})
	}
}

// What middleware has registered stays registered while it runs.
func TestMiddlewareTakesOver(t *testing.T) {
	router, book := newRouter(t)
	var calls []string
	router.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.(panicker).OnPanic(func() { calls = append(calls, "middleware's") })
			next.ServeHTTP(w, r)
			panic("late")
		})
	})
	router.HandleFunc("GET", "/", func(w http.ResponseWriter, _ *http.Request) error {
		w.(panicker).OnPanic(func() { calls = append(calls, "action's") })
		return nil
	})
	serve(router, "GET", "/")
	if want := []string{"middleware's"}; !slices.Equal(calls, want) {
		t.Errorf("calls %v, want %v", calls, want)
	}
	if r := book.one(t); r.str("panic") != "late" {
		t.Errorf("logged %v", r)
	}
}

func TestMiddlewarePanics(t *testing.T) {
	router, book := newRouter(t)
	router.Use(func(http.Handler) http.Handler {
		return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { explode("in middleware") })
	})
	router.HandleFunc("GET", "/", says("x"))
	if w := serve(router, "GET", "/"); w.Code != 500 || w.Body.String() != "Internal Server Error\n" {
		t.Errorf("%d %q", w.Code, w.Body)
	}
	if r := book.one(t); r.str("panic") != "in middleware" || !strings.Contains(r.str("stack"), "explode") {
		t.Errorf("logged %v", r)
	}
}
