package lazywebsocket_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// joined returns a group with members and their peers.
func joined(t *testing.T, g *lazywebsocket.Group, n int, o options) (conns []*lazywebsocket.Conn, peers []*wstest.Peer) {
	t.Helper()
	for range n {
		conn, p := server.connect(t, tight, o)
		g.Add(conn)
		conns, peers = append(conns, conn), append(peers, p)
	}
	return conns, peers
}

func TestGroup(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		var g lazywebsocket.Group
		if g.Len() != 0 || len(slices.Collect(g.All())) != 0 {
			t.Error("a new group has members")
		}
		must(t, g.BroadcastMessage(lazywebsocket.TextMessage, []byte("nobody")))
		conns, peers := joined(t, &g, 5, options{})
		g.Add(conns[0])
		if g.Len() != 5 {
			t.Errorf("%d members", g.Len())
		}
		for c := range g.All() {
			if !slices.Contains(conns, c) {
				t.Error("a stranger")
			}
		}
		for i := range 50 {
			must(t, g.BroadcastMessage(lazywebsocket.TextMessage, fmt.Append(nil, i)))
		}
		for _, p := range peers {
			for i := range 50 {
				p.WantText(fmt.Sprint(i))
			}
		}
		g.Remove(conns[1])
		g.Remove(conns[1])
		must(t, conns[2].Close())
		peers[2].WantClose(1000)
		must(t, peers[3].Conn.Close())
		for _, s := range []string{"b", "c", "d"} { // the first makes 3 fail, the last finds it gone
			must(t, g.BroadcastMessage(lazywebsocket.BinaryMessage, []byte(s)))
			synctest.Wait()
		}
		if g.Len() != 2 {
			t.Errorf("%d members", g.Len())
		}
		for _, i := range []int{0, 4} {
			for _, s := range []string{"b", "c", "d"} {
				peers[i].WantBinary([]byte(s))
			}
		}
		peers[1].WantNothing()
		g.Add(conns[2])
		if g.Len() != 2 {
			t.Error("a closed connection became a member")
		}
		g.Add(conns[1])
		must(t, g.BroadcastMessage(lazywebsocket.TextMessage, []byte("again")))
		peers[1].WantText("again")
	})
}

// What is broadcast in a row leaves in one write, and in order with what is
// written.
func TestGroupCoalesces(t *testing.T) {
	for _, r := range []role{server, client} {
		bubble(t, r.String(), func(t *testing.T) {
			var g lazywebsocket.Group
			var members []tapped
			for range 3 {
				c := r.tapped(t, wstest.Network{}, tappedOptions{})
				g.Add(c.Conn)
				members = append(members, c)
			}
			for i := range 50 {
				must(t, g.BroadcastMessage(lazywebsocket.TextMessage, fmt.Append(nil, i)))
			}
			must(t, members[1].WriteMessage(lazywebsocket.TextMessage, []byte("own")))
			must(t, members[2].Publish(prepare(t, "own")))
			for i, c := range members {
				for j := range 50 {
					c.p.WantText(fmt.Sprint(j))
				}
				if i > 0 {
					c.p.WantText("own")
				}
			}
			synctest.Wait()
			for _, c := range members {
				// The flusher may have come in between, where there are processors.
				if sizes := c.tap.taken(); len(sizes) > 30 {
					t.Errorf("writes of %d bytes", sizes)
				}
				if !c.AtRest() {
					t.Error("not at rest")
				}
			}
		})
	}
}

// A slow member delays nobody, and loses its connection alone.
func TestGroupSlowMember(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		var g lazywebsocket.Group
		o := queued(lazywebsocket.QueueOptions{Messages: 3, Policy: lazywebsocket.QueueBlock})
		conns, peers := joined(t, &g, 3, o)
		big := strings.Repeat("b", 3000)
		start := time.Now()
		for range 6 {
			must(t, g.BroadcastMessage(lazywebsocket.TextMessage, []byte(big)))
			for _, p := range peers[1:] {
				p.WantText(big)
			}
		}
		wantAt(t, "all", start, 0)
		if g.Len() != 2 {
			t.Errorf("%d members", g.Len())
		}
		_, _, err := conns[0].ReadMessage()
		if !errors.Is(err, lazywebsocket.ErrQueueFull) {
			t.Errorf("the slow one reads %v", err)
		}
	})
}

func TestGroupDrain(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		var g lazywebsocket.Group
		conns, peers := joined(t, &g, 3, options{})
		must(t, g.Drain(t.Context()))
		big := strings.Repeat("b", 3000)
		must(t, g.BroadcastMessage(lazywebsocket.TextMessage, []byte(big)))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := g.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("drain: %v", err)
		}
		done := result(func() error { return g.Drain(t.Context()) })
		peers[0].WantText(big)
		peers[1].WantText(big)
		synctest.Wait()
		select {
		case err := <-done:
			t.Fatalf("drained too early: %v", err)
		default:
		}
		go conns[2].Close()
		must(t, <-done)
	})
}

// A group keeps no connection that has ended, and no flusher without work.
func TestGroupForgets(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		var g, other lazywebsocket.Group
		conns, _ := joined(t, &g, 10, options{})
		for _, c := range conns {
			other.Add(c)
		}
		g.Remove(conns[0])
		for _, c := range conns {
			must(t, c.Close())
		}
		if g.Len() != 0 || other.Len() != 0 {
			t.Errorf("%d and %d members", g.Len(), other.Len())
		}
		if g.Held() != 0 {
			t.Error("it holds connections")
		}
	})
}

// Send is for messages that differ: each connection gets its own, in their order,
// member or not, and those that have ended are left out.
func TestGroupSend(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		var g, others lazywebsocket.Group
		conns, peers := joined(t, &others, 3, options{})
		must(t, conns[2].Close())
		peers[2].WantClose(1000)
		send := func(yield func(*lazywebsocket.Conn, *lazywebsocket.PreparedMessage) bool) {
			for i := range 50 {
				for j, c := range conns {
					pm, err := lazywebsocket.NewPreparedMessage(lazywebsocket.TextMessage, fmt.Appendf(nil, "%d to %d", i, j))
					if err != nil || !yield(c, pm) || !yield(c, nil) {
						t.Error("stopped", err)
						return
					}
				}
			}
		}
		must(t, g.Send(send))
		for i := range 50 {
			peers[0].WantText(fmt.Sprintf("%d to 0", i))
			peers[1].WantText(fmt.Sprintf("%d to 1", i))
		}
		if g.Len() != 0 {
			t.Errorf("%d members", g.Len())
		}
		ping, err := lazywebsocket.NewPreparedMessage(lazywebsocket.PingMessage, nil)
		must(t, err)
		if err := g.Send(func(yield func(*lazywebsocket.Conn, *lazywebsocket.PreparedMessage) bool) { yield(conns[0], ping) }); err == nil {
			t.Error("a ping was taken")
		}
	})
}
