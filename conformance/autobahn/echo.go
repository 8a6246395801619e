package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/http2"
)

const (
	// readLimit admits the largest messages of group 9, which have 16 MiB.
	readLimit = 32 << 20
	// caseTimeout bounds one case. The slowest takes a few seconds.
	caseTimeout = 2 * time.Minute
)

// echo sends every message back as it came, until the connection ends, in the way
// that the flag -mode says.
var echo = echoBlocking

// modes are the ways.
var modes = map[string]func(conn *lazywebsocket.Conn){
	"blocking": echoBlocking,
	"loop":     polled(new(lazywebsocket.Poller)),
	"inline":   polled(&lazywebsocket.Poller{Inline: true}),
}

// polled is an echo from the event loops of a Poller.
func polled(poller *lazywebsocket.Poller) func(*lazywebsocket.Conn) {
	return func(conn *lazywebsocket.Conn) {
		closed := make(echoHandler)
		if poller.Serve(conn, closed) == nil {
			<-closed
		}
	}
}

// echoHandler is closed when the connection has ended.
type echoHandler chan struct{}

func (echoHandler) ServeMessage(conn *lazywebsocket.Conn, messageType int, data []byte) error {
	return conn.WriteMessage(messageType, data)
}

func (h echoHandler) ServeClosed(*lazywebsocket.Conn, error) { close(h) }

func echoBlocking(conn *lazywebsocket.Conn) {
	for {
		messageType, data, err := conn.ReadMessage()
		if err != nil {
			return
		}
		if err := conn.WriteMessage(messageType, data); err != nil {
			return
		}
	}
}

// An echoServer is the library in the role of the server, on a loopback port.
type echoServer struct {
	address string
	server  *http.Server
	served  chan struct{}   // Closed when it accepts no more.
	spoken  [3]atomic.Int32 // Requests, by the major version of HTTP.
}

func startEchoServer(errorLog io.Writer) (*echoServer, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &echoServer{address: listener.Addr().String(), served: make(chan struct{})}
	s.server = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(errorLog, "server: ", log.LstdFlags),
		HTTP2:             http2.Config(),
		Protocols:         new(http.Protocols),
	}
	s.server.Protocols.SetHTTP1(true)
	s.server.Protocols.SetUnencryptedHTTP2(true)
	go func() {
		defer close(s.served)
		_ = s.server.Serve(listener) // Always an error: http.ErrServerClosed.
	}()
	return s, nil
}

// ServeHTTP accepts a connection and sends its messages back.
func (s *echoServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.spoken[r.ProtoMajor].Add(1)
	upgrader := lazywebsocket.Upgrader{ReadLimit: readLimit, EnableCompression: true}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // Upgrade has answered.
	}
	defer func() { _ = conn.Close() }()
	echo(conn)
}

// spoke checks that every request came over the version of HTTP that it should.
func (s *echoServer) spoke(http2 bool) error {
	one, two := s.spoken[1].Load(), s.spoken[2].Load()
	if http2 && one == 0 && two > 0 || !http2 && two == 0 {
		return nil
	}
	return fmt.Errorf("%d requests came over HTTP/1.1, and %d over HTTP/2", one, two)
}

// stop ends the server. Connections have ended with the suite's process.
func (s *echoServer) stop() {
	_ = s.server.Close()
	<-s.served
}

// A fuzzingServer is the suite in the role of the server, for us as client.
type fuzzingServer struct {
	address string
}

func (f fuzzingServer) url(path string, query url.Values) string {
	u := url.URL{Scheme: "ws", Host: f.address, Path: path, RawQuery: query.Encode()}
	return u.String()
}

// dial connects, and returns a function that ends the connection. It ends with
// ctx and at caseTimeout, too.
func (f fuzzingServer) dial(ctx context.Context, path string, query url.Values) (*lazywebsocket.Conn, func(), error) {
	dialer := lazywebsocket.Dialer{
		HandshakeTimeout:  30 * time.Second,
		ReadLimit:         readLimit,
		EnableCompression: true,
	}
	conn, response, err := dialer.DialContext(ctx, f.url(path, query), nil)
	if err != nil {
		if response != nil {
			err = fmt.Errorf("%w (%s)", err, response.Status)
		}
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	ctx, cancel := context.WithTimeout(ctx, caseTimeout)
	unhook := context.AfterFunc(ctx, func() { _ = conn.Close() })
	return conn, func() {
		unhook()
		cancel()
		_ = conn.Close()
	}, nil
}

// count asks how many cases there are.
func (f fuzzingServer) count(ctx context.Context) (int, error) {
	conn, done, err := f.dial(ctx, "/getCaseCount", nil)
	if err != nil {
		return 0, err
	}
	defer done()
	_, data, err := conn.ReadMessage()
	if err != nil {
		return 0, fmt.Errorf("number of cases: %w", err)
	}
	n, err := strconv.Atoi(string(data))
	if err != nil {
		return 0, fmt.Errorf("number of cases: %w", err)
	}
	echo(conn) // The suite closes.
	return n, nil
}

// run runs case n, counted from 1.
func (f fuzzingServer) run(ctx context.Context, n int) error {
	conn, done, err := f.dial(ctx, "/runCase", url.Values{"case": {strconv.Itoa(n)}, "agent": {agent}})
	if err != nil {
		return err
	}
	defer done()
	echo(conn)
	return ctx.Err()
}

// report lets the suite write its reports, and returns when it has.
func (f fuzzingServer) report(ctx context.Context) error {
	conn, done, err := f.dial(ctx, "/updateReports", url.Values{"agent": {agent}})
	if err != nil {
		return err
	}
	defer done()
	echo(conn)
	return ctx.Err()
}
