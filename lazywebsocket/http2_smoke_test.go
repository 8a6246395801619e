package lazywebsocket_test

import (
	"net/http"
	"testing"
)

// On a clock that is real, and with every release of Go: both sides end a connection,
// behind net/http and a router.
func TestOverHTTP2(t *testing.T) {
	for name, handler := range map[string]http.Handler{"net/http": plain(guide), "lazyroutes": routed(guide)} {
		t.Run(name, func(t *testing.T) {
			c := h2Server(t, &http.Server{Handler: handler})(1 << 20)
			for i := range 40 {
				s := c.socket(t, "/ws")
				s.send(0x81, "hello")
				s.want(0x81, "hello")
				if i%2 == 0 {
					s.send(0x81, "leave")
					s.want(0x88, code(1000))
					s.goodbye(1000, i%4 == 0)
				} else {
					s.goodbye(1001, i%4 == 1)
					s.want(0x88, code(1001))
				}
				s.wantEnd()
			}
		})
	}
}
