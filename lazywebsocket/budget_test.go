//go:build !race

package lazywebsocket_test

import (
	"net"
	"net/http"
	"testing"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// The detector of races makes pools forget on purpose, so that these tests are
// for builds without it.

// tcpPair returns both ends of a connection over the loopback interface.
func tcpPair(t testing.TB) (server, client *lazywebsocket.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	conns := make(chan *lazywebsocket.Conn, 1)
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var u lazywebsocket.Upgrader
		conn, err := u.Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
		}
		conns <- conn
	})}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	client, _, err = new(lazywebsocket.Dialer).Dial("ws://"+l.Addr().String(), nil)
	must(t, err)
	server = <-conns
	t.Cleanup(func() { _, _ = server.Close(), client.Close() })
	return server, client
}

// No allocation per message, at neither end.
func TestMessagesAllocateNothing(t *testing.T) {
	for name, pair := range map[string]func(t testing.TB) (server, client *lazywebsocket.Conn){
		"in memory": func(t testing.TB) (server, client *lazywebsocket.Conn) { return wstest.NewPair(t, nil, nil) },
		"TCP":       tcpPair,
	} {
		server, client := pair(t)
		message := make([]byte, 1024)
		for i := range message {
			message[i] = 'm'
		}
		buf := make([]byte, 0, 2048)
		prepared, err := lazywebsocket.NewPreparedMessage(lazywebsocket.TextMessage, message)
		must(t, err)
		check := func(t testing.TB, err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		read := func(conn *lazywebsocket.Conn) []byte {
			_, data, err := conn.AppendMessage(buf[:0])
			check(t, err)
			return data
		}
		for what, f := range map[string]func(){
			"echo of the server": func() {
				check(t, client.WriteMessage(lazywebsocket.TextMessage, message))
				check(t, server.WriteMessage(lazywebsocket.TextMessage, read(server)))
				read(client)
			},
			"echo of the client": func() {
				check(t, server.WriteMessage(lazywebsocket.BinaryMessage, message))
				check(t, client.WriteMessage(lazywebsocket.BinaryMessage, read(client)))
				read(server)
			},
			"prepared message": func() {
				check(t, server.WritePreparedMessage(prepared))
				read(client)
			},
			"ping and pong": func() {
				check(t, client.WriteControl(lazywebsocket.PingMessage, message[:100], noDeadline))
				check(t, client.WriteMessage(lazywebsocket.TextMessage, message))
				read(server) // answers the ping
				check(t, server.WriteMessage(lazywebsocket.TextMessage, message))
				read(client)
			},
		} {
			f() // the buffers exist then
			if n := testing.AllocsPerRun(500, f); n != 0 {
				t.Errorf("%s, %s: %v allocations a message", name, what, n)
			}
		}
	}
}
