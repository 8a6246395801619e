package http3_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/testutils/simnet"

	"golazy.dev/lazyroutes"
	"golazy.dev/lazywebsocket"
	sockets "golazy.dev/lazywebsocket/http3"
)

// certificate is for "server", for ever.
var certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Unix(1<<33, 0), DNSNames: []string{"server"}}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

// world is a server of HTTP/3 on a network in memory, a millisecond from its clients.
type world struct {
	t      testing.TB
	server *http3.Server
	router simnet.PerfectRouter
	addr   *net.UDPAddr
	hosts  byte // clients so far
}

// newWorld serves a handler, within a bubble.
func newWorld(t testing.TB, h http.Handler) *world {
	t.Helper()
	return newWorldWith(t, &http3.Server{Handler: h, QUICConfig: sockets.Config()})
}

func newWorldWith(t testing.TB, server *http3.Server) *world {
	t.Helper()
	w := &world{t: t, server: server, addr: &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443}}
	server.TLSConfig = http3.ConfigureTLSConfig(&tls.Config{Certificates: []tls.Certificate{certificate()}})
	if server.Logger == nil {
		server.Logger = slog.New(slog.DiscardHandler)
	}
	transport := &quic.Transport{Conn: w.endpoint(w.addr)}
	listener, err := transport.ListenEarly(server.TLSConfig, server.QUICConfig)
	must(t, err)
	served := make(chan error, 1)
	go func() { served <- server.ServeListener(listener) }()
	t.Cleanup(func() {
		_ = server.Close()
		<-served
		_ = listener.Close()
		_ = transport.Close()
	})
	return w
}

// endpoint makes a host, whose network is to be started once.
func (w *world) endpoint(addr *net.UDPAddr) net.PacketConn {
	link := &simnet.Simnet{Router: &w.router}
	conn := link.NewEndpoint(addr, simnet.NodeBiDiLinkSettings{Latency: time.Millisecond})
	must(w.t, link.Start())
	w.t.Cleanup(func() {
		_ = conn.Close()
		_ = link.Close()
	})
	return conn
}

// client is the client's end of a QUIC connection.
type client struct {
	t    testing.TB
	quic *quic.Conn
	http *http3.ClientConn
	host net.PacketConn
}

// client connects, with windows of so many bytes, to receive, for a stream.
func (w *world) client(window uint64) *client {
	w.t.Helper()
	w.hosts++
	host := w.endpoint(&net.UDPAddr{IP: net.IPv4(192, 0, 2, 10+w.hosts), Port: 40000})
	transport := &quic.Transport{Conn: host}
	conn, err := transport.Dial(context.Background(), w.addr, clientTLS(), &quic.Config{
		InitialStreamReceiveWindow: window, MaxStreamReceiveWindow: window,
		InitialConnectionReceiveWindow: 16 << 20, MaxConnectionReceiveWindow: 16 << 20,
	})
	must(w.t, err)
	return newClient(w.t, transport, conn, host)
}

func clientTLS() *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, ServerName: "server", NextProtos: []string{http3.NextProtoH3}}
}

func newClient(t testing.TB, transport *quic.Transport, conn *quic.Conn, host net.PacketConn) *client {
	t.Helper()
	t.Cleanup(func() {
		_ = conn.CloseWithError(0, "")
		_ = transport.Close()
	})
	c := &client{t: t, quic: conn, http: new(http3.Transport).NewClientConn(conn), host: host}
	<-c.http.ReceivedSettings()
	if !c.http.Settings().EnableExtendedConnect {
		t.Fatal("the server does not say that it takes extended CONNECT")
	}
	return c
}

// request is an extended CONNECT (RFC 9220, 3).
func request(path string, header http.Header) *http.Request {
	u, err := url.Parse("https://server" + path)
	if err != nil {
		panic(err)
	}
	r := &http.Request{Method: http.MethodConnect, Proto: "websocket", URL: u, Host: "server", Header: http.Header{"Sec-Websocket-Version": {"13"}}}
	for name, values := range header {
		r.Header[name] = values
	}
	return r
}

// do sends a request and receives its answer.
func (c *client) do(r *http.Request) (*http3.RequestStream, *http.Response, error) {
	stream, err := c.http.OpenRequestStream(context.Background())
	if err != nil {
		return nil, nil, err
	}
	if err := stream.SendRequestHeader(r); err != nil {
		return stream, nil, err
	}
	resp, err := stream.ReadResponse()
	return stream, resp, err
}

// status sends a request, and drops it when it is answered.
func (c *client) status(r *http.Request) int {
	c.t.Helper()
	stream, resp, err := c.do(r)
	must(c.t, err)
	cancel(stream)
	return resp.StatusCode
}

// cancel does what a browser does whose tab is closed: it resets one direction and
// refuses the other.
func cancel(s *http3.RequestStream) {
	s.CancelWrite(quic.StreamErrorCode(http3.ErrCodeRequestCanceled))
	s.CancelRead(quic.StreamErrorCode(http3.ErrCodeRequestCanceled))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// bubble runs a test inside synctest, which fails if a goroutine is left. QUIC's timers
// keep a bubble alive: what waits for ever is found after an hour of it.
func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			stuck := time.AfterFunc(time.Hour, func() { panic(t.Name() + " is stuck") })
			t.Cleanup(func() { stuck.Stop() })
			f(t)
		})
	})
}

type action = func(http.ResponseWriter, *http.Request) error

// plain makes a handler of an action, without a router.
func plain(a action) http.Handler {
	return sockets.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _ = a(w, r) }))
}

// routed makes a handler of an action that is drawn for GET.
func routed(a action) http.Handler { return routedWith(map[string]action{"/ws": a}) }

func routedWith(actions map[string]action) http.Handler {
	router := lazyroutes.New(lazyroutes.WithLogger(context.Background(), slog.New(slog.DiscardHandler)))
	for path, a := range actions {
		router.HandleFunc(http.MethodGet, path, a)
	}
	return sockets.Handler(router)
}

// echo is the guide's handler, with an upgrader.
func echo(u *lazywebsocket.Upgrader) action {
	return func(w http.ResponseWriter, r *http.Request) error {
		if !lazywebsocket.IsWebSocketUpgrade(r) {
			return errors.New("this is a WebSocket endpoint")
		}
		conn, err := u.Upgrade(w, r, nil)
		if err != nil {
			return nil // it has answered
		}
		defer conn.Close()
		for {
			messageType, data, err := conn.ReadMessage()
			if err != nil || string(data) == "leave" {
				return nil
			}
			if err := conn.WriteMessage(messageType, data); err != nil {
				return err
			}
		}
	}
}

// wantEnd waits for the orderly end of a stream.
func wantEnd(t testing.TB, r io.Reader) {
	t.Helper()
	if b, err := io.ReadAll(r); err != nil || len(b) > 0 {
		t.Errorf("the stream's end: %d bytes, %v", len(b), err)
	}
}
