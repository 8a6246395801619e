package lazywebsocket_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"golazy.dev/lazywebsocket"
)

// sockets returns a function that makes connections over the loopback interface.
func sockets(t testing.TB, o options, secure bool) (dial func() (server, client *lazywebsocket.Conn)) {
	t.Helper()
	conns := make(chan *lazywebsocket.Conn, 1)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := o.upgrader().Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
		}
		conns <- conn
	}))
	d := o.dialer()
	if secure {
		s.StartTLS()
		d.TLSClientConfig = &tls.Config{RootCAs: s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs, ServerName: "example.com"}
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return func() (server, client *lazywebsocket.Conn) {
		client, _, err := d.Dial("ws"+strings.TrimPrefix(s.URL, "http"), nil)
		must(t, err)
		return <-conns, client
	}
}

// small makes the socket's buffers small.
func small(t testing.TB, conns ...*lazywebsocket.Conn) {
	for _, c := range conns {
		if tcp, ok := c.NetConn().(*net.TCPConn); ok {
			must(t, tcp.SetReadBuffer(16<<10))
			must(t, tcp.SetWriteBuffer(8<<10))
		}
	}
}

// reader reads messages "g i ..." and checks that those of each goroutine g come
// in order and whole, until the connection ends.
func reader(t *testing.T, conn *lazywebsocket.Conn, gaps bool, pause func()) (n int) {
	latest := map[int]int{}
	for {
		_, data, err := conn.ReadMessage()
		if err != nil {
			return n
		}
		var g, i, length int
		if _, err := fmt.Sscan(string(data[:min(len(data), 40)]), &g, &i, &length); err != nil || len(data) != length {
			t.Errorf("a torn message: %.40q", data)
			return n
		}
		if last, ok := latest[g]; ok && (i <= last || (!gaps && i != last+1)) {
			t.Errorf("of %d, %d came behind %d", g, i, last)
		}
		latest[g] = i
		n++
		pause()
	}
}

// numbered returns message i of goroutine g.
func numbered(g, i, length int) []byte {
	head := fmt.Sprintf("%d %d %d ", g, i, max(length, 40))
	return []byte(head + strings.Repeat("x", max(length, 40)-len(head)))
}

// Many goroutines publish, broadcast, and write to many connections, over
// sockets, with readers of every speed, and everything arrives in order.
func TestPublishUnderPressure(t *testing.T) {
	for name, o := range map[string]options{"plain": {}, "compressed": {compressed: true}} {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " ", secure), func(t *testing.T) {
				o.queue.Policy = lazywebsocket.QueueBlock
				dial := sockets(t, o, secure)
				var g lazywebsocket.Group
				var readers, writers sync.WaitGroup
				var conns []*lazywebsocket.Conn
				counts := make([]int, 6)
				for i := range counts {
					a, b := dial()
					if i%2 == 1 {
						a, b = b, a
					}
					if i < 2 {
						small(t, a, b)
					}
					g.Add(a)
					conns = append(conns, a)
					readers.Go(func() {
						counts[i] = reader(t, b, false, func() {
							if i == 0 {
								time.Sleep(time.Microsecond)
							}
						})
						_ = b.Close()
					})
				}
				const each = 80
				for w := range 4 {
					writers.Go(func() {
						for i := range each {
							m := numbered(w, i, rand.IntN(300)*(1+i%7))
							pm, err := lazywebsocket.NewPreparedMessage(lazywebsocket.TextMessage, m)
							must(t, err)
							must(t, g.Broadcast(pm))
						}
					})
				}
				for k, c := range conns {
					for w := range 3 {
						writers.Go(func() {
							for i := range each {
								m := numbered(10+w, i, rand.IntN(400))
								pm, err := lazywebsocket.NewPreparedMessage(lazywebsocket.TextMessage, m)
								must(t, err)
								switch (i + w + k) % 4 {
								case 0:
									err = c.WriteMessage(lazywebsocket.TextMessage, m)
								case 1:
									err = c.WritePreparedMessage(pm)
								case 2:
									if w > 0 { // only one streams at a time
										err = c.WriteMessageContext(t.Context(), lazywebsocket.TextMessage, m)
										break
									}
									var stream io.WriteCloser
									stream, err = c.NextWriter(lazywebsocket.TextMessage)
									must(t, err)
									_, err = stream.Write(m)
									err = errors.Join(err, stream.Close())
								default:
									err = c.Publish(pm)
								}
								must(t, err)
							}
						})
					}
				}
				writers.Wait()
				must(t, g.Drain(t.Context()))
				for _, c := range conns {
					must(t, c.Flush())
					must(t, c.Close())
				}
				readers.Wait()
				for i, n := range counts {
					if n != 7*each {
						t.Errorf("reader %d got %d messages of %d", i, n, 7*each)
					}
				}
				if g.Len() != 0 {
					t.Errorf("%d members", g.Len())
				}
			})
		}
	}
}

// Connections come and go, at both ends and in the middle of everything.
func TestGroupUnderPressure(t *testing.T) {
	for name, policy := range map[string]lazywebsocket.QueuePolicy{
		"close": lazywebsocket.QueueClose, "drop": lazywebsocket.QueueDropOldest, "block": lazywebsocket.QueueBlock,
	} {
		t.Run(name, func(t *testing.T) {
			budget := new(lazywebsocket.Budget)
			o := options{queue: lazywebsocket.QueueOptions{Bytes: 20_000, Policy: policy}, budget: budget}
			dial := sockets(t, o, false)
			var g lazywebsocket.Group
			var all, publishers sync.WaitGroup
			var conns []*lazywebsocket.Conn
			stop := make(chan struct{})
			for w := range 3 {
				publishers.Go(func() {
					for i := 0; ; i++ {
						select {
						case <-stop:
							return
						default:
						}
						must(t, g.BroadcastMessage(lazywebsocket.TextMessage, numbered(w, i, rand.IntN(2000))))
					}
				})
			}
			for i := range 24 {
				a, b := dial()
				if i%4 == 0 {
					small(t, a, b)
				}
				g.Add(a)
				conns = append(conns, a)
				all.Go(func() { _, _, _ = a.ReadMessage(); _ = a.Close() })
				all.Go(func() {
					ends := 20 + rand.IntN(100)
					reader(t, b, true, func() {
						if i%3 == 0 {
							time.Sleep(time.Millisecond)
						}
						if ends--; ends == 0 {
							switch i % 4 {
							case 0:
								_ = b.Close()
							case 1:
								_ = b.NetConn().Close()
							case 2:
								_ = a.Close()
							default:
								g.Remove(a)
								_ = a.Publish(prepare(t, string(numbered(99, 0, 0))))
								_ = a.Close()
							}
						}
					})
					_ = b.Close()
				})
				if i%7 == 0 {
					go g.Remove(a)
				}
			}
			for c := range g.All() {
				if rand.IntN(3) == 0 {
					_ = c.Publish(prepare(t, string(numbered(98, 0, 0))))
				}
			}
			time.AfterFunc(300*time.Millisecond, func() { close(stop) })
			for _, c := range conns {
				_ = c.Close()
			}
			publishers.Wait()
			all.Wait()
			if g.Len() != 0 {
				t.Errorf("%d members", g.Len())
			}
			for queued, behind := int64(1), 1; queued != 0 || behind != 0; { // the last writers end soon
				queued, _, _, behind, _ = budget.Counted()
				time.Sleep(time.Millisecond)
			}
		})
	}
}
