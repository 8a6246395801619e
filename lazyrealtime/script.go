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
// "/cable-HASH.js". The hash is that of its content. While nodes of two versions run,
// a page of one asks the other for a path that it has not: serve all of them, with
// Handler or ServeAnyScript.
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

// ServeAnyScript is ServeScript for a route of more paths than one, as lazyroutes' and
// net/http's "GET /{script}": it serves the script at ScriptPath and, for pages of nodes
// of another version, at each path that ScriptPath could be. All else is not found.
//
// The page of another version gets this node's script, which works with every hub.
// Browsers ask for it again the next time (Cache-Control: no-cache): a node that has
// what the path names then answers with that, and it is kept for ever; this one, that
// nothing has changed.
func (h *Hub) ServeAnyScript(w http.ResponseWriter, r *http.Request) {
	if !isScript(r) {
		http.NotFound(w, r)
		return
	}
	h.ServeScript(w, r)
}

// anyScript matches what ScriptPath returns, in any version.
var anyScript = regexp.MustCompile(`^/cable-[0-9a-f]{12}\.js$`)

// isScript reports whether somebody wants to have the script, in any version.
func isScript(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && anyScript.MatchString(r.URL.Path)
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

// otherScripts serves the script to pages of nodes of another version that ask this
// one: versions understand each other, and a page without a script is dead. The mux has
// no pattern for a part of a segment.
type otherScripts struct {
	hub  *Hub
	rest *http.ServeMux
}

func (o otherScripts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if isScript(r) {
		o.hub.ServeScript(w, r)
		return
	}
	o.rest.ServeHTTP(w, r)
}
