package lazyrealtime_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
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
