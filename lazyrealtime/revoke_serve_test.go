package lazyrealtime_test

import (
	"net/http"
	"testing"
	"time"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/enginetest"
	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// Nobody is let in while nobody knows who was revoked: neither a connection that the
// application has upgraded, nor one that was being made when the time ran out.
func TestServeWhileRevocationsAreUnreadable(t *testing.T) {
	within(t, revocable, func(w *world) {
		upgrader := lazywebsocket.Upgrader{Subprotocols: []string{extended}}
		w.net = wstest.Serve(w.t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			conn, err := upgrader.Upgrade(rw, r, nil)
			if err == nil {
				err = w.hub.Serve(conn, lazyrealtime.Identity{ID: "a"})
			}
			if err != nil {
				w.t.Error(err)
			}
		}))
		w.log.Fail(enginetest.OpControls)
		time.Sleep(12 * time.Second)
		start := time.Now()
		c := w.dial("/", extended)
		c.want(welcome)
		c.wantClose(restart, 1001)
		if took := time.Since(start); took != 0 {
			w.t.Errorf("it was let in for %v", took)
		}
		w.log.Before(nil)
	})
}
