package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golazy.dev/bench/deflate/chat"
	"golazy.dev/bench/deflate/wire"
	"golazy.dev/lazywebsocket"
)

// The curve of memory, bytes and CPU, without a network. All benchmarks go
// through the corpus, one message of each session after the other, so that
// compressors get as cold as on a server with several connections. They report
// the time, the CPU time (cpu-ns/msg) and the bytes on the wire per message
// (B/msg), and the bytes that a connection holds while it waits (held-B/conn).

var levels = []int{-2, 1, 2, 3, 4, 5, 6, 7, 8, 9}

// windows are the sizes of the sending window, in KiB; the receiving one is as
// large. 0 is no takeover.
var windows = []int{0, 1, 2, 4, 8, 16, 32}

// BenchmarkSend is lazywebsocket's WriteMessage.
func BenchmarkSend(b *testing.B) {
	for _, level := range levels {
		for _, kib := range windows {
			b.Run(fmt.Sprintf("level=%d/window=%dKiB", level, kib), func(b *testing.B) {
				benchmarkSend(b, chat.Sessions, level, kib)
			})
		}
	}
}

// BenchmarkSendConns is the default level by the number of connections that take
// turns. A single one has only the first session: compare it with the single one
// of BenchmarkLiveConns.
func BenchmarkSendConns(b *testing.B) {
	for _, conns := range []int{1, 8, 64} {
		for _, kib := range windows {
			b.Run(fmt.Sprintf("conns=%d/window=%dKiB", conns, kib), func(b *testing.B) {
				benchmarkSend(b, conns, 1, kib)
			})
		}
	}
}

// BenchmarkLive is a compressor that lives as long as the connection.
func BenchmarkLive(b *testing.B) {
	for _, level := range levels {
		b.Run(fmt.Sprintf("level=%d", level), func(b *testing.B) { benchmarkLive(b, chat.Sessions, level, wire.NewDeflater, true) })
	}
}

// BenchmarkLiveStandard is the same with the standard library's compressor.
func BenchmarkLiveStandard(b *testing.B) {
	for _, level := range levels {
		b.Run(fmt.Sprintf("level=%d", level), func(b *testing.B) {
			benchmarkLive(b, chat.Sessions, level, wire.NewStandardDeflater, true)
		})
	}
}

// BenchmarkLiveConns is level 1, by the number of connections that take turns.
func BenchmarkLiveConns(b *testing.B) {
	for _, conns := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("conns=%d", conns), func(b *testing.B) { benchmarkLive(b, conns, 1, wire.NewDeflater, true) })
	}
}

// BenchmarkEach is a compressor that compresses each message by itself.
func BenchmarkEach(b *testing.B) {
	for _, level := range levels {
		b.Run(fmt.Sprintf("level=%d", level), func(b *testing.B) { benchmarkLive(b, chat.Sessions, level, wire.NewDeflater, false) })
	}
}

// BenchmarkReceive is lazywebsocket's AppendMessage.
func BenchmarkReceive(b *testing.B) {
	for _, kib := range windows {
		b.Run(fmt.Sprintf("window=%dKiB", kib), func(b *testing.B) { benchmarkReceive(b, kib) })
	}
}

func sessions(b *testing.B) [][][]byte {
	b.Helper()
	s, err := chat.Load()
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// play sends the corpus round and round, with turns, and reports the bytes per
// message. The first round fills the windows and is not measured.
func play(b *testing.B, conns int, send func(conn int, m []byte), written *int) {
	all := sessions(b)
	turn := func(i int) {
		conn := i % conns
		s := all[conn%len(all)]
		send(conn, s[i/conns%len(s)])
	}
	lap := conns * chat.PerSession
	for i := range lap {
		turn(i)
	}
	*written = 0
	for i := range lap {
		turn(i)
	}
	perMessage := float64(*written) / float64(lap)
	measureLoop(b, turn)
	b.ReportMetric(perMessage, "B/msg")
}

// measureLoop reports the CPU time per message beside the time that has passed,
// which on a busy machine is longer.
func measureLoop(b *testing.B, turn func(int)) {
	b.Helper()
	before := cpuTime(b)
	i := 0
	for b.Loop() {
		turn(i)
		i++
	}
	b.ReportMetric(float64(cpuTime(b)-before)/float64(i), "cpu-ns/msg")
}

func cpuTime(b *testing.B) int64 {
	b.Helper()
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		b.Fatal(err)
	}
	return ru.Utime.Nano() + ru.Stime.Nano()
}

func benchmarkSend(b *testing.B, conns, level, kib int) {
	out := new(sinkConn)
	first := upgrade(b, out, options(level, kib)) // what is made once for all is not counted
	if err := first.WriteMessage(lazywebsocket.TextMessage, sessions(b)[0][0]); err != nil {
		b.Fatal(err)
	}
	group := make([]*lazywebsocket.Conn, conns)
	for i := range group {
		group[i] = upgrade(b, out, options(level, kib))
	}
	plain := liveHeap() // nothing has been compressed
	play(b, conns, func(conn int, m []byte) {
		if err := group[conn].WriteMessage(lazywebsocket.TextMessage, m); err != nil {
			b.Fatal(err)
		}
	}, &out.written)
	b.ReportMetric(float64(liveHeap()-plain)/float64(conns), "held-B/conn")
	runtime.KeepAlive(group)
}

func benchmarkLive(b *testing.B, conns, level int, compressor func(int, bool) (*wire.Deflater, error), takeover bool) {
	heap := liveHeap()
	group := make([]*wire.Deflater, conns)
	for i := range group {
		if !takeover && i > 0 {
			group[i] = group[0] // one serves all
			continue
		}
		d, err := compressor(level, takeover)
		if err != nil {
			b.Fatal(err)
		}
		group[i] = d
	}
	written := 0
	var frame []byte
	play(b, conns, func(conn int, m []byte) {
		packed, err := group[conn].Deflate(m)
		if err != nil {
			b.Fatal(err)
		}
		frame = wire.AppendFrame(frame[:0], packed, true, nil)
		written += len(frame)
	}, &written)
	held := float64(liveHeap()-heap) / float64(conns)
	if !takeover {
		held = 0 // the one is nobody's
	}
	b.ReportMetric(held, "held-B/conn")
	runtime.KeepAlive(group)
}

func benchmarkReceive(b *testing.B, kib int) {
	all := sessions(b)
	group := make([]*lazywebsocket.Conn, len(all))
	in := make([]*sourceConn, len(all))
	var plainText, packed [][][]byte // kept, so that windows are all that grows
	for i, s := range all {
		plainText = append(plainText, plainFrames(s))
		packed = append(packed, clientFrames(b, s, kib))
		in[i] = &sourceConn{frames: plainText[i]}
		group[i] = upgrade(b, in[i], options(1, kib))
	}
	message := make([]byte, 0, 8<<10)
	size := 0
	turn := func(i int) {
		conn := i % len(group)
		var err error
		in[conn].frame()
		size += len(in[conn].open)
		_, message, err = group[conn].AppendMessage(message[:0])
		if err != nil {
			b.Fatal(err)
		}
		if want := all[conn][i/len(group)%len(all[conn])]; !bytes.Equal(message, want) {
			b.Fatalf("received %q, not %q", message, want)
		}
	}
	lap := len(group) * chat.PerSession
	for i := range lap {
		turn(i)
	}
	for i := range all {
		in[i].frames = packed[i]
	}
	plain := liveHeap() // without windows: nothing compressed has come
	size = 0
	for i := range lap {
		turn(i)
	}
	perMessage := float64(size) / float64(lap)
	measureLoop(b, turn)
	b.ReportMetric(perMessage, "B/msg")
	b.ReportMetric(float64(liveHeap()-plain)/float64(len(group)), "held-B/conn")
	runtime.KeepAlive([]any{all, in, group, message, plainText, packed})
}

// plainFrames are those of a client that does not compress.
func plainFrames(session [][]byte) [][]byte {
	var frames [][]byte
	for _, m := range session {
		frames = append(frames, wire.AppendFrame(nil, m, false, []byte{3, 1, 4, 1}))
	}
	return frames
}

// clientFrames are the frames of a client with a window of kib in its sending
// direction.
func clientFrames(b *testing.B, session [][]byte, kib int) [][]byte {
	b.Helper()
	bits := 15
	for kib > 0 && 1<<(bits-10) > kib {
		bits--
	}
	d, err := wire.NewWindowDeflater(bits, kib > 0)
	if err != nil {
		b.Fatal(err)
	}
	var frames [][]byte
	for _, m := range session {
		packed, err := d.Deflate(m)
		if err != nil {
			b.Fatal(err)
		}
		frames = append(frames, wire.AppendFrame(nil, packed, true, []byte{3, 1, 4, 1}))
	}
	return frames
}

func options(level, kib int) lazywebsocket.CompressionOptions {
	return lazywebsocket.CompressionOptions{
		Level: level, MemoryPerConn: 2 * kib << 10, DisableTakeover: kib == 0,
	}
}

// liveHeap returns the bytes of live objects; pools are empty.
func liveHeap() int {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// upgrade makes a server's connection over nc, for Chromium's offer.
func upgrade(b *testing.B, nc net.Conn, o lazywebsocket.CompressionOptions) *lazywebsocket.Conn {
	b.Helper()
	r := httptest.NewRequest(http.MethodGet, "http://example.com/", nil)
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "websocket")
	r.Header.Set("Sec-WebSocket-Version", "13")
	r.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	r.Header.Set("Sec-WebSocket-Extensions", wire.Offer)
	u := lazywebsocket.Upgrader{EnableCompression: true, Compression: o}
	conn, err := u.Upgrade(hijacked{httptest.NewRecorder(), nc}, r, nil)
	if err != nil {
		b.Fatal(err)
	}
	return conn
}

// hijacked is a ResponseWriter whose connection is nc.
type hijacked struct {
	http.ResponseWriter
	nc net.Conn
}

func (h hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.nc, bufio.NewReadWriter(bufio.NewReaderSize(h.nc, 16), bufio.NewWriterSize(h.nc, 16)), nil
}

// sinkConn counts what is written to it.
type sinkConn struct{ written int }

func (c *sinkConn) Write(p []byte) (int, error)    { c.written += len(p); return len(p), nil }
func (*sinkConn) Read([]byte) (int, error)         { return 0, io.EOF }
func (*sinkConn) Close() error                     { return nil }
func (*sinkConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (*sinkConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (*sinkConn) SetDeadline(time.Time) error      { return nil }
func (*sinkConn) SetReadDeadline(time.Time) error  { return nil }
func (*sinkConn) SetWriteDeadline(time.Time) error { return nil }

// sourceConn has one frame to read after each call of frame.
type sourceConn struct {
	sinkConn
	frames [][]byte
	next   int
	open   []byte // the frame that is being read
	rest   []byte
}

func (c *sourceConn) frame() {
	c.open = c.frames[c.next%len(c.frames)]
	c.rest = c.open
	c.next++
}

func (c *sourceConn) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}
