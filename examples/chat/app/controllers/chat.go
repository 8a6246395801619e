// Package controllers holds the actions that render HTML.
package controllers

import (
	"bytes"
	"net/http"

	"golazy.dev/examples/chat/app/realtime"
	"golazy.dev/examples/chat/app/views"
)

// The page loads nothing that this server does not serve, and runs no script that stands in the page.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Chat renders the chat page.
func Chat(w http.ResponseWriter, _ *http.Request) error {
	var page bytes.Buffer // rendered as a whole, so that an error becomes a response of its own
	err := views.Templates.ExecuteTemplate(&page, "chat.html", map[string]any{
		"Protocol":   realtime.EventsProtocol,
		"MaxName":    realtime.MaxName,
		"MaxMessage": realtime.MaxMessage,
	})
	if err != nil {
		return err
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", contentPolicy)
	header.Set("Cache-Control", "no-cache")
	_, _ = page.WriteTo(w) // an error here is a browser that went away
	return nil
}
