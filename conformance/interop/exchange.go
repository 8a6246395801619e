package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"golazy.dev/lazywebsocket"
)

const (
	readLimit = 4 << 20
	// With pieces larger than the buffer, some frames are flushed by a full buffer
	// and some by the end.
	fragmentBuffer = 512
	piece          = 700
)

func (tc testCase) writeBuffer() int {
	if tc.fragment {
		return fragmentBuffer
	}
	return 0
}

// send sends a message as the case wants it.
func (tc testCase) send(conn *lazywebsocket.Conn, m message) error {
	if !tc.fragment {
		return conn.WriteMessage(m.wireType(), m.data)
	}
	w, err := conn.NextWriter(m.wireType())
	if err != nil {
		return err
	}
	for rest := m.data; len(rest) > 0; {
		n := min(piece, len(rest))
		if _, err := w.Write(rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return w.Close()
}

// receive returns the next message, in buf's memory or in new.
func (tc testCase) receive(conn *lazywebsocket.Conn, buf []byte) (message, error) {
	if !tc.fragment {
		messageType, data, err := conn.AppendMessage(buf[:0])
		return message{messageType == lazywebsocket.TextMessage, data}, err
	}
	messageType, r, err := conn.NextReader()
	if err != nil {
		return message{}, err
	}
	data, err := io.ReadAll(r)
	return message{messageType == lazywebsocket.TextMessage, data}, err
}

// echo sends messages back until the peer closes normally.
func (tc testCase) echo(conn *lazywebsocket.Conn) error {
	var buf []byte
	for {
		m, err := tc.receive(conn, buf)
		if lazywebsocket.IsCloseError(err, lazywebsocket.CloseNormalClosure) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := tc.send(conn, m); err != nil {
			return err
		}
		buf = m.data
	}
}

// exchange sends all messages and wants them back.
func (tc testCase) exchange(conn *lazywebsocket.Conn, messages []message) error {
	sent := make(chan error, 1)
	go func() {
		for _, m := range messages {
			if err := tc.send(conn, m); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	err := tc.compare(conn, messages)
	if err != nil {
		_ = conn.Close() // so that the sender ends, too
	}
	return errors.Join(err, <-sent)
}

func (tc testCase) compare(conn *lazywebsocket.Conn, messages []message) error {
	var buf []byte
	for i, want := range messages {
		got, err := tc.receive(conn, buf)
		if err != nil {
			return fmt.Errorf("message %d: %w", i, err)
		}
		if got.text != want.text || !bytes.Equal(got.data, want.data) {
			return fmt.Errorf("message %d came back as another", i)
		}
		buf = got.data
	}
	return nil
}
