package lazyroutes_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"

	"golazy.dev/lazycontroller"
	"golazy.dev/lazyroutes"
)

func ExampleNew() {
	router := lazyroutes.New(lazyroutes.WithLogger(context.Background(), slog.New(slog.DiscardHandler)))
	router.HandleFunc(http.MethodGet, "/rooms/{id}", func(w http.ResponseWriter, r *http.Request) error {
		if id := r.PathValue("id"); id != "lobby" {
			return lazycontroller.Error(http.StatusNotFound, fmt.Errorf("no room %q", id))
		}
		_, err := fmt.Fprintln(w, "welcome to the lobby")
		return err
	})

	for _, target := range []string{"/rooms/lobby", "/rooms/attic"} {
		w := httptest.NewRecorder()
		router.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
		fmt.Print(w.Code, " ", w.Body)
	}
	// Output:
	// 200 welcome to the lobby
	// 404 Not Found
}

func ExampleScope_Routes() {
	show := func(http.ResponseWriter, *http.Request) error { return nil }

	router := lazyroutes.New(context.Background())
	router.HandleFunc(http.MethodGet, "/{$}", show)
	router.Path("/rooms/{room}", func(room *lazyroutes.Scope) {
		room.HandleFunc(http.MethodGet, "", show)
		room.HandleFunc(http.MethodPost, "/messages", show)
	})
	router.Namespace("admin", func(admin *lazyroutes.Scope) {
		admin.HandleFunc(http.MethodGet, "/users", show)
	})

	for _, route := range router.Routes() {
		fmt.Printf("%v, namespace %q\n", route, route.Namespace)
	}
	// Output:
	// GET /{$}, namespace ""
	// GET /rooms/{room}, namespace ""
	// POST /rooms/{room}/messages, namespace ""
	// GET /admin/users, namespace "admin"
}

func ExampleScope_Use() {
	onlyAdmins := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Role") != "admin" {
				lazycontroller.Respond(w, r, lazycontroller.Error(http.StatusForbidden, nil))
				return
			}
			next.ServeHTTP(w, r)
		})
	}

	router := lazyroutes.New(context.Background())
	router.Namespace("admin", func(admin *lazyroutes.Scope) {
		admin.Use(onlyAdmins)
		admin.HandleFunc(http.MethodGet, "/users", func(w http.ResponseWriter, _ *http.Request) error {
			_, err := fmt.Fprintln(w, "all users")
			return err
		})
	})

	for _, role := range []string{"guest", "admin"} {
		r := httptest.NewRequest(http.MethodGet, "/admin/users", nil)
		r.Header.Set("X-Role", role)
		w := httptest.NewRecorder()
		router.ServeHTTP(w, r)
		fmt.Print(role, ": ", w.Code, " ", w.Body)
	}
	// Output:
	// guest: 403 Forbidden
	// admin: 200 all users
}

func ExampleWithLogger() {
	withoutTime := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: withoutTime}))

	router := lazyroutes.New(lazyroutes.WithLogger(context.Background(), logger))
	router.HandleFunc(http.MethodGet, "/", func(http.ResponseWriter, *http.Request) error {
		return errors.New("disk full")
	})
	router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	// Output:
	// level=ERROR msg="request failed" status=500 error="disk full" method=GET path=/ route="GET /"
}

// What takes over a connection asks to be told of a panic, without importing
// this package.
func Example_takingOver() {
	upgrade := func(w http.ResponseWriter) {
		// ... take over the connection of w, and then:
		for {
			if on, ok := w.(interface{ OnPanic(f func()) }); ok {
				on.OnPanic(func() { fmt.Println("closed with 1011") })
				return
			}
			inner, ok := w.(interface{ Unwrap() http.ResponseWriter })
			if !ok {
				return
			}
			w = inner.Unwrap()
		}
	}

	router := lazyroutes.New(lazyroutes.WithLogger(context.Background(), slog.New(slog.DiscardHandler)))
	router.HandleFunc(http.MethodGet, "/socket", func(w http.ResponseWriter, _ *http.Request) error {
		upgrade(w)
		panic("a bug")
	})
	router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/socket", nil))
	fmt.Println("still running")
	// Output:
	// closed with 1011
	// still running
}
