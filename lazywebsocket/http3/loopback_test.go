package http3_test

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"golazy.dev/lazywebsocket"
	sockets "golazy.dev/lazywebsocket/http3"
)

// Outside of bubbles, on UDP and a clock that is real: a hundred sockets of one
// connection, closed by either side, and a server that stops.
func TestLoopback(t *testing.T) {
	near, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = near.Close() })
	server := &http3.Server{
		TLSConfig:  http3.ConfigureTLSConfig(clientTLS()),
		QUICConfig: sockets.Config(),
		Handler:    routed(echo(&lazywebsocket.Upgrader{EnableCompression: true})),
		Logger:     slog.New(slog.DiscardHandler),
	}
	server.TLSConfig.Certificates = append(server.TLSConfig.Certificates, certificate())
	served := make(chan error, 1)
	go func() { served <- server.Serve(near) }()
	t.Cleanup(func() {
		_ = server.Close()
		<-served
	})
	far, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = far.Close() })
	transport := &quic.Transport{Conn: far}
	conn, err := transport.Dial(context.Background(), near.LocalAddr(), clientTLS(), nil)
	must(t, err)
	c := newClient(t, transport, conn, far)
	opened := make([]socket, 100)
	var all sync.WaitGroup
	for i := range opened {
		all.Go(func() {
			s := c.socket("/ws")
			for n := range 10 {
				text := string(make([]byte, n*i))
				s.send(0x82, text)
				s.want(0x82, text)
			}
			opened[i] = s
		})
	}
	all.Wait()
	if t.Failed() {
		return
	}
	closing := make(chan struct{}, 4) // a hundred at once take a busy machine longer than a server waits for answers
	for i, s := range opened {
		closing <- struct{}{}
		all.Go(func() {
			defer func() { <-closing }()
			s.leave(i%2 == 0)
		})
	}
	all.Wait()
}

// leave has the server say goodbye first, or does so itself.
func (s socket) leave(served bool) {
	s.t.Helper()
	if served {
		s.send(0x81, "leave")
		s.want(0x88, code(1000))
		s.goodbye(1000, true)
	} else {
		s.goodbye(1001, true)
		s.want(0x88, code(1001))
	}
	s.wantEnd()
}
