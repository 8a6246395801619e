package main

import (
	"fmt"
	"net/http"
	"testing"

	natsserver "github.com/nats-io/nats-server/v2/server"
)

// startNATS starts a server with JetStream that ends with the test, and returns its
// URL.
func startNATS(t *testing.T) string {
	t.Helper()
	s, err := natsserver.NewServer(&natsserver.Options{
		Host: "127.0.0.1", Port: -1, NoLog: true, NoSigs: true, JetStream: true, StoreDir: t.TempDir(),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(patience) {
		t.Fatal("the server does not start")
	}
	return s.ClientURL()
}

// Two hubs on one NATS are one: what is published at one is delivered at the other,
// and a client goes on there where it was. Both drain while the store lives on.
func TestHubNATS(t *testing.T) {
	args := []string{"-public", "-publish-key", publishKey, "-store", startNATS(t)}
	a, b := startHub(t, args...), startHub(t, args...)
	c := a.welcomed("")
	c.subscribe(plainName("room"), confirmed)
	var last frame
	for i := 1; i <= 4; i++ {
		[]*process{a, b}[i%2].publish(fmt.Sprintf(`{"stream":"room","data":"%d"}`, i), http.StatusCreated)
		f := c.wantMessage(fmt.Sprint(i))
		if f.Offset <= last.Offset {
			t.Errorf("%+v behind %+v", f, last)
		}
		if i < 3 {
			last = f
		}
	}
	c.conn.Close()
	a.stop()

	c = b.welcomed("")
	c.send(map[string]any{"command": "subscribe", "identifier": plainName("room"), "history": last.position()})
	c.want(confirmed)
	c.wantMessage("3")
	c.wantMessage("4")
	c.want("confirm_history")
	c.conn.Close()
	b.stop()
}
