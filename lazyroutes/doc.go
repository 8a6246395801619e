// Package lazyroutes routes HTTP requests to actions: functions like an
// http.HandlerFunc that return an error.
//
//	router := lazyroutes.New(ctx)
//	router.HandleFunc(http.MethodGet, "/rooms/{id}", rooms.Show)
//	http.ListenAndServe("localhost:3000", router)
//
// The matching is that of http.ServeMux: its paths, its precedence, its path
// values. What the package adds:
//
// # Scopes
//
// A [Scope] is where routes are drawn. [Scope.Path] opens a scope below a URL
// prefix, [Scope.Namespace] one that is also a named part of the application.
// [Scope.Use] adds middleware to a scope. [Scope.Routes] lists what was drawn.
//
// # Errors
//
// The error of an action becomes a response by lazycontroller.Respond: with the
// status of lazycontroller.Error, otherwise 500; as text, HTML or problem
// details; without a word of the error. If the action has written a response,
// or taken over the connection, nothing is added to it.
//
// The error is logged, once, with log/slog (see [WithLogger]): at level Error
// when its status is 5xx, Info when it is 4xx, and Debug when it is
// context.Canceled because the client has gone.
//
// An action that returns http.ErrAbortHandler aborts the response, as one that
// panics with it.
//
// # Panics
//
// A panic never ends the process, and is logged once, with its stack. What the
// client sees depends on how far the action had come:
//
//   - Nothing written: a response with status 500.
//   - A response begun: the connection, or the HTTP/2 stream, is aborted, so
//     that the client sees a cut response and not a short one.
//   - The connection taken over: it is closed as whoever took it over has asked
//     for; see below.
//
// A panic with http.ErrAbortHandler means what it means to net/http: the
// response is aborted and nothing is logged.
//
// # Response writers
//
// The response writer that an action gets has an Unwrap method, so that
// http.NewResponseController finds everything that net/http offers. It is an
// http.Flusher or an http.Hijacker if the writer beneath is one (directly or
// through Unwrap), and an io.ReaderFrom if the writer beneath is one itself.
//
// # Taking over a connection
//
// Code that takes over a connection, as a WebSocket upgrader does, can learn of
// a panic without importing this package. The response writer, or one that it
// unwraps to, has the method
//
//	OnPanic(f func())
//
// The code looks for it along the chain of Unwrap methods, takes the first, and
// registers a function that ends the connection properly (a WebSocket is closed
// with code 1011). These are the terms:
//
//   - Register after the connection has been taken over successfully, from the
//     goroutine that serves the request. From then on the connection belongs to
//     the registrant: after a panic the router calls the functions and neither
//     answers nor aborts, nor closes the connection itself. (A panic with
//     http.ErrAbortHandler goes on to net/http after the functions.)
//   - When the action panics, with http.ErrAbortHandler too, the functions are
//     called in the order of their registration, on the goroutine that serves
//     the request, after all deferred calls of the action. A function may thus
//     find its connection closed by one of those, and must cope with it. It
//     should return soon: the request does not end before.
//   - A function that panics is logged and does not keep the next from its call.
//   - When the action returns, with an error or without, they are forgotten.
//
// If a connection was hijacked and nothing registered, the router closes it
// after a panic.
//
// Over HTTP/2 nothing can be hijacked: code that takes over the stream uses the
// response writer until it is done with it, and the stream ends with the handler. An
// extended CONNECT that asks for a WebSocket (RFC 8441) goes to the route that is
// drawn for GET; the action sees its method, CONNECT. So that an action may return
// and leave the stream to a goroutine, the response writer has a second method
//
//	OnReturn(f func())
//
// with the same terms, but for these: the stream belongs to the registrant from then
// on, whatever the action returns; the functions are called, in the order of their
// registration, when the action has returned without a panic and its error was logged,
// and the request ends when they have returned.
package lazyroutes
