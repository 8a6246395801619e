package http2

import "net/http"

// Handler returns a handler that calls next and then, where next has upgraded an
// extended CONNECT and returned before the connection's end, waits for that. It is for
// programs that leave connections to goroutines,
//
//	conn, err := upgrader.Upgrade(w, r, nil)
//	...
//	go client.read(conn)
//	go client.write(conn)
//
// as one may over HTTP/1.1: over HTTP/2 the connection would end with the handler. It
// stands outside of everything else:
//
//	server := &http.Server{Handler: http2.Handler(mux), HTTP2: http2.Config()}
//
// Connections that are closed before the handler returns, or that a Poller serves, do
// not need it, nor does lazyroutes, which does the same. Other requests pass as they are.
func Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.ProtoMajor != 2 {
			next.ServeHTTP(w, r)
			return
		}
		k := keeper{ResponseWriter: w}
		next.ServeHTTP(&k, r)
		for _, wait := range k.waits {
			wait()
		}
	})
}

// keeper is a response writer that knows for what the request waits. It is used by the
// goroutine that serves the request.
type keeper struct {
	http.ResponseWriter
	waits []func()
}

// Unwrap returns the writer beneath, for http.ResponseController.
func (k *keeper) Unwrap() http.ResponseWriter { return k.ResponseWriter }

// OnReturn registers what is called when the handler has returned: Upgrader.Upgrade
// looks for it.
func (k *keeper) OnReturn(f func()) { k.waits = append(k.waits, f) }

// Flush implements http.Flusher.
func (k *keeper) Flush() { _ = http.NewResponseController(k.ResponseWriter).Flush() }
