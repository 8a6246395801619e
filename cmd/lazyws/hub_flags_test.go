package main

import (
	"io"
	"strings"
	"testing"
	"time"

	"golazy.dev/lazyrealtime"
)

// configOf returns the configuration that flags make.
func configOf(t *testing.T, args string) lazyrealtime.Config {
	t.Helper()
	o, err := parseHub(&program{getenv: func(string) string { return "" }}, strings.Fields(args))
	if err != nil {
		t.Fatal(err)
	}
	return o.config(o.logger(io.Discard), nil)
}

func TestConfig(t *testing.T) {
	c := configOf(t, "-drain 7s -ping 9s -max-message 100 -max-connections 5 -max-clients 6 -compress -retain-messages 3 -retain-age 5m -publish-key k")
	if c.Drain != 7*time.Second || c.PingInterval != 9*time.Second || c.Limits.MessageBytes != 100 || c.Limits.Connections != 6 || c.PublishKey != "k" ||
		c.Upgrader.Budget.ConnectionsPerAddress != 5 || !c.Upgrader.EnableCompression {
		t.Errorf("%+v", c)
	}
	if keep := c.Retain("any"); keep.Messages != 3 || keep.Age != 5*time.Minute {
		t.Errorf("%+v", keep)
	}
	if c = configOf(t, "-drain 0"); c.Drain >= 0 {
		t.Errorf("-drain 0 is the default of %v", c.Drain)
	}
	if c = configOf(t, "-max-clients 0"); c.Limits.Connections >= 0 {
		t.Errorf("-max-clients 0 is a limit of %d", c.Limits.Connections)
	}
	c = configOf(t, "")
	if c.Public || c.Authenticate != nil || len(c.Secret)+len(c.TurboSecret)+len(c.PublishKey) > 0 || c.Drain != 5*time.Second ||
		c.Limits.MessageBytes != 64<<10 || c.Limits.Connections != 100_000 || c.Upgrader.EnableCompression {
		t.Errorf("%+v", c)
	}
}

// A Go program with the same secret signs for the hub, unless it is too short.
func TestConfigSecret(t *testing.T) {
	c := configOf(t, "-secret 0123456789abcdef")
	if string(c.Secret) != "0123456789abcdef" || string(c.TurboSecret) != "0123456789abcdef" {
		t.Errorf("%q, %q", c.Secret, c.TurboSecret)
	}
	c = configOf(t, "-secret short")
	if len(c.Secret) != 32 || string(c.TurboSecret) != "short" {
		t.Errorf("%q, %q", c.Secret, c.TurboSecret)
	}
}

// Who may do what beyond following a topic whose name they have.
func TestConfigAuthorize(t *testing.T) {
	const key = " -jwt-key 0123456789abcdef0123456789abcdef"
	alice := lazyrealtime.Identity{ID: "alice"}
	for _, test := range []struct {
		args string
		id   lazyrealtime.Identity
		op   lazyrealtime.Op
		ok   bool
	}{
		{"", alice, lazyrealtime.OpSubscribe, true},
		{"", alice, lazyrealtime.OpReplay, true},
		{"", alice, lazyrealtime.OpPublish, false},
		{"", alice, lazyrealtime.OpWhisper, false},
		{"", alice, lazyrealtime.OpPresence, false},
		{"-public -whisper -presence" + key, alice, lazyrealtime.OpPublish, false},
		{"-publish", alice, lazyrealtime.OpPublish, true},
		{"-publish", lazyrealtime.Identity{}, lazyrealtime.OpPublish, true},
		{"-publish", alice, lazyrealtime.OpWhisper, false},
		{"-whisper", alice, lazyrealtime.OpWhisper, true},
		{"-whisper", alice, lazyrealtime.OpPresence, false},
		{"-presence" + key, alice, lazyrealtime.OpPresence, true},
		{"-presence" + key, alice, lazyrealtime.OpWhisper, false},
		{"-presence" + key, lazyrealtime.Identity{}, lazyrealtime.OpPresence, false},
		{"", alice, lazyrealtime.Op(99), false},
	} {
		if err := configOf(t, test.args).Authorize(t.Context(), test.id, test.op, "room"); (err == nil) != test.ok {
			t.Errorf("%q, %q, %v: %v", test.args, test.id.ID, test.op, err)
		}
	}
}

func TestStoreKind(t *testing.T) {
	for store, want := range map[string]int{
		"a.db": storeFile, "./a.db": storeFile, "/var/lib/a.db": storeFile, "memory": storeFile, `C:\a.db`: storeFile, "a:b": storeFile,
		"memory:": storeMemory, "nats://localhost:4222": storeNATS, "nats://a:4222,nats://b:4222": storeNATS, "tls://a:4222": storeNATS,
	} {
		if kind, err := storeKind(store); err != nil || kind != want {
			t.Errorf("%s: %d, %v", store, kind, err)
		}
	}
	for _, store := range []string{"", "redis://localhost", "postgres://x"} {
		if kind, err := storeKind(store); err == nil {
			t.Errorf("%q: %d", store, kind)
		}
	}
}
