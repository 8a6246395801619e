package lazywebsocket_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// witnessed returns a pair with compression, each end with a witness.
func witnessed(t *testing.T) (s, c *lazywebsocket.Conn, us, them *witness) {
	t.Helper()
	us, them = newWitness(), newWitness()
	s, c = wstest.NewPair(t,
		&lazywebsocket.Upgrader{EnableCompression: true, Observer: &us.Observer},
		&lazywebsocket.Dialer{EnableCompression: true, Observer: &them.Observer})
	return s, c, us, them
}

// wantAgreement compares what the two ends have counted, to the byte.
func wantAgreement(t *testing.T, us, them lazywebsocket.TrafficStats, messages, bytes uint64) {
	t.Helper()
	if us.Sent != them.Received || us.Received != them.Sent {
		t.Errorf("one has counted\n%+v, the other\n%+v", us, them)
	}
	if us.Sent.Messages != messages || us.Sent.Bytes != bytes || us.QueuedBytes != 0 || us.QueuedMessages != 0 {
		t.Errorf("counted %+v, want %d messages of %d bytes", us, messages, bytes)
	}
}

// variously sends a message back in one of three ways, which its first byte names.
func variously(t *testing.T, c *lazywebsocket.Conn, messageType int, data []byte) error {
	switch data[0] {
	case 'q':
		return c.Publish(prepare(t, string(data)))
	case 'w':
		w, err := c.NextWriter(messageType)
		must(t, err)
		for _, piece := range strings.SplitAfter(string(data), "5") {
			_, _ = w.Write([]byte(piece))
		}
		return w.Close()
	}
	return c.WriteMessage(messageType, data)
}

// Both ends count the same where messages are compressed, held, queued and written in
// pieces, and a Poller reads.
func TestObserverAgrees(t *testing.T) {
	for name, p := range map[string]*lazywebsocket.Poller{"loop": {}, "inline": {Inline: true}, "goroutine": {}} {
		bubble(t, name, func(t *testing.T) {
			s, c, us, them := witnessed(t)
			if name == "goroutine" {
				s.HideReadiness()
			}
			must(t, p.Serve(s, handlerFuncs{message: func(c *lazywebsocket.Conn, messageType int, data []byte) error {
				return variously(t, c, messageType, data)
			}}))
			go func() {
				for i := range 100 {
					for _, kind := range []string{"q", "w", "e"} {
						_ = c.WriteMessage(lazywebsocket.TextMessage, []byte(kind+strings.Repeat("0123456789", i*10)))
					}
				}
			}()
			total := uint64(0)
			for range 300 {
				_, data, err := c.ReadMessage()
				must(t, err)
				total += uint64(len(data))
			}
			must(t, c.Shutdown(t.Context(), lazywebsocket.CloseNormalClosure, ""))
			must(t, p.Close())
			synctest.Wait()
			wantAgreement(t, us.end(t).Traffic, them.end(t).Traffic, 300, total)
		})
	}
}

// So on sockets of the system, where writes that need not wait go past Go's poller.
func TestObserverAgreesOnSockets(t *testing.T) {
	us, them, ended := newWitness(), newWitness(), make(chan bool, 2)
	for _, w := range []*witness{us, them} {
		w.Closed = func(e lazywebsocket.ClosedEvent) { note(w, &w.ends, e); ended <- true }
	}
	p := new(lazywebsocket.Poller)
	for name, polled := range map[string]bool{"blocking": false, "loop": true} {
		t.Run(name, func(t *testing.T) {
			us.handshakes, us.ends, them.handshakes, them.ends = nil, nil, nil, nil
			u := &lazywebsocket.Upgrader{Observer: &us.Observer}
			url := serveSockets(t, func(w http.ResponseWriter, r *http.Request) error {
				conn, err := u.Upgrade(w, r, nil)
				must(t, err)
				h := handlerFuncs{message: func(c *lazywebsocket.Conn, messageType int, data []byte) error {
					return variously(t, c, messageType, data)
				}}
				if polled {
					return p.Serve(conn, h)
				}
				defer conn.Close()
				for {
					messageType, data, err := conn.ReadMessage()
					if err != nil {
						return err
					}
					must(t, variously(t, conn, messageType, data))
				}
			})
			conn, _, err := (&lazywebsocket.Dialer{Observer: &them.Observer}).Dial(url, nil)
			must(t, err)
			for range 10 {
				for _, kind := range []string{"q", "w", "e"} {
					must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte(kind+"0123456789")))
				}
			}
			for range 30 {
				_, _, err := conn.ReadMessage()
				must(t, err)
			}
			must(t, conn.Shutdown(t.Context(), lazywebsocket.CloseNormalClosure, ""))
			<-ended
			<-ended
			wantAgreement(t, us.end(t).Traffic, them.end(t).Traffic, 30, 330)
		})
	}
	must(t, p.Close())
}

// serveSockets serves an action on a socket of the system.
func serveSockets(t *testing.T, a func(http.ResponseWriter, *http.Request) error) (url string) {
	t.Helper()
	s := httptest.NewServer(plain(a))
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http")
}

// A message that inflates beyond the budget is the cause.
func TestObserverInflatedBudget(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		w := newWitness()
		s, c := wstest.NewPair(t, &lazywebsocket.Upgrader{
			EnableCompression: true, Observer: &w.Observer, Budget: &lazywebsocket.Budget{InflatedBytes: 10_000},
		}, &lazywebsocket.Dialer{EnableCompression: true})
		must(t, c.WriteMessage(lazywebsocket.TextMessage, []byte(strings.Repeat("x", 100_000))))
		var full *lazywebsocket.BudgetError
		if _, _, err := s.ReadMessage(); !errors.As(err, &full) {
			t.Errorf("error is %v", err)
		}
		_ = c.Shutdown(t.Context(), lazywebsocket.CloseNormalClosure, "")
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if e := w.end(t); e.Cause != lazywebsocket.EndBudget || e.Sent != lazywebsocket.CloseTryAgainLater {
			t.Errorf("it ended by %v, with %d", e.Cause, e.Sent)
		}
	})
}

// What a handshake takes is told, the application's part of it too.
func TestObserverHandshakeDuration(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		w := newWitness()
		conn, _ := wstest.PeerOfServer(t, &lazywebsocket.Upgrader{Observer: &w.Observer, CheckOrigin: func(*http.Request) bool {
			time.Sleep(time.Second)
			return true
		}})
		if d := w.handshakes[0].Duration; d != time.Second {
			t.Errorf("it took %v", d)
		}
		_ = conn.Close()
	})
}

// What a broadcast takes is told; by the clock that is real, because a bubble's stands.
func TestObserverBroadcastDuration(t *testing.T) {
	told := make(chan time.Duration, 1)
	g := lazywebsocket.Group{Observer: &lazywebsocket.GroupObserver{
		Broadcast: func(e lazywebsocket.BroadcastEvent) { told <- e.Duration },
	}}
	must(t, g.BroadcastMessage(lazywebsocket.TextMessage, nil))
	if d := <-told; d <= 0 {
		t.Errorf("it took %v", d)
	}
}
