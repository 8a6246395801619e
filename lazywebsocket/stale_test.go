package lazywebsocket_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// Several connections share the pools of buffers. Each writes only its own
// letter, in every way there is; a byte of another, or in builds with the race
// detector the poison, would be a byte that was left in a buffer.
func TestNoStaleBytes(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		pool := new(sync.Pool)
		var wg sync.WaitGroup
		for i := range 6 {
			o := options{writeBuffer: 600}
			if i >= 3 {
				o.pool = pool
			}
			conn, p := role(i%2).connect(t, wstest.Network{Buffer: 3000}, o)
			letter := byte('a' + i)
			wg.Go(func() { writeEveryWay(t, conn, letter) })
			wg.Go(func() { onlyLetter(t, p, letter) })
		}
		wg.Wait()
	})
}

func writeEveryWay(t *testing.T, conn *lazywebsocket.Conn, letter byte) {
	data := bytes.Repeat([]byte{letter}, 70000)
	for _, n := range []int{0, 1, 100, 500, 600, 1000, 5000, 70000} {
		pm, err := lazywebsocket.NewPreparedMessage(lazywebsocket.BinaryMessage, data[:n])
		if err != nil {
			t.Error(err)
		}
		w, err := conn.NextWriter(lazywebsocket.BinaryMessage)
		if err != nil {
			t.Error(err)
			return
		}
		_, err = io.Copy(w, bytes.NewReader(data[:n]))
		for _, err := range []error{
			err,
			conn.WriteControl(lazywebsocket.PingMessage, data[:min(n, 125)], noDeadline),
			w.Close(),
			conn.WriteMessage(lazywebsocket.BinaryMessage, data[:n]),
			conn.WritePreparedMessage(pm),
			conn.WriteJSON(strings.Repeat(string(letter), n)),
		} {
			if err != nil {
				t.Error(err)
			}
		}
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
}

func onlyLetter(t *testing.T, p *wstest.Peer, letter byte) {
	for {
		first, payload := p.Next()
		if first == 0x88 {
			return
		}
		if first == 0x81 {
			payload = bytes.Trim(payload, "\"\n")
		}
		if rest := bytes.Trim(payload, string(letter)); len(rest) != 0 {
			t.Errorf("a frame %02x of %q has %.20q", first, letter, rest)
			return
		}
	}
}

// What a handler and a message got does not change when buffers go round.
func TestReadDataIsNotShared(t *testing.T) {
	bothRoles(t, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		var kept []string
		conn.SetPingHandler(func(s string) error { kept = append(kept, s); return nil })
		var messages [][]byte
		for i := range 20 {
			p.Ping(fmt.Sprint("ping ", i))
			p.Text(fmt.Sprint("text ", i))
			_, data, err := conn.ReadMessage()
			must(t, err)
			messages = append(messages, data)
			must(t, conn.WriteMessage(lazywebsocket.TextMessage, bytes.Repeat([]byte("w"), 100)))
		}
		for i := range 20 {
			if string(messages[i]) != fmt.Sprint("text ", i) || kept[i] != fmt.Sprint("ping ", i) {
				t.Errorf("%d became %q, %q", i, messages[i], kept[i])
			}
		}
	})
}
