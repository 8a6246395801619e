package proxies_test

import (
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golazy.dev/lazywebsocket"
)

// The proxy dies and comes back while messages are published: its clients come back
// and have missed nothing.
func TestProxyRestarts(t *testing.T) {
	everyProxy(t, func(t *testing.T, kind string) {
		h := startHub(t, "memory:")
		p := startProxy(t, kind, []string{h.address()})
		l := startLoad(t, 20, 2, "ws://"+p.host(), h.url())
		l.settle()
		p.kill()
		eventually(t, "all are cut off", func() bool { return l.served()[gone] == len(l.followers) })
		before := l.publishers[0].sent.Load()
		eventually(t, "something is missed", func() bool { return l.publishers[0].sent.Load() > before+2 })
		p.start()
		l.settle()
		l.finish()
	})
}

// A new configuration costs no socket: those that are open stay with the old workers.
func TestProxyReloads(t *testing.T) {
	reload := map[string]func(*testing.T, *proxy){
		"nginx": func(t *testing.T, p *proxy) {
			if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
			eventually(t, "it has new workers", func() bool { return strings.Contains(p.out.String(), "gracefully shutting down") })
		},
		"haproxy": func(t *testing.T, p *proxy) {
			old := p.process
			p.process = startProcess(t, p.dir, "haproxy", "-db", "-f", "haproxy.cfg", "-sf", strconv.Itoa(old.cmd.Process.Pid))
			eventually(t, "the new one listens", func() bool { return status(p.url()+"/readyz") == 200 })
		},
	}
	for kind, reload := range reload {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			b := startBackend(t)
			p := startProxy(t, kind, []string{b.address()})
			conn := dial(t, lazywebsocket.DefaultDialer, p.socket("/echo"))
			wantEcho(t, conn, "before")
			reload(t, p)
			wantEcho(t, conn, "behind")
			wantEcho(t, dial(t, lazywebsocket.DefaultDialer, p.socket("/echo")), "anew")
		})
	}
}
