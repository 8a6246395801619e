package lazywebsocket_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golazy.dev/lazywebsocket"
)

// BenchmarkIdle reports what a connection costs that waits for a message over
// loopback TCP, per connection: the bytes of heap and of stacks of the server.
// The clients are bare sockets in the same process, whose own share is what the
// case "socket" shows. Run it with -benchtime 2000x.
//
//	socket    an accepted socket and a goroutine that reads it
//	hijacked  net/http's: the handler hijacks, writes nothing, and reads it
//	message   the handler upgrades and waits in ReadMessage
//	append    the same in AppendMessage with a buffer of 512 bytes
//	returned  the handler returns, and a goroutine of its own waits in ReadMessage
//	echoed    the same, after it has answered a message
func BenchmarkIdle(b *testing.B) {
	var u lazywebsocket.Upgrader
	for name, handle := range map[string]http.HandlerFunc{
		"socket": nil,
		"hijacked": func(w http.ResponseWriter, _ *http.Request) {
			nc, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			_, _ = nc.Write([]byte("HTTP/1.1 101\r\n\r\n"))
			_, _ = nc.Read(make([]byte, 1))
			_ = nc.Close()
		},
		"message": func(w http.ResponseWriter, r *http.Request) {
			if conn, err := u.Upgrade(w, r, nil); err == nil {
				_, _, _ = conn.ReadMessage()
				_ = conn.Close()
			}
		},
		"append": func(w http.ResponseWriter, r *http.Request) {
			if conn, err := u.Upgrade(w, r, nil); err == nil {
				_, _, _ = conn.AppendMessage(make([]byte, 0, 512))
				_ = conn.Close()
			}
		},
		"returned": func(w http.ResponseWriter, r *http.Request) {
			if conn, err := u.Upgrade(w, r, nil); err == nil {
				go func() {
					_, _, _ = conn.ReadMessage()
					_ = conn.Close()
				}()
			}
		},
		"echoed": func(w http.ResponseWriter, r *http.Request) {
			if conn, err := u.Upgrade(w, r, nil); err == nil {
				go echoOn(conn)
			}
		},
	} {
		b.Run(name, func(b *testing.B) { benchmarkIdle(b, handle) })
	}
}

func benchmarkIdle(b *testing.B, handle http.HandlerFunc) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(b, err)
	var waiting sync.WaitGroup
	if handle == nil {
		go accept(l, &waiting)
	} else {
		s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer waiting.Done()
			handle(w, r)
		})}
		go func() { _ = s.Serve(l) }()
		defer s.Close()
	}
	clients := make([]net.Conn, 0, b.N)
	before := memory()
	for range b.N {
		waiting.Add(1)
		c, err := net.Dial("tcp", l.Addr().String())
		must(b, err)
		_, err = c.Write([]byte(request()))
		must(b, err)
		if handle != nil {
			for head := ""; len(head) < 4 || head[len(head)-4:] != "\r\n\r\n"; {
				var one [1]byte
				_, err := c.Read(one[:])
				must(b, err)
				head += string(one[:])
			}
		}
		if strings.HasSuffix(b.Name(), "echoed") {
			_, err := c.Write([]byte("\x81\x82\x00\x00\x00\x00hi"))
			must(b, err)
			_, err = io.ReadFull(c, make([]byte, 4))
			must(b, err)
		}
		clients = append(clients, c)
	}
	after := memory()
	b.ReportMetric(float64(after.heap-before.heap)/float64(b.N), "heap-B/conn")
	b.ReportMetric(float64(after.stack-before.stack)/float64(b.N), "stack-B/conn")
	b.ReportMetric(0, "ns/op")
	for _, c := range clients {
		_ = c.Close()
	}
	_ = l.Close()
	waiting.Wait()
}

// echoOn answers every message, with memory of its own.
func echoOn(conn *lazywebsocket.Conn) {
	var buf []byte
	for {
		messageType, data, err := conn.AppendMessage(buf[:0])
		if err != nil || conn.WriteMessage(messageType, data) != nil {
			_ = conn.Close()
			return
		}
		buf = data
	}
}

// accept is the server of the case "socket".
func accept(l net.Listener, waiting *sync.WaitGroup) {
	for {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer waiting.Done()
			defer nc.Close()
			if skipHead(nc) == nil {
				_, _ = nc.Read(make([]byte, 1))
			}
		}()
	}
}

func skipHead(nc net.Conn) error {
	r := bufio.NewReaderSize(nc, 512)
	for {
		if line, err := r.ReadString('\n'); err != nil || line == "\r\n" {
			return err
		}
	}
}

type footprint struct{ heap, stack int64 }

// memory returns what is in use after the garbage and the pools are gone.
func memory() footprint {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return footprint{int64(m.HeapAlloc), int64(m.StackInuse)}
}
