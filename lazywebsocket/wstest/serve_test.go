package wstest_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

func TestServe(t *testing.T) {
	bubble(t, "upgrade", func(t *testing.T) {
		s := wstest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var u lazywebsocket.Upgrader
			conn, err := u.Upgrade(w, r, nil)
			if err != nil {
				return
			}
			defer conn.Close()
			echo(conn)
		}))
		p := s.Peer()
		p.Request("/", "Origin: http://server.wstest")
		if resp := p.Response(); resp.StatusCode != http.StatusSwitchingProtocols {
			t.Fatal(resp.Status)
		}
		p.Text("hi")
		p.WantText("hi")
		p.Close(1000, "")
		p.WantClose(1000)
		p.WantEOF()

		p = s.Peer()
		p.Request("/", "Origin: http://elsewhere")
		resp := p.Response()
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != http.StatusForbidden || string(body) != "Forbidden\n" {
			t.Errorf("%s %q", resp.Status, body)
		}

		d := lazywebsocket.Dialer{NetDialContext: s.DialContext}
		conn, _, err := d.DialContext(t.Context(), "ws://server.wstest/", nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.WriteMessage(lazywebsocket.TextMessage, []byte("by dialer")); err != nil {
			t.Fatal(err)
		}
		if _, data, err := conn.ReadMessage(); string(data) != "by dialer" || err != nil {
			t.Errorf("%q, %v", data, err)
		}
		_ = conn.Close()
	})
	bubble(t, "http client", func(t *testing.T) {
		s := wstest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, r.URL.Path)
		}))
		transport := &http.Transport{DialContext: s.DialContext}
		client := &http.Client{Transport: transport}
		resp, err := client.Get("http://anywhere/path")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if string(body) != "/path" || err != nil {
			t.Errorf("%q, %v", body, err)
		}
		transport.CloseIdleConnections()
	})
	bubble(t, "response until the end", func(t *testing.T) {
		s := wstest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "close")
			w.(http.Flusher).Flush()
			_, _ = io.WriteString(w, "to the end")
		}))
		p := s.Peer()
		p.WriteBytes([]byte("GET / HTTP/1.0\r\n\r\n"))
		body, _ := io.ReadAll(p.Response().Body)
		if string(body) != "to the end" {
			t.Errorf("%q", body)
		}
	})
}

// The server waits before it closes a connection whose request it has refused;
// a bubble must not end before that.
func TestServeWaitsForTheServer(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		s := wstest.Network{Buffer: -1}.Serve(t, http.NotFoundHandler())
		p := s.Peer()
		p.Request("/", "X-Long: "+strings.Repeat("x", 2<<20))
		if resp := p.Response(); resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("status %s", resp.Status)
		}
	})
}

// A 101 for another key is found.
func TestResponseChecksTheKey(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		r := &recorder{T: t}
		l := wstest.Network{}.Listen()
		go func() {
			nc, err := l.Accept()
			if err == nil {
				_, _ = io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\n\r\n")
			}
		}()
		peer := l.DialPeer(r)
		if got := r.fails(func() { peer.Response() }); !strings.Contains(got, "Sec-WebSocket-Accept") {
			t.Errorf("failed with %q", got)
		}
	})
}

// A panic of a handler is in the test's log, and the process lives.
func TestServeLogsPanics(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		log := &logRecorder{T: t}
		s := wstest.Serve(log, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("boom") }))
		p := s.Peer()
		p.Request("/")
		p.WantEOF()
		synctest.Wait()
		if !strings.Contains(log.text, "boom") {
			t.Errorf("logged %q", log.text)
		}
	})
}

type logRecorder struct {
	*testing.T
	text string
}

func (l *logRecorder) Logf(_ string, args ...any) { l.text += args[0].(string) }

func TestListener(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		l := wstest.Network{}.Listen()
		accepted := make(chan error)
		accept := func() { _, err := l.Accept(); accepted <- err }
		go accept()
		c, err := l.Dial(t.Context())
		if err != nil || c == nil || <-accepted != nil {
			t.Fatal(err)
		}

		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			synctest.Wait()
			cancel()
		}()
		if c, err := l.DialContext(ctx, "", ""); !errors.Is(err, context.Canceled) || c != nil {
			t.Errorf("cancelled: %v, %v", c, err)
		}

		go accept()
		synctest.Wait()
		for range 2 {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := <-accepted; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept: %v", err)
		}
		if _, err := l.Dial(t.Context()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Dial: %v", err)
		}
		r := &recorder{T: t}
		if got := r.fails(func() { l.DialPeer(r) }); !strings.Contains(got, "closed") {
			t.Errorf("DialPeer failed with %q", got)
		}
		if got := r.fails(func() { l.AcceptPeer(r) }); !strings.Contains(got, "closed") {
			t.Errorf("AcceptPeer failed with %q", got)
		}
		if l.Addr().String() == "" {
			t.Error("no address")
		}
	})
}
