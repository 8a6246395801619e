package main

import (
	"errors"
	"log/slog"
	"strings"
	"time"

	"golazy.dev/lazyrealtime/jwt"
)

const aboutHub = `
A hub: browsers follow topics over WebSockets at /cable, and programs in any
language publish to them by HTTP. What is published is stored before it is
acknowledged; a client that comes back gets what it missed. It speaks Action
Cable, base and extended: @rails/actioncable, @anycable/web, Turbo's elements and
its own /cable.js work with it.

  /cable       WebSockets
  /stream      for <turbo-stream-source src="/stream?name=SIGNED">
  /_broadcast  POST {"stream":"TOPIC","data":"..."}, or an array of them, with
               Authorization: Bearer KEY (-publish-key)
  /cable.js    the client, an ES module
  /healthz     200 while the process lives
  /readyz      200 while it takes connections, 503 before the end
  /metrics     for Prometheus

A topic is followed by a name that is signed with -secret (lazyws sign, or
turbo-rails with the same key as signed_stream_verifier_key), or, with -public, by
its plain name. Keys can be given in the environment, or as @FILE.

SIGTERM drains: clients are told to come back, one after the other over -drain. A
second one ends the process at once.`

// hubOptions are the flags of lazyws hub.
type hubOptions struct {
	addr, tlsCert, tlsKey string
	metricsAddr           string

	store, natsCreds string
	replicas         int
	retainMessages   int
	retainAge        time.Duration

	secret, publishKey, jwtKey key
	jwtIssuer, jwtAudience     string
	public, publish            bool
	whisper, presence          bool
	origins                    list

	maxMessage     int
	maxConnections int
	maxClients     int
	compress       bool
	ping, drain    time.Duration

	logLevel, logFormat string
	level               slog.Level

	verifier *jwt.Verifier // nil without a key
}

// parseHub reads the flags of lazyws hub.
func parseHub(p *program, args []string) (*hubOptions, error) {
	o := new(hubOptions)
	f := newFlagSet(p, "hub", "", aboutHub)
	f.StringVar(&o.addr, "addr", "127.0.0.1:8080", "`host:port` to listen on; without a host, all interfaces")
	f.StringVar(&o.tlsCert, "tls-cert", "", "`file` with the certificate, for https and wss")
	f.StringVar(&o.tlsKey, "tls-key", "", "`file` with the certificate's key")
	f.StringVar(&o.metricsAddr, "metrics-addr", "", "another `host:port` for /metrics, which -addr does not have then")
	f.StringVar(&o.store, "store", "lazyws.db", "where messages are kept: a `file`, nats://host:port of NATS JetStream, or memory:")
	f.StringVar(&o.natsCreds, "nats-creds", "", "`file` with the credentials for NATS")
	f.IntVar(&o.replicas, "replicas", 0, "servers that hold each message, with NATS; 0 is 3 in a cluster and 1 on a single server")
	f.IntVar(&o.retainMessages, "retain-messages", 1000, "how many of a topic's latest messages are kept")
	f.DurationVar(&o.retainAge, "retain-age", 24*time.Hour, "how long messages are kept")
	f.Var(&o.secret, "secret", "`key` that signs the names of topics: 32 random bytes or more")
	f.Var(&o.publishKey, "publish-key", "`key` of those who publish; without it /_broadcast does not exist")
	f.Var(&o.jwtKey, "jwt-key", "`key` of the tokens that clients connect with: a secret, or a public key in PEM; without it everybody may connect")
	f.StringVar(&o.jwtIssuer, "jwt-issuer", "", "what a token's `iss` must be")
	f.StringVar(&o.jwtAudience, "jwt-audience", "", "what a token's `aud` must have")
	f.BoolVar(&o.public, "public", false, "everybody may follow any topic, and whisper in it, by its plain name")
	f.BoolVar(&o.publish, "publish", false, "clients may publish in the topics that they follow, as subscription.publish of cable.js does")
	f.BoolVar(&o.whisper, "whisper", false, "clients may whisper in topics whose signed name they have")
	f.BoolVar(&o.presence, "presence", false, "clients may be present in topics, and see who is, under their token's sub")
	f.Var(&o.origins, "allow-origin", "`origin` of pages that may connect beside those of the hub's own host, as https://example.com or https://*.example.com; * is all; may be repeated")
	f.IntVar(&o.maxMessage, "max-message", 64<<10, "largest message in `bytes`")
	f.IntVar(&o.maxConnections, "max-connections", 0, "most connections from one address, WebSockets and event streams; 0 is no limit")
	f.IntVar(&o.maxClients, "max-clients", 100_000, "most connections of all clients together; 0 is no limit")
	f.BoolVar(&o.compress, "compress", false, "compress messages for clients that can (permessage-deflate)")
	f.DurationVar(&o.ping, "ping", 3*time.Second, "time between pings")
	f.DurationVar(&o.drain, "drain", 5*time.Second, "time over which the clients are sent away at the end; 0 is all at once")
	f.StringVar(&o.logLevel, "log-level", "info", "debug, info, warn or error")
	f.StringVar(&o.logFormat, "log-format", "text", "text or json")
	rest, err := f.parse(args)
	if err != nil {
		return nil, err
	}
	if len(rest) > 0 {
		return nil, usagef("unexpected argument %q", rest[0])
	}
	return o, o.check()
}

// check says what is wrong with the flags.
func (o *hubOptions) check() error {
	if err := o.level.UnmarshalText([]byte(o.logLevel)); err != nil {
		return usagef("-log-level: %q is none of debug, info, warn, error", o.logLevel)
	}
	switch {
	case o.logFormat != "text" && o.logFormat != "json":
		return usagef("-log-format: %q is neither text nor json", o.logFormat)
	case (o.tlsCert == "") != (o.tlsKey == ""):
		return usagef("-tls-cert and -tls-key go together")
	case o.retainMessages <= 0:
		return usagef("-retain-messages: at least 1")
	case o.retainAge <= 0:
		return usagef("-retain-age: more than 0")
	case o.maxMessage <= 0:
		return usagef("-max-message: more than 0")
	case o.ping <= 0:
		return usagef("-ping: more than 0")
	case o.drain < 0 || o.maxConnections < 0 || o.maxClients < 0 || o.replicas < 0:
		return usagef("-drain, -max-connections, -max-clients and -replicas: not below 0")
	case len(o.jwtKey) == 0 && o.jwtIssuer+o.jwtAudience != "":
		return usagef("-jwt-issuer and -jwt-audience go with -jwt-key")
	case len(o.jwtKey) == 0 && o.presence:
		return usagef("-presence goes with -jwt-key: without a token nobody has a name")
	}
	for _, origin := range o.origins {
		if _, err := parseOrigin(origin); err != nil {
			return usagef("-allow-origin: %w", err)
		}
	}
	if err := o.checkKey(); err != nil {
		return usagef("-jwt-key: %w", err)
	}
	kind, err := storeKind(o.store)
	switch {
	case err != nil:
		return usagef("-store: %w", err)
	case kind != storeNATS && (o.replicas != 0 || o.natsCreds != ""):
		return usagef("-replicas and -nats-creds go with a -store of NATS")
	}
	return nil
}

// checkKey makes the verifier of tokens.
func (o *hubOptions) checkKey() error {
	if len(o.jwtKey) == 0 {
		return nil
	}
	key, err := jwt.ParseKey(o.jwtKey)
	if err != nil {
		return err
	}
	o.verifier, err = jwt.New(jwt.Options{Key: key, Issuer: o.jwtIssuer, Audience: o.jwtAudience})
	return err
}

// The kinds of stores.
const (
	storeFile = iota
	storeNATS
	storeMemory
)

// storeKind says what kind of store a text names.
func storeKind(store string) (int, error) {
	scheme, rest, ok := strings.Cut(store, ":")
	switch {
	case store == "":
		return 0, errors.New("it is empty")
	case store == "memory:":
		return storeMemory, nil
	case ok && (scheme == "nats" || scheme == "tls" || scheme == "ws" || scheme == "wss") && strings.HasPrefix(rest, "//"):
		return storeNATS, nil
	case ok && strings.HasPrefix(rest, "//"):
		return 0, errors.New("the scheme " + scheme + " is not known; there are files, nats:// and memory:")
	default:
		return storeFile, nil
	}
}
