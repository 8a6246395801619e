package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazywebsocket"
)

// stopTimeout bounds how long the end may take beyond -drain.
const stopTimeout = 10 * time.Second

// runHub is lazyws hub: it serves until ctx is done, and then drains.
func runHub(ctx context.Context, p *program, args []string) (err error) {
	o, err := parseHub(p, args)
	if err != nil {
		return err
	}
	logger := o.logger(p.err)
	o.warn(logger)
	metrics := newMetrics()
	config := o.config(logger, metrics)
	s := &server{options: o, logger: logger}
	if err := s.listen(ctx); err != nil { // before the store: whoever started it twice should not wait for that
		return errors.Join(err, s.unlisten())
	}
	if config.Log, err = o.openStore(ctx, logger); err != nil {
		return errors.Join(err, s.unlisten())
	}
	defer func() { err = errors.Join(err, config.Log.Close()) }()
	hub, err := lazyrealtime.Open(ctx, config)
	if err != nil {
		return errors.Join(err, s.unlisten())
	}
	metrics.observe(hub)
	if _, err := fmt.Fprintf(p.out, "hub: %s\n", s.url()); err != nil {
		return errors.Join(err, s.unlisten())
	}
	return s.serve(ctx, hub, metrics)
}

// logger returns the one that -log-level and -log-format ask for.
func (o *hubOptions) logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: o.level}
	if o.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// goodKey is the length in bytes of a key that cannot be guessed (RFC 7518, 3.2).
const goodKey = 32

// warn tells of settings that are allowed and probably not meant.
func (o *hubOptions) warn(logger *slog.Logger) {
	for name, key := range map[string]key{"-secret": o.secret, "-publish-key": o.publishKey, "-jwt-key": o.jwtKey} {
		if n := len(key); n > 0 && n < goodKey {
			logger.Warn("a short key can be guessed: 32 random bytes cannot", "flag", name, "bytes", n)
		}
	}
	if len(o.secret) == 0 && !o.public {
		logger.Warn("without -secret and without -public nobody can follow a topic")
	}
	host, _, err := net.SplitHostPort(o.addr)
	if ip := net.ParseIP(host); err == nil && host != "localhost" && (ip == nil || !ip.IsLoopback()) && o.public {
		logger.Warn("everybody who reaches this address may follow every topic: -public", "addr", o.addr)
	}
}

// config makes the hub's configuration, without the log.
func (o *hubOptions) config(logger *slog.Logger, metrics lazyrealtime.Metrics) lazyrealtime.Config {
	c := lazyrealtime.Config{
		Authorize:    o.authorize,
		Retain:       func(string) lazyrealtime.Retention { return o.retention() },
		Secret:       hubSecret(o.secret),
		TurboSecret:  o.secret,
		Public:       o.public,
		PublishKey:   string(o.publishKey),
		Upgrader:     o.upgrader(),
		Poller:       new(lazywebsocket.Poller),
		Limits:       lazyrealtime.Limits{MessageBytes: o.maxMessage},
		PingInterval: o.ping,
		Drain:        o.drain,
		Metrics:      metrics,
		Logger:       logger,
	}
	if o.drain == 0 {
		c.Drain = -1
	}
	if c.Limits.Connections = o.maxClients; o.maxClients == 0 {
		c.Limits.Connections = -1
	}
	if o.verifier != nil {
		c.Authenticate = o.verifier.Authenticate
	}
	return c
}

// leastSecret is the fewest bytes that a hub takes for a secret.
const leastSecret = 16

// hubSecret is the secret of the hub for a key: the key itself, so that a Go program
// with the same one signs for it, unless it is too short for that.
func hubSecret(key []byte) []byte {
	if len(key) == 0 || len(key) >= leastSecret {
		return key
	}
	sum := sha256.Sum256(key)
	return sum[:]
}

// retention says what is kept of each topic.
func (o *hubOptions) retention() lazyrealtime.Retention {
	return lazyrealtime.Retention{Messages: o.retainMessages, Age: o.retainAge}
}

// upgrader upgrades requests of the pages that may connect.
func (o *hubOptions) upgrader() *lazywebsocket.Upgrader {
	return &lazywebsocket.Upgrader{
		CheckOrigin:       allowed(o.allowedOrigins()),
		EnableCompression: o.compress,
		Budget:            &lazywebsocket.Budget{ConnectionsPerAddress: o.maxConnections},
	}
}

// allowedOrigins returns the origins that parseHub has checked.
func (o *hubOptions) allowedOrigins() []origin {
	origins := make([]origin, len(o.origins))
	for i, text := range o.origins {
		origins[i], _ = parseOrigin(text)
	}
	return origins
}

// authorize decides by what the hub has checked before it asks: a topic is followed
// by a name that was signed with -secret, and whoever has that may see what was
// published. Publishing is for those who have the key, unless -publish says more.
func (o *hubOptions) authorize(_ context.Context, id lazyrealtime.Identity, op lazyrealtime.Op, _ string) error {
	switch {
	case op == lazyrealtime.OpSubscribe, op == lazyrealtime.OpReplay:
		return nil
	case op == lazyrealtime.OpPublish && o.publish:
		return nil
	case op == lazyrealtime.OpWhisper && o.whisper:
		return nil
	case op == lazyrealtime.OpPresence && o.presence && id.ID != "":
		return nil
	default:
		return lazyrealtime.ErrDenied
	}
}

// drain ends a hub whose server still takes requests, so that /readyz can say that
// it is not ready, and then the server.
func drain(hub *lazyrealtime.Hub, limit time.Duration, servers ...*http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	err := hub.Shutdown(ctx)
	for _, s := range servers {
		err = errors.Join(err, endRequests(s))
	}
	return err
}

// requestsEnd is how long requests may take to end once the hub has ended: they were
// begun before, and a publish takes milliseconds.
const requestsEnd = 2 * time.Second

// endRequests lets a server's requests end, and cuts those that do not: a client that
// has sent half of one, and is silent, is no failure of ours.
func endRequests(s *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), requestsEnd)
	defer cancel()
	err := s.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		slog.Warn("requests that did not end were cut")
		return s.Close()
	}
	return err
}
