package lazywebsocket_test

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// full returns a server's connection that holds nearly all that it may, to a peer
// that reads nothing.
func full(t *testing.T) (*lazywebsocket.Conn, *wstest.Peer) {
	conn, p := server.connect(t, wstest.Network{Buffer: 4096}, options{})
	p.WriteBytes(wire(t, server, "81 01|'a' / 81 01|'b'"))
	_, _, err := conn.ReadMessage() // another waits: what is written is held
	must(t, err)
	return conn, p
}

// closeInVain sends a Close frame that has no time to leave.
func closeInVain(conn *lazywebsocket.Conn) error {
	return conn.WriteControl(lazywebsocket.CloseMessage, nil, time.Now().Add(50*time.Millisecond))
}

// A Close frame that could not leave lets nobody into an open message.
func TestCloseInVainInsideAMessage(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		conn, p := full(t)
		w, err := conn.NextWriter(lazywebsocket.BinaryMessage)
		must(t, err)
		_, err = w.Write(make([]byte, 65520))
		must(t, err)
		closed := result(func() error { return closeInVain(conn) })
		synctest.Wait()
		written := result(func() error { return conn.WriteMessage(lazywebsocket.TextMessage, []byte("other")) })
		if err := <-closed; err == nil {
			t.Fatal("the Close frame has left")
		}
		rest := result(func() error {
			_, _ = w.Write(make([]byte, 4096))
			return w.Close()
		})
		var got strings.Builder
		for b := make([]byte, 8192); !strings.Contains(got.String(), "other"); {
			must(t, p.Conn.SetReadDeadline(time.Now().Add(time.Second)))
			n, err := p.Conn.Read(b)
			must(t, err)
			got.Write(b[:n])
		}
		must(t, <-rest)
		must(t, <-written)
		if stream := got.String(); !strings.HasSuffix(stream, "\x81\x05other") || strings.Count(stream, "other") != 1 {
			t.Error("the message stands between the fragments of another")
		}
	})
}

// A member whose Close frame could not leave stays one.
func TestCloseInVainOfAMember(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		conn, p := full(t)
		var g lazywebsocket.Group
		g.Add(conn)
		must(t, conn.WriteMessage(lazywebsocket.BinaryMessage, make([]byte, 65520)))
		closed := result(func() error { return closeInVain(conn) })
		synctest.Wait()
		must(t, g.BroadcastMessage(lazywebsocket.TextMessage, []byte("x")))
		if err := <-closed; err == nil {
			t.Fatal("the Close frame has left")
		}
		go func() {
			for b := make([]byte, 8192); ; {
				if _, err := p.Conn.Read(b); err != nil {
					return
				}
			}
		}()
		must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte("alive")))
		if g.Len() != 1 {
			t.Error("the group has lost a living member")
		}
		_ = p.Conn.Close()
	})
}

// What Publish has accepted arrives before the Close frame, whoever says goodbye.
func TestPublishedBeforeTheCloseFrame(t *testing.T) {
	for i := range 400 {
		// A full queue would drop what it has.
		s, c := wstest.NewPair(t, &lazywebsocket.Upgrader{Queue: lazywebsocket.QueueOptions{Policy: lazywebsocket.QueueBlock}}, nil)
		pm, err := lazywebsocket.NewPreparedMessage(lazywebsocket.TextMessage, []byte("x"))
		must(t, err)
		sent, got := 0, 0
		var wg sync.WaitGroup
		wg.Go(func() {
			for s.Publish(pm) == nil {
				sent++
			}
		})
		for range i % 50 { // sooner or later
			_ = s.QueueStats()
		}
		wg.Go(func() {
			if i%2 == 0 {
				_ = s.Close()
				return
			}
			_ = s.WriteControl(lazywebsocket.CloseMessage, lazywebsocket.FormatCloseMessage(1000, ""), time.Time{})
		})
		for err == nil {
			if _, _, err = c.ReadMessage(); err == nil {
				got++
			}
		}
		wg.Wait()
		if got != sent {
			t.Errorf("%d messages were published, %d have arrived", sent, got)
		}
		_ = s.Close()
		_ = c.Close()
	}
}
