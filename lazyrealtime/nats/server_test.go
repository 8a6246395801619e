package nats_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
)

// serverOptions are those of a server on loopback, with its own store.
func serverOptions(dir string) *server.Options {
	return &server.Options{
		Host: "127.0.0.1", Port: -1, NoLog: true, NoSigs: true,
		JetStream: true, StoreDir: dir, MaxPayload: 2 << 20,
	}
}

func startFor(t testing.TB, dir string) *server.Server { return start(t, serverOptions(dir)) }

// start starts a server, which ends with the test.
func start(t testing.TB, o *server.Options) *server.Server {
	t.Helper()
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatalf("making a server: %v", err)
	}
	s.Start()
	t.Cleanup(func() { stop(s) })
	if !s.ReadyForConnections(patience) {
		t.Fatal("the server does not start")
	}
	return s
}

func stop(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

// single starts a server of its own.
func single(t *testing.T) string {
	t.Helper()
	return startFor(t, t.TempDir()).ClientURL()
}

// freePort returns a port of loopback that nobody listens at, each once. It is none of
// those that the system gives to clients: servers are killed, and come back to theirs.
func freePort(t testing.TB) int {
	t.Helper()
	for range 1000 {
		port := 20000 + rand.IntN(12000)
		if _, given := ports.LoadOrStore(port, true); given {
			continue
		}
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

var ports sync.Map // that were given
