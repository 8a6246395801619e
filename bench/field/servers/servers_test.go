package servers

import (
	"encoding/json"
	"io"
	"net/netip"
	"os"
	"testing"

	"golazy.dev/bench/field/load"
	"golazy.dev/bench/field/scenario"
)

// short has the scenarios with few messages and connections.
func short() []scenario.Scenario {
	var all []scenario.Scenario
	for _, s := range scenario.All() {
		if s.Rare {
			continue
		}
		s.Conns = min(s.Conns, 20)
		s.Messages = max(3*s.Conns*s.InFlight, 1)
		if s.Size > 1<<19 {
			s.Messages = 8
		}
		all = append(all, s)
	}
	return all
}

// Every server answers right in every scenario; the load compares every byte.
func TestServers(t *testing.T) {
	for _, server := range All() {
		t.Run(server.Name, func(t *testing.T) {
			if server.Unavailable != nil && server.Unavailable() != "" {
				if os.Getenv("CI") != "" {
					t.Fatal(server.Unavailable())
				}
				t.Skip(server.Unavailable())
			}
			for _, s := range short() {
				if s.TLS && !server.TLS || server.Without[s.Path] != "" {
					continue
				}
				t.Run(s.Name, func(t *testing.T) { try(t, server, s) })
			}
		})
	}
}

// try runs a server as its process would.
func try(t *testing.T, server Server, s scenario.Scenario) {
	in, end := io.Pipe()
	answer, out := io.Pipe()
	ended := make(chan error)
	go func() { ended <- Serve(server, s.TLS, in, out) }()
	defer func() {
		_ = end.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	var ready Ready
	if err := json.NewDecoder(answer).Decode(&ready); err != nil {
		t.Error(err)
		return
	}
	addr, err := netip.ParseAddrPort(ready.Addr)
	if err != nil {
		t.Error(err)
		return
	}
	r, err := load.Run(load.Task{Scenario: s, Addr: addr, PID: ready.PID, Control: ready.Control})
	if err != nil {
		t.Error(err)
		return
	}
	if s.Kind == scenario.Idle {
		if r.Conns != s.Conns {
			t.Errorf("%+v", r)
		}
		return
	}
	if r.Messages < s.Conns || r.CPU <= 0 || r.Elapsed <= 0 || r.P50 <= 0 || r.P999 < r.P50 {
		t.Errorf("%+v", r)
	}
}

// A server's process can be profiled.
func TestProfile(t *testing.T) {
	in, end := io.Pipe()
	answer, out := io.Pipe()
	go func() { _ = Serve(floor(), false, in, out) }()
	defer end.Close()
	var ready Ready
	if err := json.NewDecoder(answer).Decode(&ready); err != nil {
		t.Fatal(err)
	}
	file := t.TempDir() + "/floor.pprof"
	_, err := load.Run(load.Task{
		Scenario: short()[0], Addr: netip.MustParseAddrPort(ready.Addr), PID: ready.PID, Control: ready.Control, Profile: file,
	})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(file); err != nil || len(b) < 100 {
		t.Errorf("the profile has %d bytes: %v", len(b), err)
	}
}

// Servers are told apart by their names.
func TestAll(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range All() {
		if seen[s.Name] || s.Setting == "" || s.Start == nil {
			t.Errorf("%q is there twice, or says nothing, or does nothing", s.Name)
		}
		seen[s.Name] = true
		if got, err := Find(s.Name); err != nil || got.Name != s.Name {
			t.Errorf("%s is %s, %v", s.Name, got.Name, err)
		}
	}
	if !seen[Baseline] {
		t.Errorf("no %s", Baseline)
	}
	if _, err := Find("nobody"); err == nil {
		t.Error("a server that does not exist was found")
	}
}

func TestRoom(t *testing.T) {
	var r room[int]
	r.join(1)
	r.join(2)
	r.join(3)
	r.leave(2)
	r.leave(2)
	sum := 0
	r.each(func(i int) error {
		sum += i
		return io.EOF
	})
	if sum != 4 {
		t.Errorf("the members' sum is %d", sum)
	}
}
