package lazywebsocket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// witness notes what an Observer is told.
type witness struct {
	lazywebsocket.Observer
	traffic lazywebsocket.Traffic

	mu         sync.Mutex
	handshakes []lazywebsocket.HandshakeEvent
	ends       []lazywebsocket.ClosedEvent
	messages   []string
	trips      []time.Duration
}

func newWitness() *witness {
	w := new(witness)
	w.Observer = lazywebsocket.Observer{
		Handshake: func(e lazywebsocket.HandshakeEvent) { note(w, &w.handshakes, e) },
		Closed:    func(e lazywebsocket.ClosedEvent) { note(w, &w.ends, e) },
		RoundTrip: func(_ *lazywebsocket.Conn, d time.Duration) { note(w, &w.trips, d) },
		Message: func(e lazywebsocket.MessageEvent) {
			direction := "in"
			if e.Sent {
				direction = "out"
			}
			note(w, &w.messages, fmt.Sprint(direction, " ", e.Type, " ", e.Bytes))
		},
		Traffic: &w.traffic,
	}
	return w
}

func note[T any](w *witness, events *[]T, e T) {
	w.mu.Lock()
	defer w.mu.Unlock()
	*events = append(*events, e)
}

// end returns the only end, which must have come, of the only connection.
func (w *witness) end(t testing.TB) lazywebsocket.ClosedEvent {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.ends) != 1 || len(w.handshakes) != 1 {
		t.Fatalf("%d ends of %d handshakes", len(w.ends), len(w.handshakes))
	}
	if w.ends[0].Conn == nil || w.ends[0].Conn != w.handshakes[0].Conn {
		t.Error("another connection has ended")
	}
	return w.ends[0]
}

// wantMessages compares the messages since the last call.
func (w *witness) wantMessages(t testing.TB, want ...string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if strings.Join(w.messages, ", ") != strings.Join(want, ", ") {
		t.Errorf("messages %q, want %q", w.messages, want)
	}
	w.messages = nil
}

// A whole visit, in all ways of reading: what was sent and received, to the byte.
func TestObserver(t *testing.T) {
	var w *witness
	o := options{observer: new(lazywebsocket.Observer)}
	everyDriver(t, wstest.Network{}, o, func(t *testing.T, conn *driven, p *wstest.Peer) {
		w = newWitness()
		conn.Observe(&w.Observer)
		mask := uint64(4)
		if roleOf(p) == client {
			mask = 0
		}
		p.Text("question")
		wantRead(t, conn, `text "question"`)
		must(t, conn.WriteMessage(lazywebsocket.BinaryMessage, make([]byte, 200)))
		p.WantBinary(make([]byte, 200))
		reads := result(func() error { _, _, err := conn.ReadMessage(); return err })
		p.Ping("!") // a control frame is no message
		p.WantPong("!")
		time.Sleep(time.Minute)
		p.Close(1001, "")
		wantSummary(t, <-reads, "close 1001")
		p.WantClose(1001)
		_ = conn.Close()
		synctest.Wait()
		time.Sleep(3 * time.Second)

		w.wantMessages(t, "in 1 8", "out 2 200")
		e := w.end(t)
		if e.Cause != lazywebsocket.EndPeer || e.Sent != 1001 || e.Received != 1001 || e.Duration < time.Minute {
			t.Errorf("the end is %v, %d, %d, %v", e.Cause, e.Sent, e.Received, e.Duration)
		}
		want := lazywebsocket.TrafficStats{
			Received: lazywebsocket.Flow{Messages: 1, Bytes: 8, WireBytes: 2 + 8 + 2 + 1 + 4 + 3*mask},
			Sent:     lazywebsocket.Flow{Messages: 1, Bytes: 200, WireBytes: 4 + 200 + 2 + 1 + 4 + 3*(4-mask)},
		}
		if e.Traffic != want || w.traffic.Stats() != want {
			t.Errorf("traffic\n%+v,\n%+v, want\n%+v", e.Traffic, w.traffic.Stats(), want)
		}
	})
}

// Messages that arrive and leave in other ways.
func TestObserverMessages(t *testing.T) {
	w := newWitness()
	onNetwork(t, wstest.Network{}, options{observer: &w.Observer}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		r := roleOf(p)
		w.wantMessages(t)
		p.WriteBytes(wire(t, r, "01 02|'ab' / 89 00 / 80 03|'cde' / 82 04|'left' / 81 00"))
		wantRead(t, conn, `text "abcde"`)
		_, reader, err := conn.NextReader()
		must(t, err)
		_, err = reader.Read(make([]byte, 1))
		must(t, err)
		w.wantMessages(t, "in 1 5")
		wantRead(t, conn, `text ""`)
		w.wantMessages(t, "in 2 4", "in 1 0")
		p.WantPong("")

		must(t, conn.WriteJSON("x"))
		must(t, conn.WritePreparedMessage(prepare(t, "prepared")))
		must(t, conn.WriteMessageContext(t.Context(), 2, []byte("ctx")))
		ctx, cancel := context.WithCancel(t.Context())
		must(t, conn.WriteMessageContext(ctx, 2, []byte("c")))
		cancel()
		writer, err := conn.NextWriter(1)
		must(t, err)
		_, err = io.WriteString(writer, strings.Repeat("x", 5000))
		must(t, err)
		publish(t, conn, "behind")
		must(t, writer.Close())
		must(t, conn.Flush())
		must(t, conn.WriteMessage(lazywebsocket.PingMessage, nil))
		w.wantMessages(t, "out 1 4", "out 1 8", "out 2 3", "out 2 1", "out 1 5000", "out 1 6")
		if s := w.traffic.Stats(); s.QueuedBytes != 0 || s.QueuedMessages != 0 {
			t.Errorf("traffic is %+v", s)
		}
		if err := conn.WriteMessage(7, nil); err == nil {
			t.Error("no error")
		}
		_ = conn.Close()
		if err := conn.WriteMessage(1, nil); !errors.Is(err, lazywebsocket.ErrCloseSent) {
			t.Error(err)
		}
		w.wantMessages(t)
	})
}

// A compressed message counts what the application sees, and on the wire what has
// passed.
func TestObserverCompressed(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		us, them := newWitness(), newWitness()
		s, c := wstest.NewPair(t,
			&lazywebsocket.Upgrader{EnableCompression: true, Observer: &us.Observer},
			&lazywebsocket.Dialer{EnableCompression: true, Observer: &them.Observer})
		text := strings.Repeat("the same ", 1000)
		must(t, s.WriteMessage(1, []byte(text)))
		must(t, s.Publish(prepare(t, text)))
		for range 2 {
			_, _, err := c.ReadMessage()
			must(t, err)
		}
		must(t, s.Close())
		_, _, err := c.ReadMessage()
		wantSummary(t, err, "close 1000")
		must(t, c.Close())
		time.Sleep(3 * time.Second)
		us.wantMessages(t, "out 1 9000", "out 1 9000")
		them.wantMessages(t, "in 1 9000", "in 1 9000")
		sent, received := us.end(t).Traffic.Sent, them.end(t).Traffic.Received
		if sent != received || sent.WireBytes > 500 || sent.WireBytes < 20 {
			t.Errorf("sent %+v, received %+v", sent, received)
		}
		if !us.handshakes[0].Compressed || !them.handshakes[0].Compressed {
			t.Error("the handshakes are not compressed")
		}
	})
}

// The round trip is told with the pong of the latest ping.
func TestObserverRoundTrip(t *testing.T) {
	w := newWitness()
	o := everySecond
	o.observer = &w.Observer
	everyDriver(t, wstest.Network{}, o, func(t *testing.T, conn *driven, p *wstest.Peer) {
		w.trips = nil
		reads := result(func() error { _, _, err := conn.ReadMessage(); return err })
		time.Sleep(o.pingInterval)
		_, payload := p.Next()
		time.Sleep(70 * time.Millisecond)
		p.Pong("another")
		p.Pong(string(payload))
		p.Pong(string(payload))
		synctest.Wait()
		if len(w.trips) != 1 || w.trips[0] != 70*time.Millisecond || conn.RTT() != w.trips[0] {
			t.Errorf("round trips %v", w.trips)
		}
		p.Close(1000, "")
		<-reads
	})
}

// Messages that wait are counted while they do, and those that never leave.
func TestObserverQueue(t *testing.T) {
	w := newWitness()
	big := strings.Repeat("x", 5000)
	o := options{observer: &w.Observer, queue: lazywebsocket.QueueOptions{Bytes: 11_000, Policy: lazywebsocket.QueueDropOldest}}
	onNetwork(t, tight, o, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		before := w.traffic.Stats()
		publish(t, conn, big)
		synctest.Wait() // it is leaving
		publish(t, conn, big, big, big, big)
		s := w.traffic.Stats()
		if s.QueuedMessages != 2 || s.QueuedBytes != 2*5004 || s.Dropped-before.Dropped != 2 {
			t.Errorf("traffic is %+v", s)
		}
		if q := conn.QueueStats(); q.Dropped != 2 || q.Messages != 2 {
			t.Errorf("the queue is %+v", q)
		}
		p.WantText(big)
		p.WantText(big)
		synctest.Wait()
		publish(t, conn, big)
		_ = p.Conn.Close()
		synctest.Wait()
		_ = conn.Close()
		time.Sleep(3 * time.Second)
		s = w.traffic.Stats()
		sent, gone := s.Sent.Messages-before.Sent.Messages, s.Discarded-before.Discarded
		if s.QueuedMessages != 0 || s.QueuedBytes != 0 || sent+gone != 4 || gone > 1 {
			t.Errorf("traffic is %+v, %d were sent and %d discarded", s, sent, gone)
		}
	})
}

// Nobody who is not asked for is called, and nil fields are not.
func TestObserverEmpty(t *testing.T) {
	o := everySecond
	o.observer = new(lazywebsocket.Observer)
	everyDriver(t, wstest.Network{}, o, func(t *testing.T, conn *driven, p *wstest.Peer) {
		reads := result(func() error { _, _, err := conn.ReadMessage(); return err })
		time.Sleep(o.pingInterval)
		_, payload := p.Next()
		p.Pong(string(payload))
		p.Text("x")
		must(t, <-reads)
		must(t, conn.WriteMessage(1, nil))
		p.WantText("")
	})
}
