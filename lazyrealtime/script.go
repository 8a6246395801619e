package lazyrealtime

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"net/http"
	"regexp"
	"time"
)

//go:embed js/cable.js
var script []byte

var scriptPath = func() string {
	sum := sha256.Sum256(script)
	return "/cable-" + hex.EncodeToString(sum[:6]) + ".js"
}()

// ScriptPath returns where pages import the browser client from:
// "/cable-HASH.js". The hash is that of its content.
func (h *Hub) ScriptPath() string { return scriptPath }

// ServeScript serves the browser client, cable.js. Browsers keep it for ever where
// the request's path is ScriptPath, and ask each time whether it is still the same
// elsewhere.
func (h *Hub) ServeScript(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	if r.URL.Path == scriptPath {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	w.Header().Set("Access-Control-Allow-Origin", "*") // modules are fetched with CORS
	w.Header().Set("Etag", `"`+scriptPath+`"`)
	http.ServeContent(w, r, "cable.js", time.Time{}, bytes.NewReader(script))
}

// Handler returns a handler for all that a hub serves: the cable at /cable, its
// script at ScriptPath, /cable.js and, for pages of nodes that have another version of
// it, at each path that ScriptPath could be, streams at /stream, and, with a
// Config.PublishKey, publishing at /_broadcast.
func (h *Hub) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/cable", h.ServeHTTP)
	mux.HandleFunc("/stream", h.ServeStream)
	mux.HandleFunc("/_broadcast", h.ServePublish)
	mux.HandleFunc("GET /cable.js", h.ServeScript)
	mux.HandleFunc("GET "+scriptPath, h.ServeScript)
	return otherScripts{h, mux}
}

// anyScript matches what ScriptPath returns, in any version.
var anyScript = regexp.MustCompile(`^/cable-[0-9a-f]{12}\.js$`)

// otherScripts serves the script to pages of nodes of another version that ask this
// one: versions understand each other, and a page without a script is dead.
type otherScripts struct {
	hub  *Hub
	rest *http.ServeMux
}

func (o otherScripts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet && anyScript.MatchString(r.URL.Path) {
		o.hub.ServeScript(w, r)
		return
	}
	o.rest.ServeHTTP(w, r)
}
