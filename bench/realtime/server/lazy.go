package server

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/memory"
	"golazy.dev/lazyrealtime/sqlite"
	"golazy.dev/lazywebsocket"
)

// newLazy makes a hub: on the memory engine, "loop" from event loops, "sqlite" on a
// file that is synced before a publish returns.
func newLazy(kind string) (http.Handler, publisher, error) {
	config := lazyrealtime.Config{
		Public: true, Logger: slog.New(slog.DiscardHandler),
		Limits: lazyrealtime.Limits{Subscriptions: -1},
		Retain: func(string) lazyrealtime.Retention { return lazyrealtime.Retention{Messages: 100, Age: time.Hour} },
	}
	switch kind {
	case "sqlite":
		dir, err := os.MkdirTemp("", "realtime")
		if err != nil {
			return nil, nil, err
		}
		log, err := sqlite.Open(context.Background(), filepath.Join(dir, "bench.db"), sqlite.Options{})
		if err != nil {
			return nil, nil, err
		}
		config.Log = log
	case "loop":
		config.Poller = new(lazywebsocket.Poller)
		config.Log = memory.Open()
	default:
		config.Log = memory.Open()
	}
	hub, err := lazyrealtime.Open(context.Background(), config)
	if err != nil {
		return nil, nil, err
	}
	publish := func(ctx context.Context, topic string, data []byte) error {
		_, err := hub.Publish(ctx, topic, data)
		return err
	}
	return hub, publish, nil
}
