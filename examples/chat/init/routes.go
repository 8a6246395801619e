// Package appinit wires the application.
package appinit

import (
	"net/http"

	"golazy.dev/examples/chat/app/controllers"
	"golazy.dev/examples/chat/app/realtime"
	"golazy.dev/lazycontroller"
	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyroutes"
)

// Draw draws the routes of the application.
func Draw(router *lazyroutes.Scope, chat *realtime.Chat, plain *realtime.Plain) {
	drawPages(router, controllers.New(chat))
	drawHub(router, chat.Hub)

	router.HandleFunc(http.MethodGet, "/chat/socket", plain.ChatSocket)
}

func drawPages(router *lazyroutes.Scope, app *controllers.App) {
	router.Path("/", func(s *lazyroutes.Scope) {
		s.Use(controllers.Guard)
		s.HandleFunc(http.MethodGet, "/assets/{file}", controllers.Asset)

		s.HandleFunc(http.MethodGet, "/login", app.Login)
		s.HandleFunc(http.MethodPost, "/login", app.StartSession)
		s.HandleFunc(http.MethodPost, "/logout", app.EndSession)
		s.HandleFunc(http.MethodGet, "/session", app.LoggedIn(app.Session))

		s.HandleFunc(http.MethodGet, "/{$}", app.LoggedIn(app.Home))
		s.HandleFunc(http.MethodGet, "/rooms", app.LoggedIn(app.Rooms))
		s.HandleFunc(http.MethodPost, "/rooms", app.LoggedIn(app.MakeRoom))
		s.HandleFunc(http.MethodGet, "/rooms/{room}", app.LoggedIn(app.Room))
		s.HandleFunc(http.MethodPost, "/rooms/{room}/door", app.LoggedIn(app.OpenDoor))
		s.HandleFunc(http.MethodPost, "/rooms/{room}/messages", app.LoggedIn(app.Say))
	})
}

// drawHub draws what the hub serves: sockets of pages, their script, and what programs publish.
func drawHub(router *lazyroutes.Scope, hub *lazyrealtime.Hub) {
	router.HandleFunc(http.MethodGet, "/cable", hub.ServeAction)
	router.Handle(http.MethodGet, "/{script}", http.HandlerFunc(hub.ServeAnyScript)) // during an upgrade, that of either version
	router.Handle(http.MethodPost, "/_broadcast", http.HandlerFunc(hub.ServePublish))
	router.HandleFunc(http.MethodGet, "/readyz", func(w http.ResponseWriter, _ *http.Request) error {
		if err := hub.Ready(); err != nil {
			return lazycontroller.Error(http.StatusServiceUnavailable, err)
		}
		_, err := w.Write([]byte("ready\n"))
		return err
	})
}
