package poll

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// BenchmarkEcho is one message of 26 bytes there and back, on each of 50
// connections at a time. The clients are another process: cpu-ns/op is what the
// server's costs. The servers are
//
//	net      a goroutine that reads a net.TCPConn
//	read     a goroutine that reads a Socket
//	inline   a watcher on the loop's goroutine
func BenchmarkEcho(b *testing.B) {
	b.Run("net", func(b *testing.B) { benchmarkEcho(b, func(server net.Conn) { go echo(server) }) })
	b.Run("read", func(b *testing.B) {
		p := newPoller(b, 0)
		benchmarkEcho(b, func(server net.Conn) {
			s, err := p.Adopt(server)
			must(b, err)
			go echo(s)
		})
	})
	b.Run("inline", func(b *testing.B) {
		p := newPoller(b, 0)
		benchmarkEcho(b, func(server net.Conn) {
			s, err := p.Adopt(server)
			must(b, err)
			s.Watch(&echoer{s: s})
		})
	})
}

func echo(c net.Conn) {
	defer c.Close()
	buf := make([]byte, 4096)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return
		}
	}
}

const benchConns = 50

func benchmarkEcho(b *testing.B, serve func(net.Conn)) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(b, err)
	defer l.Close()
	clients := exec.CommandContext(b.Context(), os.Args[0])
	clients.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d", clientEnv, l.Addr(), b.N))
	clients.Stderr = os.Stderr
	must(b, clients.Start())
	for range benchConns {
		server, err := l.Accept()
		must(b, err)
		serve(server)
	}
	before := cpu(b)
	b.ResetTimer()
	must(b, clients.Wait())
	b.StopTimer()
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
}

// cpu returns the processor time that this process has used, in ns.
func cpu(b *testing.B) int64 {
	var u syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return u.Utime.Nano() + u.Stime.Nano()
}

// clientEnv makes the test binary the clients of a benchmark: an address and a
// number of messages.
const clientEnv = "POLL_BENCH_CLIENTS"

func runClients(spec string) error {
	var addr string
	var n int
	if _, err := fmt.Sscan(spec, &addr, &n); err != nil {
		return err
	}
	var left atomic.Int64
	left.Store(int64(n))
	var wg sync.WaitGroup
	errs := make(chan error, benchConns)
	for range benchConns {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return err
		}
		wg.Go(func() {
			defer c.Close()
			buf := make([]byte, 26)
			for left.Add(-1) >= 0 {
				if _, err := c.Write(buf); err != nil {
					errs <- err
					return
				}
				if _, err := io.ReadFull(c, buf); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	return <-errs
}
