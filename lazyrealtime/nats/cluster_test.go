package nats_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// startCluster starts three servers that replicate, and returns their addresses.
func startCluster(t testing.TB) string {
	t.Helper()
	var clients, peers []int
	for range 3 {
		clients, peers = append(clients, freePort(t)), append(peers, freePort(t))
	}
	var servers []*server.Server
	for i := range clients {
		o := serverOptions(t.TempDir())
		o.ServerName = fmt.Sprint("s", i)
		o.Port = clients[i]
		o.Cluster = server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: peers[i]}
		o.Routes = routes(peers)
		servers = append(servers, start(t, o))
	}
	eventually(t, "the cluster has a leader and all servers", func() bool {
		return slices.ContainsFunc(servers, func(s *server.Server) bool {
			return s.JetStreamIsLeader() && len(s.JetStreamClusterPeers()) == len(servers)
		})
	})
	return addresses(clients)
}

// addresses is where clients find servers with these ports.
func addresses(ports []int) string {
	var list []string
	for _, p := range ports {
		list = append(list, fmt.Sprintf("nats://127.0.0.1:%d", p))
	}
	return strings.Join(list, ",")
}

// routes is where servers with these ports find each other.
func routes(ports []int) []*url.URL {
	var list []*url.URL
	for _, p := range ports {
		list = append(list, &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", p)})
	}
	return list
}

// patience is how long tests wait for what comes about by itself: less than it takes
// Options.Recheck to mend what was missed.
const patience = 50 * time.Second

// eventually waits for what comes about by itself.
func eventually(t testing.TB, what string, probe func() bool) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(patience); !probe(); <-ticker.C {
		if time.Now().After(end) {
			t.Fatalf("after %v not: %s", patience, what)
		}
	}
}
