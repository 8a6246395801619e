package http2

import "net/http"

// Handler returns a handler that calls next and then, where next has upgraded an
// extended CONNECT and returned before the connection's end, waits for that. A connection
// whose handler panics is ended, with CloseInternalServerErr. It is for
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
		defer k.panicked()
		next.ServeHTTP(&k, r)
		k.panics = nil
		for _, wait := range k.waits {
			wait()
		}
	})
}

// keeper is a response writer that knows for what the request waits, and who is told when
// its handler panics. It is used by the goroutine that serves the request.
type keeper struct {
	http.ResponseWriter
	waits, panics []func()
}

// panicked tells of a panic that is on its way.
func (k *keeper) panicked() {
	for _, tell := range k.panics {
		tell()
	}
}

// Unwrap returns the writer beneath, for http.ResponseController.
func (k *keeper) Unwrap() http.ResponseWriter { return k.ResponseWriter }

// OnReturn registers what is called when the handler has returned: Upgrader.Upgrade
// looks for it.
func (k *keeper) OnReturn(f func()) { k.waits = append(k.waits, f) }

// OnPanic registers what is called when the handler has panicked: Upgrader.Upgrade looks
// for it, too.
func (k *keeper) OnPanic(f func()) { k.panics = append(k.panics, f) }

// Flush implements http.Flusher.
func (k *keeper) Flush() { _ = http.NewResponseController(k.ResponseWriter).Flush() }
