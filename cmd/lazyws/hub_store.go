package main

import (
	"context"
	"log/slog"

	natsgo "github.com/nats-io/nats.go"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/memory"
	"golazy.dev/lazyrealtime/nats"
	"golazy.dev/lazyrealtime/sqlite"
)

// openStore opens the engine that -store names.
func (o *hubOptions) openStore(ctx context.Context, logger *slog.Logger) (lazyrealtime.Log, error) {
	kind, err := storeKind(o.store)
	switch {
	case err != nil:
		return nil, err
	case kind == storeMemory:
		logger.Warn("what is published is lost when the process ends: -store memory:")
		return memory.Open(), nil
	case kind == storeNATS:
		return nats.Open(ctx, o.store, o.natsOptions(logger))
	default:
		return sqlite.Open(ctx, o.store, sqlite.Options{})
	}
}

func (o *hubOptions) natsOptions(logger *slog.Logger) nats.Options {
	options := nats.Options{
		Replicas: o.replicas,
		Retain:   o.retention(),
		Connect:  []natsgo.Option{natsgo.Name("lazyws hub")},
		Logger:   logger,
	}
	if o.natsCreds != "" {
		options.Connect = append(options.Connect, natsgo.UserCredentials(o.natsCreds))
	}
	return options
}
