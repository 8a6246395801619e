package lazyroutes

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"

	"golazy.dev/lazycontroller"
)

type action = func(http.ResponseWriter, *http.Request) error

// endpoint serves the requests of one route. It is what the mux knows.
type endpoint struct {
	route  Route
	action action
	// around is the middleware around the action, nil if there is none.
	around http.Handler
}

func newEndpoint(route Route, action action, chain []Middleware) *endpoint {
	e := &endpoint{route: route, action: action}
	if len(chain) == 0 {
		return e
	}
	var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.guard(w, r, e.action, true)
	})
	for i := len(chain) - 1; i >= 0; i-- {
		if h = chain[i](h); h == nil {
			panic("lazyroutes: " + route.String() + ": middleware returned a nil handler")
		}
	}
	e.around = h
	return e
}

// ServeHTTP is called by the mux only.
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := w.(*muxAnswer)
	r.Method = a.method
	if e.around == nil {
		e.guard(a.w, r, e.action, true)
		return
	}
	// The action is guarded within, where an error can still pass through the
	// middleware; this guard is for the middleware itself.
	e.guard(a.w, r, func(w http.ResponseWriter, r *http.Request) error {
		e.around.ServeHTTP(w, r)
		return nil
	}, false)
}

// guard calls an action and deals with its error or panic. innermost is false
// for the guard around the middleware. That one does not close a hijacked
// connection on its own account: it may belong to somebody who outlives the
// action.
func (e *endpoint) guard(w http.ResponseWriter, r *http.Request, action action, innermost bool) {
	w, re := wrap(w)
	outer := len(re.onPanic)
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		if innermost && re.hijacked != nil && len(re.onPanic) == 0 {
			_ = re.hijacked.Close() // nobody else will
		}
		e.panicked(w, re, r, v)
	}()
	err := action(w, r)
	if errors.Is(err, http.ErrAbortHandler) {
		panic(http.ErrAbortHandler)
	}
	re.onPanic = re.onPanic[:outer]
	if err != nil {
		e.failed(w, re, r, err)
	}
	for len(re.onReturn) > 0 {
		f := re.onReturn[0]
		re.onReturn = re.onReturn[1:]
		f()
	}
}

// failed deals with the error of an action.
func (e *endpoint) failed(w http.ResponseWriter, re *response, r *http.Request, err error) {
	status := lazycontroller.StatusCode(err)
	level := slog.LevelInfo
	switch {
	case errors.Is(err, context.Canceled) && r.Context().Err() != nil:
		level = slog.LevelDebug // the client has gone; nothing is wrong here
	case re.taken():
		level = slog.LevelWarn // most often a peer that vanished; no response failed
	case status >= 500:
		level = slog.LevelError
	}
	e.log(r, re, level, "request failed", slog.Int("status", status), slog.Any("error", err))
	if re.hijacked == nil && !re.streamed && !re.begun {
		lazycontroller.Respond(w, r, err)
	}
}

// panicked deals with the value of a panic. It panics itself to abort the
// response.
func (e *endpoint) panicked(w http.ResponseWriter, re *response, r *http.Request, v any) {
	defer func() { re.onPanic, re.onReturn = nil, nil }() // each is called once
	for _, f := range re.onPanic {
		e.callOnPanic(re, r, f)
	}
	if v == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so, and would log what wraps it
		panic(v)
	}
	e.log(r, re, slog.LevelError, "panic", panicAttrs(v)...)
	switch {
	case re.taken():
	case re.begun:
		panic(http.ErrAbortHandler)
	default:
		lazycontroller.Respond(w, r, lazycontroller.Error(http.StatusInternalServerError, nil))
	}
}

// callOnPanic calls a function of OnPanic.
func (e *endpoint) callOnPanic(re *response, r *http.Request, f func()) {
	defer func() {
		if v := recover(); v != nil {
			e.log(r, re, slog.LevelError, "panic in a function of OnPanic", panicAttrs(v)...)
		}
	}()
	f()
}

// panicAttrs describes a panic; called while it is dealt with, so that the
// stack is that of the panic.
func panicAttrs(v any) []slog.Attr {
	return []slog.Attr{slog.String("panic", fmt.Sprint(v)), slog.String("stack", string(debug.Stack()))}
}

// log writes one record about a request. The query of the URL is left out: it
// may hold secrets.
func (e *endpoint) log(r *http.Request, re *response, level slog.Level, msg string, attrs ...slog.Attr) {
	attrs = append(attrs,
		slog.String("method", r.Method),
		slog.String("path", r.URL.Path),
		slog.String("route", e.route.String()),
	)
	if e.route.Namespace != "" {
		attrs = append(attrs, slog.String("namespace", e.route.Namespace))
	}
	// What the client sees when it is not the status of the error.
	switch {
	case re.taken():
		attrs = append(attrs, slog.String("response", "connection taken over"))
	case re.begun:
		attrs = append(attrs, slog.String("response", "already begun"))
	}
	Logger(r.Context()).LogAttrs(r.Context(), level, msg, attrs...)
}
