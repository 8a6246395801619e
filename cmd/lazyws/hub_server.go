package main

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazywebsocket"
)

// publishTimeout bounds how long the body of a publish may take to arrive.
const publishTimeout = 30 * time.Second

// server is what lazyws hub listens with.
type server struct {
	options *hubOptions
	logger  *slog.Logger

	public  net.Listener
	metrics net.Listener // nil without -metrics-addr
	tls     *tls.Config  // nil without -tls-cert
}

// listen reads the certificate and opens the sockets.
func (s *server) listen(ctx context.Context) error {
	if s.options.tlsCert != "" {
		certificate, err := tls.LoadX509KeyPair(s.options.tlsCert, s.options.tlsKey)
		if err != nil {
			return err
		}
		s.tls = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", s.options.addr)
	if err != nil {
		return err
	}
	s.public = lazywebsocket.NewListener(l) // beneath TLS, for the event loops
	if s.options.metricsAddr != "" {
		s.metrics, err = config.Listen(ctx, "tcp", s.options.metricsAddr)
	}
	return err
}

// unlisten closes the sockets that nobody serves.
func (s *server) unlisten() error {
	var err error
	for _, l := range []net.Listener{s.public, s.metrics} {
		if l != nil {
			err = errors.Join(err, l.Close())
		}
	}
	return err
}

// url is the address of the hub: the host that was asked for, and the port that
// was given.
func (s *server) url() string {
	scheme := "http"
	if s.tls != nil {
		scheme = "https"
	}
	host, _, _ := net.SplitHostPort(s.options.addr)
	if host == "" {
		host = "localhost"
	}
	_, port, _ := net.SplitHostPort(s.public.Addr().String())
	return scheme + "://" + net.JoinHostPort(host, port)
}

// serve serves until ctx is done, and then drains.
func (s *server) serve(ctx context.Context, hub *lazyrealtime.Hub, metrics *metrics) error {
	public := s.newServer(s.handler(hub, metrics))
	servers := []*http.Server{public}
	ended := make(chan error, 2)
	go func() {
		if public.TLSConfig = s.tls; s.tls == nil {
			ended <- public.Serve(s.public)
		} else {
			ended <- public.ServeTLS(s.public, "", "")
		}
	}()
	if s.metrics != nil {
		private := s.newServer(metrics.handler())
		servers = append(servers, private)
		go func() { ended <- private.Serve(s.metrics) }()
	}
	var err error
	select {
	case err = <-ended:
	case <-ctx.Done():
		s.logger.Info("draining", "connections", hub.Stats().Connections, "within", s.options.drain)
	}
	return errors.Join(err, drain(hub, s.options.drain+stopTimeout, servers...))
}

func (s *server) newServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.logger.Handler(), slog.LevelDebug),
	}
}

// handler serves all that aboutHub lists.
func (s *server) handler(hub *lazyrealtime.Hub, metrics *metrics) http.Handler {
	mux := http.NewServeMux()
	all := hub.Handler()
	mux.Handle("/", all)
	mux.Handle("POST /_broadcast", bounded(all))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := hub.Ready(); err != nil {
			s.logger.Debug("not ready", "error", err)
			answer(w, http.StatusServiceUnavailable, "not ready")
			return
		}
		answer(w, http.StatusOK, "ready")
	})
	if s.metrics == nil {
		mux.Handle("GET /metrics", metrics.handler())
	}
	return mux
}

// answer answers what nobody should keep.
func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n") // whoever asked has gone otherwise
}

// bounded gives a request's body a time to arrive in. The server has none for all
// of them: it would end what streams.
func bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(publishTimeout)); err != nil {
			http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
			return
		}
		next.ServeHTTP(w, r)
	})
}
