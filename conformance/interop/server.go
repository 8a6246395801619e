package main

import (
	"context"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golazy.dev/lazywebsocket"
)

// asServer runs the cases in which we are the server and the peer is the client.
func asServer(ctx context.Context, p peer, m sequences) ([]report, error) {
	cases := runnable(serverCases, p)
	reports := make(chan report, 1)
	server := &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, tapKey{}, c)
		},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			i, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
			if err != nil || i < 0 || i >= len(cases) {
				http.NotFound(w, r)
				return
			}
			select {
			case reports <- cases[i].serve(w, r):
			case <-ctx.Done():
			}
		}),
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go func() { _ = server.Serve(tapListener{listener}) }() // Always an error: http.ErrServerClosed.
	defer func() { _ = server.Close() }()

	var j job
	for i, tc := range cases {
		j.Cases = append(j.Cases, p.jobOf(tc, "ws://"+listener.Addr().String()+"/"+strconv.Itoa(i)))
	}
	process, err := p.start(ctx, "client", j)
	if err != nil {
		return nil, err
	}
	defer func() { _ = process.stop() }() // It has said all that counts.
	out := make([]report, 0, len(cases))
	for _, tc := range cases {
		theirs, err := process.next()
		if err != nil {
			return nil, err
		}
		r := report{testCase: tc}
		select {
		case r = <-reports:
		case <-time.After(10 * time.Second): // The peer had no connection: theirs says why.
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		r.peer, r.theirs, r.plain = p.name, theirs, size(m.of(tc))
		out = append(out, r)
	}
	return out, nil
}

// tapKey is the context's key of the connection.
type tapKey struct{}

// serve echoes over one connection and reports it.
func (tc testCase) serve(w http.ResponseWriter, r *http.Request) report {
	out := report{testCase: tc}
	upgrader := lazywebsocket.Upgrader{
		EnableCompression: true,
		Compression:       tc.ours,
		ReadLimit:         readLimit,
		WriteBufferSize:   tc.writeBuffer(),
	}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		out.err = err
		return out
	}
	out.err = tc.echo(conn)
	_ = conn.Close()
	out.wire(r.Context().Value(tapKey{}).(*tap), false)
	return out
}

// wire fills in what the tap has seen, on our side.
func (r *report) wire(t *tap, client bool) {
	ours, theirs := &t.written, &t.read
	if client {
		ours, theirs = theirs, ours
	}
	r.fromServer, r.fromClient = ours.n.Load(), theirs.n.Load()
	r.answered, r.offered = ours.extensions(), theirs.extensions()
}
