package proxies_test

import (
	"testing"
)

// publishKey is the key of those who publish.
const publishKey = "a key of the tests, of 32 bytes or more"

// hub is lazyws hub as a process.
type hub struct {
	*process
	t       testing.TB
	program string
	port    string
	args    []string
}

// startHub starts one on a store, with more flags.
func startHub(t testing.TB, store string, args ...string) *hub {
	t.Helper()
	return startHubOf(t, shared.lazyws, store, args...)
}

// startHubOf is startHub of another version.
func startHubOf(t testing.TB, program, store string, args ...string) *hub {
	t.Helper()
	h := &hub{t: t, program: program, port: freePort(t)}
	h.args = append([]string{
		"hub", "-addr", h.address(), "-store", store, "-public", "-publish-key", publishKey,
	}, args...)
	h.start()
	return h
}

// start starts it, for the first time or again, and waits until it is ready.
func (h *hub) start() {
	h.t.Helper()
	h.process = startProcess(h.t, shared.dir, h.program, h.args...)
	ready(h.t, h.url()+"/readyz")
}

func (h *hub) address() string { return "127.0.0.1:" + h.port }

func (h *hub) url() string { return "http://" + h.address() }
