package lazywebsocket_test

import (
	"net"
	"testing"
	"time"

	"golazy.dev/lazywebsocket"
)

// burstConn is a net.Conn on which a client's frames are always there, 16 of them
// to a read, and which takes every write.
type burstConn struct {
	net.Conn
	burst []byte
}

func (c *burstConn) Read(p []byte) (int, error)     { return copy(p, c.burst), nil }
func (c *burstConn) Write(p []byte) (int, error)    { return len(p), nil }
func (*burstConn) SetWriteDeadline(time.Time) error { return nil }
func (*burstConn) SetReadDeadline(time.Time) error  { return nil }

// BenchmarkBurst is what a message costs us, beside the system calls: 125 bytes,
// 16 that arrive together and are answered together.
func BenchmarkBurst(b *testing.B) {
	nc := &burstConn{}
	for range 16 {
		nc.burst = append(nc.burst, 0x81, 0x80|125, 1, 2, 3, 4)
		for i := range 125 {
			nc.burst = append(nc.burst, 'a'^byte(i%4+1))
		}
	}
	c := lazywebsocket.NewServerConn(nc)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		messageType, data, err := c.AppendMessage(buf[:0])
		if err != nil || len(data) != 125 {
			b.Fatal(len(data), err)
		}
		buf = data
		if err := c.WriteMessage(messageType, data); err != nil {
			b.Fatal(err)
		}
	}
}
