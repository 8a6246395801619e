package controllers

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"

	"golazy.dev/examples/chat/app/assets"
)

// Asset serves a stylesheet, script or image. A new build is seen at once; what has not changed is not sent again.
func Asset(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("file")
	header := w.Header()
	header.Set("Cache-Control", "no-cache")
	if content, err := assets.Files.ReadFile(name); err == nil {
		sum := sha256.Sum256(content)
		header.Set("ETag", `"`+hex.EncodeToString(sum[:8])+`"`)
	}
	http.ServeFileFS(w, r, assets.Files, name) //nolint:gosec // an embed.FS has no way out
	return nil
}
