package lazyroutes

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

// response wraps a response writer to know whether a response has begun or the
// connection is gone. It is used by the goroutine that serves the request.
type response struct {
	w        http.ResponseWriter
	begun    bool     // a status has been written that is not informational
	hijacked net.Conn // the connection, once it has been hijacked
	onPanic  []func()
	onReturn []func()
	streamed bool // somebody has the HTTP/2 stream
}

// wrap returns w wrapped, with those optional interfaces that w has. A writer
// of ours is returned as it is: middleware that passes its writer on costs
// nothing.
func wrap(w http.ResponseWriter) (http.ResponseWriter, *response) {
	if ours, ok := w.(interface{ lazyroutesResponse() *response }); ok {
		return w, ours.lazyroutesResponse()
	}
	re := &response{w: w}
	f, h, rf := flusher{re}, hijacker{re}, readerFrom{re}
	_, canRead := w.(io.ReaderFrom) // w itself: one beneath would go past w
	switch canFlush, canHijack := has[flushes](w) || has[http.Flusher](w), has[http.Hijacker](w); {
	case canFlush && canHijack && canRead:
		return struct {
			*response
			flusher
			hijacker
			readerFrom
		}{re, f, h, rf}, re
	case canFlush && canHijack:
		return struct {
			*response
			flusher
			hijacker
		}{re, f, h}, re
	case canFlush && canRead:
		return struct {
			*response
			flusher
			readerFrom
		}{re, f, rf}, re
	case canHijack && canRead:
		return struct {
			*response
			hijacker
			readerFrom
		}{re, h, rf}, re
	case canFlush:
		return struct {
			*response
			flusher
		}{re, f}, re
	case canHijack:
		return struct {
			*response
			hijacker
		}{re, h}, re
	case canRead:
		return struct {
			*response
			readerFrom
		}{re, rf}, re
	}
	return re, re
}

type flushes interface{ FlushError() error }

// has tells whether w, or a writer that it unwraps to, is a T: what
// http.ResponseController would find.
func has[T any](w http.ResponseWriter) bool {
	for {
		if _, ok := w.(T); ok {
			return true
		}
		inner, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return false
		}
		w = inner.Unwrap()
	}
}

func (re *response) lazyroutesResponse() *response { return re }

// Unwrap returns the writer beneath, for http.ResponseController.
func (re *response) Unwrap() http.ResponseWriter { return re.w }

// OnPanic registers a function that is called when the action panics. See the
// description of the package for the terms.
func (re *response) OnPanic(f func()) {
	if f != nil {
		re.onPanic = append(re.onPanic, f)
	}
}

// OnReturn registers a function that is called when the action has returned. See the
// description of the package for the terms.
func (re *response) OnReturn(f func()) {
	if f != nil {
		re.onReturn = append(re.onReturn, f)
		re.streamed = true
	}
}

func (re *response) Header() http.Header { return re.w.Header() }

func (re *response) WriteHeader(status int) {
	re.w.WriteHeader(status) // panics for a status that is none, before it counts
	// Informational responses go before the response; 101 is one itself
	// (RFC 9110, 15.2).
	if status >= 200 || status == http.StatusSwitchingProtocols {
		re.begun = true
	}
}

func (re *response) Write(p []byte) (int, error) {
	re.begun = true
	return re.w.Write(p)
}

// WriteString spares the copy to a byte slice where the writer beneath can.
func (re *response) WriteString(s string) (int, error) {
	re.begun = true
	return io.WriteString(re.w, s)
}

// taken tells whether somebody else has the connection, or the HTTP/2 stream.
func (re *response) taken() bool { return re.hijacked != nil || re.streamed || len(re.onPanic) > 0 }

// flusher, hijacker and readerFrom are the parts of a response that only some
// have. They go through the writer beneath.
type (
	flusher    struct{ re *response }
	hijacker   struct{ re *response }
	readerFrom struct{ re *response }
)

func (f flusher) Flush() { _ = f.FlushError() }

func (f flusher) FlushError() error {
	f.re.begun = true // flushing sends the header
	return http.NewResponseController(f.re.w).Flush()
}

func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buf, err := http.NewResponseController(h.re.w).Hijack()
	if err == nil {
		h.re.hijacked = conn
	}
	return conn, buf, err
}

// ReadFrom keeps the way open to sendfile(2).
func (rf readerFrom) ReadFrom(src io.Reader) (int64, error) {
	begun := rf.re.begun
	rf.re.begun = true // if src panics something may have been written
	n, err := rf.re.w.(io.ReaderFrom).ReadFrom(src)
	if n == 0 {
		rf.re.begun = begun // net/http sends the header with the first byte
	}
	return n, err
}
