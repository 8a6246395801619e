package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"golazy.dev/lazywebsocket"
)

// exchange is a trial on an open connection: bytes go out as they are, and what comes
// back is read by a client that knows the rules.
type exchange struct {
	send     []byte
	bytewise bool // each byte is written by itself
	compress bool // on a connection that compresses

	// What has to come back, in order.
	back  []message
	pongs []string

	// What comes behind that. If there are neither, a Close frame is sent, with 1000,
	// and answered so.
	closes []int // send has a Close frame: the codes that it may be answered with
	fails  []int // the server ends the connection: with one of these
}

// message is one that comes back.
type message struct {
	kind int
	data string
}

// run implements trial.
func (x exchange) run(ctx context.Context, o *conformOptions) error {
	options := o.connectOptions
	options.compress = x.compress
	conn, err := options.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	end, _ := ctx.Deadline()
	_ = conn.SetReadDeadline(end)
	var pongs []string
	conn.SetPongHandler(func(data string) error {
		pongs = append(pongs, data)
		return nil
	})
	wrote := make(chan error, 1)
	go func() { wrote <- x.write(conn, end) }()
	for i, want := range x.back {
		if err := want.read(conn); err != nil {
			return fmt.Errorf("message %d: %w", i+1, err)
		}
	}
	if len(x.fails) > 0 {
		return ended(conn, x.fails)
	}
	if err := <-wrote; err != nil {
		return err
	}
	if err := x.goodbye(conn, end); err != nil {
		return err
	}
	if !slices.Equal(pongs, x.pongs) {
		return fmt.Errorf("the pongs were %.40q, want %.40q", pongs, x.pongs)
	}
	return nil
}

// write puts the bytes on the wire, past the frames of the connection.
func (x exchange) write(conn *lazywebsocket.Conn, end time.Time) error {
	_ = conn.NetConn().SetWriteDeadline(end)
	size := len(x.send)
	if x.bytewise {
		size = 1
	}
	for part := range slices.Chunk(x.send, max(size, 1)) {
		if _, err := conn.NetConn().Write(part); err != nil {
			return err
		}
	}
	return nil
}

// read reads the message and compares it.
func (m message) read(conn *lazywebsocket.Conn) error {
	kind, data, err := conn.ReadMessage()
	switch {
	case err != nil:
		return fmt.Errorf("did not come back: %w", err) // or breaks the rules itself
	case kind != m.kind:
		return fmt.Errorf("came back as type %d, was %d", kind, m.kind)
	case string(data) != m.data:
		return fmt.Errorf("came back as %d bytes, %.40q, were %d, %.40q", len(data), data, len(m.data), m.data)
	default:
		return nil
	}
}

// goodbye reads the answer to a Close frame. One must come: RFC 6455 5.5.1.
func (x exchange) goodbye(conn *lazywebsocket.Conn, end time.Time) error {
	codes := x.closes
	if len(codes) == 0 {
		codes = []int{lazywebsocket.CloseNormalClosure}
		if err := conn.WriteControl(lazywebsocket.CloseMessage, closing(codes[0], ""), end); err != nil {
			return err
		}
	}
	err := ended(conn, codes)
	if errors.Is(err, errWeak) {
		return errors.New("a Close frame was not answered")
	}
	return err
}

// ended reads the Close frame that comes next, and compares its code.
func ended(conn *lazywebsocket.Conn, codes []int) error {
	kind, data, err := conn.ReadMessage()
	if err == nil {
		return fmt.Errorf("a message of type %d came, %.40q, in place of a Close frame with %v", kind, data, codes)
	}
	closed, ok := errors.AsType[*lazywebsocket.CloseError](err)
	switch {
	case ok && slices.Contains(codes, closed.Code):
		return nil
	case ok && closed.Code != lazywebsocket.CloseAbnormalClosure:
		return fmt.Errorf("closed with %d %q, want %v", closed.Code, closed.Text, codes)
	case gone(err):
		return fmt.Errorf("%w with %v", errWeak, codes)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("nothing came in time, want a Close frame with %v", codes)
	default: // our client has found fault with it
		return fmt.Errorf("in place of a Close frame with %v came what breaks the rules itself: %w", codes, err)
	}
}

// gone reports whether the connection ended without a goodbye.
func gone(err error) bool {
	return lazywebsocket.IsCloseError(err, lazywebsocket.CloseAbnormalClosure) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// framed returns a client's frame: first is the byte with FIN, RSV and the opcode.
func framed(first byte, payload string) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n <= 125:
		b = append(b, 0x80|byte(n))
	case n <= 0xffff:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	return masked(b, payload)
}

// masked appends a masking key and what it makes of the payload.
func masked(head []byte, payload string) []byte {
	key := [4]byte{0x37, 0xfa, 0x21, 0x3d} // any will do
	b := append(head, key[:]...)
	for i := range len(payload) {
		b = append(b, payload[i]^key[i%4])
	}
	return b
}

// closing returns the payload of a Close frame.
func closing(code int, reason string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...) //nolint:gosec // two bytes on the wire
}
