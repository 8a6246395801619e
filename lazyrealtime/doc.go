// Package lazyrealtime is what stands between an application and its many
// browsers: topics that are published to and followed, authorized, persisted,
// replayed, and shown with who is present, on one machine or on several.
//
//	log, err := sqlite.Open(ctx, "app.db", sqlite.Options{})
//	hub, err := lazyrealtime.Open(ctx, lazyrealtime.Config{
//		Log:          log,
//		Authenticate: whoIs,  // from the session's cookie, or a token
//		Authorize:    mayDo,  // subscribe, replay, publish, whisper, presence
//		Secret:       secret, // the same after a restart
//	})
//	router.HandleFunc(http.MethodGet, "/cable", hub.ServeAction)
//	router.Handle(http.MethodGet, "/{script}", http.HandlerFunc(hub.ServeAnyScript))
//
//	at, err := hub.Publish(ctx, "room:42", data, lazyrealtime.MessageID("order-7"))
//
// # Messages
//
// Publish appends a message to the topic's log, and returns when it is durable.
// Whoever follows the topic gets it, in the order of the log: browsers through
// /cable, which speaks Action Cable as Rails' and AnyCable's clients and Turbo's
// elements do, and the hub's own cable.js; the process through Subscribe. Broadcast
// sends what need not be stored.
//
// A client that was away comes back with the positions that it had, and gets what
// it has missed and then what is live, nothing twice, nothing left out, in order;
// or it is told that there is a gap, because retention has passed it by. Clients
// that know no positions get everything in order and once while they are connected,
// and a page of Turbo is told to refresh where it may have missed something.
//
// # Who may
//
// Everything is denied until Config says otherwise. Pages subscribe with names that
// SignedName has made for their visitor. Revoke ends all connections of an identity
// on all nodes and voids its credentials.
//
// # Bounds
//
// Publishing waits for no reader: each connection has a bounded queue (see
// lazywebsocket.QueueOptions), and one that does not read ends. Each active topic
// keeps its latest messages in memory (Config.RecentMessages), 256 MiB for all, so
// that clients that come back together read memory. Limits bound what clients may do.
//
// # Engines
//
// A Log is where messages are kept: golazy.dev/lazyrealtime/sqlite in a file,
// golazy.dev/lazyrealtime/nats on a cluster, golazy.dev/lazyrealtime/memory for
// tests. This package imports none.
package lazyrealtime
