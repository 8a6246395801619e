// Package appinit wires the application.
package appinit

import (
	"net/http"

	"golazy.dev/examples/chat/app/controllers"
	"golazy.dev/examples/chat/app/realtime"
	"golazy.dev/lazyroutes"
)

// Draw draws the routes of the application.
func Draw(router *lazyroutes.Scope) {
	router.HandleFunc(http.MethodGet, "/{$}", controllers.Chat)
	router.HandleFunc(http.MethodGet, "/assets/{file}", controllers.Asset)

	router.HandleFunc(http.MethodGet, "/chat/socket", realtime.ChatSocket)
}
