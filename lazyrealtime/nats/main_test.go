package nats_test

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
)

// serverVariable has the options of a server that this program is to be, instead of a
// test: so that it can be killed.
const serverVariable = "LAZYREALTIME_NATS_SERVER"

func TestMain(m *testing.M) {
	if o := os.Getenv(serverVariable); o != "" {
		beServer(o)
		return
	}
	os.Exit(m.Run())
}

// processOptions are what a server in a process has to know.
type processOptions struct {
	Name, Store  string
	Port, Routes int
	Peers        []int // where all of them listen for routes
	Sync         bool  // fsync before each acknowledgement
}

// beServer is a server until standard input ends, as it does with the test.
func beServer(encoded string) {
	var p processOptions
	if err := json.Unmarshal([]byte(encoded), &p); err != nil {
		panic(err)
	}
	o := &server.Options{
		ServerName: p.Name, Host: "127.0.0.1", Port: p.Port, NoLog: true, NoSigs: true,
		JetStream: true, StoreDir: p.Store, SyncAlways: p.Sync,
		Cluster: server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: p.Routes},
		Routes:  routes(p.Peers),
	}
	s, err := server.NewServer(o)
	if err != nil {
		panic(err)
	}
	s.Start()
	fmt.Println("started")
	_, _ = io.Copy(io.Discard, os.Stdin)
	s.Shutdown()
}
