package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
)

// startNATS starts a server with JetStream on a free port and returns its address.
func startNATS(t *testing.T) string {
	t.Helper()
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT,
		JetStream: true, StoreDir: t.TempDir(),
		NoLog: true, NoSigs: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(patience) {
		t.Fatal("the NATS server does not start")
	}
	return s.ClientURL()
}

// Two programs on NATS are one chat: what is said, who is here, new rooms and log-outs go from one to the other.
func TestTwoNodes(t *testing.T) {
	url := startNATS(t)
	secret := filepath.Join(t.TempDir(), "secret")
	first := start(t, "-nats", url, "-secret", secret)
	second := start(t, "-nats", url, "-secret", secret)
	ada, bo := first.enter(t, "Ada"), second.enter(t, "Bo")
	here, there := ada.open("/rooms/lobby", nil), bo.open("/rooms/lobby", nil)

	ada.ask("/rooms/lobby/messages", "id", "1", "text", "from one node")
	bo.ask("/rooms/lobby/messages", "id", "1", "text", "from the other")
	for i, p := range []page{here, there} {
		if got := []string{p.text(), p.text()}; !slices.Equal(got, []string{"from one node", "from the other"}) {
			t.Errorf("node %d brings %q", i, got)
		}
	}

	for _, p := range []page{here, there} {
		p.send(map[string]any{"command": "join", "identifier": p.identifier})
		p.want("presence")
	}
	for _, v := range []*visitor{ada, bo} {
		body := v.get("/rooms/lobby").body
		people, _, _ := strings.Cut(body[strings.Index(body, `<ul id="present">`):], "</ul>")
		if !strings.Contains(people, "Ada") || !strings.Contains(people, "Bo") {
			t.Errorf("here are %s", people)
		}
	}

	ada.post("/rooms", "name", "Garden")
	if a := bo.get("/rooms/garden"); a.status != 200 {
		t.Errorf("on the other node the new room is %d", a.status)
	}

	// Ada's cookie is good on both nodes, and nowhere any more when she has logged out on one.
	tab := ada.elsewhere(second.site)
	socket := tab.connect()
	socket.want("welcome")
	ada.post("/logout")
	if f := socket.want("disconnect"); f.Reconnect == nil || *f.Reconnect {
		t.Errorf("the socket on the other node is told %+v", f)
	}
	if a := tab.get("/rooms/lobby"); !strings.HasPrefix(a.path, "/login") {
		t.Errorf("on the other node the old cookie leads to %s", a.path)
	}
	for _, c := range []page{here, there} {
		_ = c.conn.Close()
	}
	_ = socket.conn.Close()
	first.end(t)
	if a := bo.ask("/rooms/lobby/messages", "id", "2", "text", "alone"); a.status != 201 {
		t.Errorf("with one node gone: %d", a.status)
	}
	second.end(t)
}
