package main

import (
	"context"
	"fmt"
	"net"
	"time"

	"golazy.dev/lazywebsocket"
)

// asClient runs the cases in which we are the client and the peer is the server.
func asClient(ctx context.Context, p peer, m sequences) ([]report, error) {
	cases := runnable(clientCases, p)
	var j job
	for _, tc := range cases {
		j.Cases = append(j.Cases, p.jobOf(tc, ""))
	}
	process, err := p.start(ctx, "server", j)
	if err != nil {
		return nil, err
	}
	defer func() { _ = process.stop() }() // It has said all that counts.
	ports := map[string]int{}
	for range cases {
		e, err := process.next()
		if err != nil {
			return nil, err
		}
		ports[e.Case] = e.Port
	}
	out := make([]report, 0, len(cases))
	for _, tc := range cases {
		r, connected := tc.dial(ctx, ports[tc.name], m.of(tc))
		r.peer, r.plain = p.name, size(m.of(tc))
		if connected {
			if r.theirs, err = process.next(); err != nil {
				return nil, err
			}
		}
		out = append(out, r)
	}
	return out, nil
}

// dial runs one case, and reports whether there was a connection.
func (tc testCase) dial(ctx context.Context, port int, messages []message) (r report, connected bool) {
	r.testCase = tc
	var wire *tap
	dialer := lazywebsocket.Dialer{
		EnableCompression: true,
		Compression:       tc.ours,
		ReadLimit:         readLimit,
		WriteBufferSize:   tc.writeBuffer(),
		HandshakeTimeout:  30 * time.Second,
		NetDialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			wire = &tap{Conn: conn}
			return wire, nil
		},
	}
	conn, _, err := dialer.DialContext(ctx, fmt.Sprintf("ws://127.0.0.1:%d/", port), nil)
	if wire != nil {
		r.wire(wire, true)
	}
	if err != nil {
		r.err = err
		return r, false
	}
	unhook := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer unhook()
	if r.err = tc.exchange(conn, messages); r.err == nil {
		r.err = conn.Shutdown(ctx, lazywebsocket.CloseNormalClosure, "")
	}
	_ = conn.Close()
	r.wire(wire, true)
	return r, true
}
