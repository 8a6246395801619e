package lazyrealtime_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/memory"
)

func TestScript(t *testing.T) {
	want, err := os.ReadFile("js/cable.js")
	if err != nil {
		t.Fatal(err)
	}
	within(t, public, func(w *world) {
		path := w.hub.ScriptPath()
		sum := sha256.Sum256(want)
		if !regexp.MustCompile(`^/cable-[0-9a-f]{12,64}\.js$`).MatchString(path) ||
			!strings.HasPrefix(hex.EncodeToString(sum[:]), strings.TrimSuffix(strings.TrimPrefix(path, "/cable-"), ".js")) {
			w.t.Errorf("the path is %s", path)
		}
		var tag string
		for p, cache := range map[string]string{path: "public, max-age=31536000, immutable", "/cable.js": "no-cache"} {
			resp := w.request("GET", p, "", "Origin: https://other.example")
			body, err := io.ReadAll(resp.Body)
			h := resp.Header
			tag = h.Get("Etag")
			if resp.StatusCode != 200 || err != nil || !bytes.Equal(body, want) {
				w.t.Errorf("%s: %s, %d bytes", p, resp.Status, len(body))
			}
			if h.Get("Cache-Control") != cache || h.Get("Content-Type") != "text/javascript; charset=utf-8" ||
				h.Get("Access-Control-Allow-Origin") != "*" || len(tag) < 10 {
				w.t.Errorf("%s: %v", p, h)
			}
		}
		if resp := w.request("GET", "/cable.js", "", "If-None-Match: "+tag); resp.StatusCode != http.StatusNotModified {
			w.t.Errorf("with the ETag: %s", resp.Status)
		}
		if resp := w.request("HEAD", path, ""); resp.StatusCode != 200 {
			w.t.Errorf("HEAD: %s", resp.Status)
		}
		// A page of another version may ask this node for its script.
		resp := w.request("GET", "/cable-000000000000.js", "")
		if body, err := io.ReadAll(resp.Body); resp.StatusCode != 200 || err != nil || !bytes.Equal(body, want) || resp.Header.Get("Cache-Control") != "no-cache" {
			w.t.Errorf("of another version: %s, %d bytes, %v", resp.Status, len(body), resp.Header)
		}
		if resp := w.request("HEAD", "/cable-000000000000.js", ""); resp.StatusCode != 200 || resp.Header.Get("Cache-Control") != "no-cache" {
			w.t.Errorf("HEAD, of another version: %s", resp.Status)
		}
		for _, p := range []string{"/cable-00000000000.js", "/cable-000000000000.mjs", "/x/cable-000000000000.js", "/", "/cable.mjs"} {
			if status, _ := w.answered("GET", p, ""); status != http.StatusNotFound {
				w.t.Errorf("%s: %d", p, status)
			}
		}
		if status, _ := w.answered("POST", path, ""); status != http.StatusMethodNotAllowed {
			w.t.Errorf("POST: %d", status)
		}
	})
}

// During an upgrade a page of either version may ask a node of the other for its script.
// The route of an application serves it, and nothing else.
func TestServeAnyScript(t *testing.T) {
	hub, err := lazyrealtime.Open(t.Context(), lazyrealtime.Config{Log: memory.Open()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = hub.Shutdown(context.Background()) })
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{script}", hub.ServeAnyScript)
	ask := func(method, path, tag string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(method, path, nil)
		if tag != "" {
			r.Header.Set("If-None-Match", tag)
		}
		mux.ServeHTTP(w, r)
		return w
	}
	const forever, asking = "public, max-age=31536000, immutable", "no-cache"
	own := ask("GET", hub.ScriptPath(), "")
	tag := own.Header().Get("Etag")
	for _, test := range []struct {
		method, path, tag string
		status            int
		cache             string
	}{
		{"GET", hub.ScriptPath(), "", 200, forever},
		{"HEAD", hub.ScriptPath(), "", 200, forever},
		{"GET", "/cable-0123456789ab.js", "", 200, asking},
		{"HEAD", "/cable-0123456789ab.js", "", 200, asking},
		{"GET", "/cable-0123456789ab.js", tag, 304, asking},
		// What another node has served under this node's own path is no reason to keep it.
		{"GET", hub.ScriptPath(), `"/cable-0123456789ab.js"`, 200, forever},
		{"GET", "/cable.js", "", 404, ""},
		{"GET", "/cable-0123456789AB.js", "", 404, ""},
		{"GET", "/cable-0123456789abc.js", "", 404, ""},
		{"GET", "/xcable-0123456789ab.js", "", 404, ""},
		{"GET", "/stream", "", 404, ""},
		{"POST", hub.ScriptPath(), "", 405, ""},
	} {
		w := ask(test.method, test.path, test.tag)
		if w.Code != test.status || w.Header().Get("Cache-Control") != test.cache {
			t.Errorf("%s %s: %d, %q", test.method, test.path, w.Code, w.Header().Get("Cache-Control"))
		}
		if test.status == 200 && test.method == "GET" && w.Body.String() != own.Body.String() {
			t.Errorf("%s: another script", test.path)
		}
	}
}
