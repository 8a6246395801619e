package controllers

import (
	"net/http"

	"golazy.dev/examples/chat/app/assets"
)

// Asset serves a stylesheet, script or image.
func Asset(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-cache") // a new build is seen at once
	w.Header().Set("X-Content-Type-Options", "nosniff")
	http.ServeFileFS(w, r, assets.Files, r.PathValue("file")) //nolint:gosec // an embed.FS has no way out
	return nil
}
