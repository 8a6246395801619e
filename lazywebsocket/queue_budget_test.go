//go:build !race

package lazywebsocket_test

import (
	"fmt"
	"runtime"
	"testing"

	"golazy.dev/lazywebsocket"
)

// Publishing and broadcasting allocate nothing once the queue exists, to sockets
// that take it.
func TestPublishAllocatesNothing(t *testing.T) {
	for _, compressed := range []bool{false, true} {
		o := options{compressed: compressed}
		dial := sockets(t, o, false)
		server, client := dial()
		other, otherClient := dial()
		t.Cleanup(func() { _, _, _, _ = server.Close(), client.Close(), other.Close(), otherClient.Close() })
		messages := make([]*lazywebsocket.PreparedMessage, 50)
		for i := range messages {
			messages[i] = prepare(t, fmt.Sprint("a message that shrinks shrinks shrinks shrinks shrinks shrinks shrinks ", i))
		}
		var g lazywebsocket.Group
		g.Add(server)
		g.Add(other)
		buf, own := make([]byte, 0, 256), []byte("written behind what is queued")
		read := func(conn *lazywebsocket.Conn, n int) {
			for range n {
				_, _, err := conn.AppendMessage(buf[:0])
				check(t, err)
			}
		}
		for what, f := range map[string]func(){
			"Publish":           func() { check(t, server.Publish(messages[0])); read(client, 1) },
			"Publish of client": func() { check(t, client.Publish(messages[0])); read(server, 1) },
			"WriteMessage behind": func() {
				check(t, server.Publish(messages[0]))
				check(t, server.WriteMessage(lazywebsocket.TextMessage, own))
				read(client, 2)
			},
			// The flusher, which is a goroutine with a piece of its list.
			"Broadcast, less 2": func() {
				for _, m := range messages {
					check(t, g.Broadcast(m))
				}
				read(client, len(messages))
				read(otherClient, len(messages))
			},
		} {
			for range 10 {
				f() // the buffers exist then
			}
			n := testing.AllocsPerRun(300, f)
			if what == "Broadcast, less 2" {
				n = max(0, n-2)
			}
			if n > 1 || (n > 0 && (!compressed || what != "Publish of client")) { // see TestCompressedMessagesAllocate
				t.Errorf("compressed %v, %s: %v allocations", compressed, what, n)
			}
		}
		runtime.KeepAlive(g.Len())
	}
}

// BenchmarkBroadcast broadcasts to connections in memory, whose peers read.
func BenchmarkPublishQueued(b *testing.B) {
	dial := sockets(b, options{queue: lazywebsocket.QueueOptions{Bytes: -1, Messages: -1, Patience: -1}}, false)
	server, client := dial()
	b.Cleanup(func() { _, _ = server.Close(), client.Close() })
	pm := prepare(b, "0123456789012345678901234567890123456789012345678901234567890123")
	go func() {
		buf := make([]byte, 0, 256)
		for {
			if _, _, err := client.AppendMessage(buf[:0]); err != nil {
				return
			}
		}
	}()
	b.ReportAllocs()
	for b.Loop() {
		_ = server.Publish(pm)
	}
}
