//go:build !race

package lazywebsocket_test

import (
	"testing"

	"golazy.dev/lazywebsocket"
)

// A pipelined burst of echoes allocates nothing, at neither end: not for the
// frames that are held, nor for the guard or the flush.
func TestHoldAllocatesNothing(t *testing.T) {
	const messages = 16
	for _, n := range []int{10, 100, 3000} {
		server, client := tcpPair(t)
		question := padded("q", n)
		buf := make([]byte, 0, 4096)
		for _, ends := range [][2]*lazywebsocket.Conn{{server, client}, {client, server}} {
			echoes, asks := ends[0], ends[1]
			held := 0
			f := func() {
				// The asking end holds these itself, as somebody who answers would.
				asks.Hold()
				for range messages {
					check(t, asks.WriteMessage(lazywebsocket.BinaryMessage, question))
				}
				check(t, asks.Flush())
				for range messages {
					_, data, err := echoes.AppendMessage(buf[:0])
					check(t, err)
					check(t, echoes.WriteMessage(lazywebsocket.BinaryMessage, data))
				}
				held += echoes.Held()
				echoes.NetConn() // flushes as the reader does before it waits
				for range messages {
					_, _, err := asks.AppendMessage(buf[:0])
					check(t, err)
				}
			}
			f()
			if n := testing.AllocsPerRun(300, f); n != 0 {
				t.Errorf("%d bytes: %v allocations a burst of %d", len(question), n, messages)
			}
			if held == 0 {
				t.Error("nothing was held: the test tests nothing")
			}
		}
	}
}

func check(t testing.TB, err error) {
	if err != nil {
		t.Helper()
		t.Fatal(err)
	}
}
