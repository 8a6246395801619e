package nats_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// processes is a cluster of three servers, each a process that can be killed.
type processes struct {
	t       *testing.T
	options []processOptions
	cmds    []*exec.Cmd
	stdins  []io.Closer
	js      jetstream.JetStream // of a connection that knows all servers
}

func startProcesses(t *testing.T, sync bool) *processes {
	t.Helper()
	c := &processes{t: t, cmds: make([]*exec.Cmd, 3), stdins: make([]io.Closer, 3)}
	var peers []int
	for range c.cmds {
		peers = append(peers, freePort(t))
	}
	for i := range c.cmds {
		c.options = append(c.options, processOptions{
			Name: fmt.Sprint("s", i), Store: t.TempDir(), Port: freePort(t), Routes: peers[i], Peers: peers, Sync: sync,
		})
		c.start(i)
		t.Cleanup(func() { c.kill(i) })
	}
	nc, err := nats.Connect(c.url(), nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	if c.js, err = jetstream.New(nc); err != nil {
		t.Fatal(err)
	}
	return c
}

// start starts a server, with what it has stored.
func (c *processes) start(i int) {
	c.t.Helper()
	self, err := os.Executable()
	if err != nil {
		c.t.Fatal(err)
	}
	encoded, err := json.Marshal(c.options[i])
	if err != nil {
		c.t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), serverVariable+"="+string(encoded))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		c.t.Fatalf("server %d does not start: %v", i, err)
	}
	c.cmds[i], c.stdins[i] = cmd, in
}

// kill kills a server with SIGKILL.
func (c *processes) kill(i int) {
	if c.cmds[i] == nil {
		return
	}
	_ = c.cmds[i].Process.Kill()
	_ = c.cmds[i].Wait()
	c.stdins[i].Close()
	c.cmds[i] = nil
}

func (c *processes) url() string {
	var ports []int
	for _, o := range c.options {
		ports = append(ports, o.Port)
	}
	return addresses(ports)
}

// info returns what a stream's leader says of it.
func (c *processes) info(stream string) *jetstream.StreamInfo {
	c.t.Helper()
	var info *jetstream.StreamInfo
	eventually(c.t, "stream "+stream+" has a leader", func() bool {
		s, err := c.js.Stream(c.t.Context(), stream)
		if err != nil {
			return false
		}
		info = s.CachedInfo()
		return info.Cluster != nil && info.Cluster.Leader != ""
	})
	return info
}

// leader returns which server leads a stream.
func (c *processes) leader(stream string) int {
	c.t.Helper()
	name := c.info(stream).Cluster.Leader
	for i, o := range c.options {
		if o.Name == name {
			return i
		}
	}
	c.t.Fatalf("stream %s has an unknown leader %q", stream, name)
	return -1
}

// whole waits until all three servers have all of a stream.
func (c *processes) whole(stream string) {
	c.t.Helper()
	eventually(c.t, "all servers have stream "+stream, func() bool {
		replicas := c.info(stream).Cluster.Replicas
		for _, r := range replicas {
			if !r.Current || r.Offline {
				return false
			}
		}
		return len(replicas) == 2
	})
}

// stepDown has another server lead a stream.
func (c *processes) stepDown(stream string) {
	c.t.Helper()
	m, err := c.js.Conn().Request("$JS.API.STREAM.LEADER.STEPDOWN."+stream, nil, patience)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Logf("step-down of %s: %s", stream, m.Data)
}
