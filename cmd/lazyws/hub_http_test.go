package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

func TestHubPublish(t *testing.T) {
	p := startHub(t, "-public", "-publish-key", publishKey)
	const good = `{"stream":"room","data":"1"}`
	bearer := "Bearer " + publishKey
	for name, test := range map[string]struct {
		method, body, authorization string
		status                      int
	}{
		"a message":       {http.MethodPost, good, bearer, http.StatusCreated},
		"two":             {http.MethodPost, "[" + good + "," + good + "]", bearer, http.StatusCreated},
		"no key":          {http.MethodPost, good, "", http.StatusUnauthorized},
		"a wrong key":     {http.MethodPost, good, bearer + "x", http.StatusUnauthorized},
		"half the key":    {http.MethodPost, good, bearer[:20], http.StatusUnauthorized},
		"basic":           {http.MethodPost, good, "Basic " + publishKey, http.StatusUnauthorized},
		"broken JSON":     {http.MethodPost, good[:len(good)-1], bearer, http.StatusBadRequest},
		"nothing":         {http.MethodPost, "", bearer, http.StatusBadRequest},
		"a number":        {http.MethodPost, "7", bearer, http.StatusBadRequest},
		"no topic":        {http.MethodPost, `{"data":"1"}`, bearer, http.StatusBadRequest},
		"broken data":     {http.MethodPost, `{"stream":"room","data":"{"}`, bearer, http.StatusBadRequest},
		"a large message": {http.MethodPost, `{"stream":"room","data":"\"` + strings.Repeat("a", 65<<10) + `\""}`, bearer, http.StatusRequestEntityTooLarge},
		"a large body":    {http.MethodPost, "[" + strings.Repeat(good+",", 50000) + good + "]", bearer, http.StatusRequestEntityTooLarge},
		"reading":         {http.MethodGet, "", bearer, http.StatusMethodNotAllowed},
	} {
		t.Run(name, func(t *testing.T) {
			p := *p
			p.t = t
			var lines []string
			if test.authorization != "" {
				lines = []string{"Authorization", test.authorization}
			}
			if status, text, _ := p.request(test.method, "/_broadcast", test.body, lines...); status != test.status {
				t.Errorf("%d %s, want %d", status, text, test.status)
			}
		})
	}
}

// Without a key there is no such endpoint.
func TestHubNoPublishKey(t *testing.T) {
	p := startHub(t, "-public")
	for _, authorization := range []string{"", "Bearer", "Bearer "} {
		if status, _, _ := p.request(http.MethodPost, "/_broadcast", `{"stream":"a","data":"1"}`, "Authorization", authorization); status != http.StatusNotFound {
			t.Errorf("%q: %d, want 404", authorization, status)
		}
	}
}

func TestHubMetrics(t *testing.T) {
	p := startHub(t, "-public", "-publish-key", publishKey)
	c := p.welcomed("")
	c.subscribe(plainName("room"), confirmed)
	for range 3 {
		p.publish(`{"stream":"room","data":"1"}`, http.StatusCreated)
		c.wantMessage("1")
	}
	status, text, _ := p.request(http.MethodGet, "/metrics", "")
	if status != http.StatusOK {
		t.Fatalf("%d", status)
	}
	for _, line := range []string{
		"lazyrealtime_connections 1",
		"lazyrealtime_subscriptions 1",
		"lazyrealtime_topics 1",
		"lazyrealtime_ready 1",
		"lazyrealtime_connections_opened_total 1",
		"lazyrealtime_subscriptions_confirmed_total 1",
		"lazyrealtime_messages_published_total 3",
		"lazyrealtime_messages_delivered_total 3",
		"lazyrealtime_publish_duration_seconds_count 3",
		"lazyrealtime_replays_gaps_total 0",
		"# HELP lazyrealtime_messages_published_total Messages that were stored.",
		"# TYPE lazyrealtime_publish_duration_seconds histogram",
	} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("no line %q", line)
		}
	}
	for _, name := range []string{"go_goroutines", "process_resident_memory_bytes", "go_build_info"} {
		if !strings.Contains(text, "\n"+name) {
			t.Errorf("no %s", name)
		}
	}
}

// With -metrics-addr, metrics are there and nowhere else.
func TestHubMetricsAddr(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	p := startHub(t, "-public", "-metrics-addr", addr)
	if status, _, _ := p.request(http.MethodGet, "/metrics", ""); status != http.StatusNotFound {
		t.Errorf("on -addr: %d", status)
	}
	private := *p
	private.url = "http://" + addr
	if status, text, _ := private.request(http.MethodGet, "/metrics", ""); status != http.StatusOK || !strings.Contains(text, "lazyrealtime_connections 0") {
		t.Errorf("on -metrics-addr: %d", status)
	}
	p.stop()
}

// The client is there under a name that never changes, and one that changes with
// it, for pages of all origins.
func TestHubScript(t *testing.T) {
	p := startHub(t, "-public")
	status, text, header := p.request(http.MethodGet, "/cable.js", "")
	if status != http.StatusOK || !strings.Contains(text, "export class Cable") || header.Get("Access-Control-Allow-Origin") != "*" ||
		!strings.HasPrefix(header.Get("Content-Type"), "text/javascript") || strings.Contains(header.Get("Cache-Control"), "immutable") {
		t.Errorf("%d, %v", status, header)
	}
}

// An event stream gets messages, is refused to pages of other origins, and ends
// with the hub, which does not wait for it.
func TestHubStream(t *testing.T) {
	p := startHub(t, "-public", "-publish-key", publishKey, "-allow-origin", "https://app.example")
	if status, _, _ := p.request(http.MethodGet, "/stream?stream=room", "", "Origin", "https://evil.example"); status != http.StatusForbidden {
		t.Errorf("a page of another origin: %d", status)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+"/stream?stream=room", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Origin", "https://app.example")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK || response.Header.Get("Access-Control-Allow-Origin") != "https://app.example" {
		t.Fatalf("%s, %v", response.Status, response.Header)
	}
	p.publish(`{"stream":"room","data":"\"<p>hello</p>\""}`, http.StatusCreated)
	lines := bufio.NewScanner(response.Body)
	text := ""
	for text != "data: <p>hello</p>" && lines.Scan() {
		text = lines.Text()
	}
	if err := lines.Err(); err != nil || text == "" {
		t.Fatalf("the stream has ended: %v", err)
	}
	p.stop()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Errorf("the stream was cut: %v", err)
	}
}
