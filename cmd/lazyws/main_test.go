package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
)

// asLazyws makes the test's binary be lazyws: the tests start it as a process, with
// the race detector where they have it.
const asLazyws = "TEST_AS_LAZYWS"

func TestMain(m *testing.M) {
	if os.Getenv(asLazyws) != "" {
		main()
	}
	os.Exit(m.Run())
}

// run runs a command in this process, with an environment and an input.
func run(t *testing.T, env map[string]string, in string, args ...string) (code int, out, err string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	p := &program{in: strings.NewReader(in), out: &stdout, err: &stderr, getenv: func(name string) string { return env[name] }}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // what would serve ends at once
	code = p.main(ctx, args)
	return code, stdout.String(), stderr.String()
}

// A fault of the command line is told on the standard error, with code 2.
func TestUsageErrors(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{"", "Usage: lazyws COMMAND"},
		{"hubb", `no command "hubb"`},
		{"hub -x", "-x"},
		{"hub here", `unexpected argument "here"`},
		{"hub -store redis://localhost", "scheme redis"},
		{"hub -store=", "-store"},
		{"hub -retain-messages 0", "-retain-messages"},
		{"hub -retain-messages many", "-retain-messages"},
		{"hub -retain-age -1h", "-retain-age"},
		{"hub -allow-origin example.com", "-allow-origin"},
		{"hub -allow-origin https://example.com/page", "-allow-origin"},
		{"hub -log-level loud", "-log-level"},
		{"hub -log-format xml", "-log-format"},
		{"hub -tls-cert a.pem", "-tls-key"},
		{"hub -jwt-issuer me", "-jwt-key"},
		{"hub -presence", "-jwt-key"},
		{"hub -replicas 3", "NATS"},
		{"hub -drain -1s", "-drain"},
		{"hub -secret @/does/not/exist", "-secret"},
		{"hub -store memory: -addr 127.0.0.1:0 -jwt-key -----BEGIN", "-jwt-key"},
		{"sign a", "-secret"},
		{"sign -secret k", "which topic"},
		{"connect", "one URL"},
		{"connect a b", "one URL"},
		{"connect -H nonsense ws://localhost", "-H"},
		{"serve here", "here"},
		{"load", "one URL"},
		{"load -n 0 ws://localhost", "-n"},
		{"load -rate -1 ws://localhost", "-rate"},
		{"load -rate NaN ws://localhost", "-rate"},
		{"load -rate 1e-9 ws://localhost", "-rate"},
		{"token alice", "-jwt-key"},
		{"token -jwt-key k", "one subject"},
		{"token -jwt-key k -info {x alice", "-info"},
		{"token -jwt-key k -ttl 0s alice", "-ttl"},
	} {
		code, out, err := run(t, nil, "", strings.Fields(test.args)...)
		if code != exitUsage || out != "" || !strings.Contains(err, test.want) {
			t.Errorf("lazyws %s: code %d, output %q, error %q", test.args, code, out, err)
		}
		if strings.Count(err, "\n") > 2 && test.args != "" && test.args != "hubb" {
			t.Errorf("lazyws %s: the fault drowns in %q", test.args, err)
		}
	}
}

// Help is on the standard output, with code 0, and names every flag.
func TestHelp(t *testing.T) {
	for _, args := range [][]string{{"help"}, {"-h"}, {"--help"}} {
		code, out, err := run(t, nil, "", args...)
		if code != exitOK || err != "" {
			t.Errorf("lazyws %v: code %d, error %q", args, code, err)
		}
		for _, c := range commands {
			if !strings.Contains(out, "  "+c.name) {
				t.Errorf("lazyws %v does not name %s", args, c.name)
			}
		}
	}
	for _, c := range commands {
		for _, args := range [][]string{{c.name, "-h"}, {"help", c.name}} {
			code, out, err := run(t, nil, "", args...)
			if code != exitOK || err != "" || !strings.HasPrefix(out, "Usage: lazyws "+c.name) {
				t.Errorf("lazyws %v: code %d, output %q, error %q", args, code, out, err)
			}
		}
	}
	_, out, _ := run(t, nil, "", "hub", "-h")
	for _, flag := range []string{
		"-addr", "-store", "-public", "-publish-key", "-secret", "-jwt-key", "-allow-origin",
		"-retain-messages", "-retain-age", "-drain", "-log-level",
	} {
		if !strings.Contains(out, "\n  "+flag) {
			t.Errorf("the help does not have %s", flag)
		}
	}
}

// What the environment has is used unless the command line has it.
func TestEnvironment(t *testing.T) {
	p := &program{getenv: func(name string) string {
		return map[string]string{
			"LAZYWS_SECRET": "from the environment", "LAZYWS_PUBLISH_KEY": "k", "LAZYWS_PUBLIC": "true",
			"LAZYWS_ALLOW_ORIGIN": "https://a.example, https://b.example", "LAZYWS_RETAIN_AGE": "1h", "LAZYWS_ADDR": "localhost:1",
		}[name]
	}}
	o, err := parseHub(p, []string{"-addr", "localhost:2"})
	if err != nil {
		t.Fatal(err)
	}
	if string(o.secret) != "from the environment" || string(o.publishKey) != "k" || !o.public || len(o.origins) != 2 ||
		o.origins[1] != "https://b.example" || o.retainAge.Hours() != 1 {
		t.Errorf("%+v", o)
	}
	if o.addr != "localhost:2" {
		t.Errorf("the environment goes before the command line: %q", o.addr)
	}
}

// A fault in the environment names the variable, and does not print a key.
func TestEnvironmentFault(t *testing.T) {
	env := map[string]string{"LAZYWS_RETAIN_AGE": "soon", "LAZYWS_SECRET": "hush"}
	code, _, err := run(t, env, "", "hub")
	if code != exitUsage || !strings.Contains(err, "LAZYWS_RETAIN_AGE") || strings.Contains(err, "hush") {
		t.Errorf("code %d, error %q", code, err)
	}
	if _, out, _ := run(t, map[string]string{"LAZYWS_SECRET": "hush"}, "", "hub", "-h"); strings.Contains(out, "hush") {
		t.Error("the help prints the key")
	}
}

func TestKeyFile(t *testing.T) {
	name := t.TempDir() + "/key"
	if err := os.WriteFile(name, []byte("from the file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := parseHub(&program{getenv: func(string) string { return "" }}, []string{"-secret", "@" + name})
	if err != nil || string(o.secret) != "from the file" {
		t.Errorf("%q, %v", o.secret, err)
	}
	if err := os.WriteFile(name, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, err := run(t, nil, "", "hub", "-secret", "@"+name); code != exitUsage || !strings.Contains(err, "empty") {
		t.Errorf("an empty file: code %d, %q", code, err)
	}
}
