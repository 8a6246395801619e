package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"golazy.dev/lazywebsocket"
)

const aboutServe = `
Serves WebSockets on every path, and sends each message back as it came. Other
requests get a page to try it with.`

//go:embed serve.html
var servePage []byte

// serveOptions are the flags of lazyws serve.
type serveOptions struct {
	addr       string
	compress   bool
	anyOrigin  bool
	maxMessage int64
}

func parseServe(p *program, args []string) (*serveOptions, error) {
	o := new(serveOptions)
	f := newFlagSet(p, "serve", "", aboutServe)
	f.StringVar(&o.addr, "addr", "127.0.0.1:8080", "`host:port` to listen on; without a host, all interfaces")
	f.BoolVar(&o.compress, "compress", false, "compress messages for clients that can (permessage-deflate)")
	f.BoolVar(&o.anyOrigin, "any-origin", false, "let pages of all origins connect")
	f.Int64Var(&o.maxMessage, "max-message", 1<<20, "largest message in `bytes`")
	rest, err := f.parse(args)
	if err == nil && len(rest) > 0 {
		err = usagef("unexpected argument %q", rest[0])
	}
	return o, err
}

// runServe is lazyws serve.
func runServe(ctx context.Context, p *program, args []string) error {
	o, err := parseServe(p, args)
	if err != nil {
		return err
	}
	var listen net.ListenConfig
	l, err := listen.Listen(ctx, "tcp", o.addr)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(p.out, "echo: ws://%s\n", l.Addr()); err != nil {
		return errors.Join(err, l.Close())
	}
	e := &echo{poller: lazywebsocket.Poller{Inline: true}, upgrader: lazywebsocket.Upgrader{
		EnableCompression: o.compress, ReadLimit: o.maxMessage, PingInterval: 25 * time.Second,
	}}
	if o.anyOrigin {
		e.upgrader.CheckOrigin = func(*http.Request) bool { return true }
	}
	server := &http.Server{Handler: e, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err = <-ended:
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return errors.Join(err, server.Shutdown(end), e.shutdown(end))
}

// echo is a server that sends back what it gets.
type echo struct {
	upgrader lazywebsocket.Upgrader
	poller   lazywebsocket.Poller
	all      lazywebsocket.Group
}

// ServeHTTP implements http.Handler.
func (e *echo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !lazywebsocket.IsWebSocketUpgrade(r) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(servePage) // whoever asked has gone otherwise
		return
	}
	upgrader := e.upgrader
	upgrader.Subprotocols = lazywebsocket.Subprotocols(r) // any will do
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // Upgrade has answered
	}
	e.all.Add(conn)
	_ = e.poller.Serve(conn, e) // ServeClosed is told
}

// ServeMessage implements lazywebsocket.MessageHandler.
func (e *echo) ServeMessage(conn *lazywebsocket.Conn, messageType int, data []byte) error {
	return conn.WriteMessage(messageType, data)
}

// ServeClosed implements lazywebsocket.MessageHandler.
func (e *echo) ServeClosed(*lazywebsocket.Conn, error) {}

// shutdown says goodbye to all, at once.
func (e *echo) shutdown(ctx context.Context) error {
	done := make(chan struct{})
	n := 0
	for conn := range e.all.All() {
		n++
		go func() {
			_ = conn.Shutdown(ctx, lazywebsocket.CloseGoingAway, "") // it is closed all the same
			done <- struct{}{}
		}()
	}
	for range n {
		<-done
	}
	return e.poller.Close()
}
