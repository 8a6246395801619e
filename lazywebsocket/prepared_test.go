package lazywebsocket_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

func TestPreparedMessage(t *testing.T) {
	for _, tc := range []struct {
		messageType int
		data        string
		want        byte
	}{
		{lazywebsocket.TextMessage, "", 0x81},
		{lazywebsocket.TextMessage, "text", 0x81},
		{lazywebsocket.BinaryMessage, strings.Repeat("b", 126), 0x82},
		{lazywebsocket.BinaryMessage, strings.Repeat("b", 70000), 0x82},
		{lazywebsocket.PingMessage, "ping", 0x89},
		{lazywebsocket.PongMessage, "", 0x8a},
	} {
		onNetwork(t, wstest.Network{Buffer: -1}, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
			data := []byte(tc.data)
			pm, err := lazywebsocket.NewPreparedMessage(tc.messageType, data)
			must(t, err)
			for i := range data { // it has a copy
				data[i] = 'x'
			}
			for range 2 {
				must(t, conn.WritePreparedMessage(pm))
				first, payload := p.Next()
				if first != tc.want || string(payload) != tc.data {
					t.Errorf("%02x, %d bytes", first, len(payload))
				}
			}
			p.WantNothing()
		})
	}
}

// A client masks a prepared message anew each time.
func TestPreparedMessageIsMaskedAnew(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		conn, p := wstest.PeerOfClient(t, nil)
		pm, err := lazywebsocket.NewPreparedMessage(lazywebsocket.TextMessage, []byte("text"))
		must(t, err)
		var raw [2][10]byte
		for i := range raw {
			must(t, conn.WritePreparedMessage(pm))
			if _, err := io.ReadFull(p.Conn, raw[i][:]); err != nil {
				t.Fatal(err)
			}
		}
		if bytes.Equal(raw[0][2:6], raw[1][2:6]) {
			t.Error("two frames have the same masking key")
		}
	})
}

func TestPreparedMessageErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		messageType int
		data        []byte
	}{
		"type 0":         {0, nil},
		"type 3":         {3, nil},
		"type 11":        {11, nil},
		"long ping":      {lazywebsocket.PingMessage, make([]byte, 126)},
		"bad close":      {lazywebsocket.CloseMessage, []byte{3}},
		"bad close code": {lazywebsocket.CloseMessage, lazywebsocket.FormatCloseMessage(1006, "")},
	} {
		var op *lazywebsocket.OpError
		if pm, err := lazywebsocket.NewPreparedMessage(tc.messageType, tc.data); !errors.As(err, &op) || pm != nil {
			t.Errorf("%s: %v, %v", name, pm, err)
		}
	}
	bothRoles(t, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		pm, err := lazywebsocket.NewPreparedMessage(lazywebsocket.CloseMessage, lazywebsocket.FormatCloseMessage(1001, ""))
		must(t, err)
		must(t, conn.WritePreparedMessage(pm))
		p.WantClose(1001)
		text, err := lazywebsocket.NewPreparedMessage(lazywebsocket.TextMessage, nil)
		must(t, err)
		if err := conn.WritePreparedMessage(text); err != lazywebsocket.ErrCloseSent { //nolint:errorlint // programs compare it
			t.Errorf("after a Close frame: %v", err)
		}
	})
}

func TestPreparedMessageDeadline(t *testing.T) {
	onNetwork(t, wstest.Network{Buffer: 1000}, options{}, func(t *testing.T, conn *lazywebsocket.Conn, _ *wstest.Peer) {
		pm, err := lazywebsocket.NewPreparedMessage(lazywebsocket.BinaryMessage, make([]byte, 3000))
		must(t, err)
		start := time.Now()
		must(t, conn.SetWriteDeadline(start.Add(time.Second)))
		err = conn.WritePreparedMessage(pm)
		wantSummary(t, err, "write timeout")
		if again := conn.WritePreparedMessage(pm); again != err { //nolint:errorlint // it must be the same
			t.Errorf("the next write: %v", again)
		}
		if d := time.Since(start); d != time.Second {
			t.Errorf("took %v", d)
		}
	})
}

// One prepared message for many connections at the same time, for the race
// detector.
func TestPreparedMessageIsShared(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		pm, err := lazywebsocket.NewPreparedMessage(lazywebsocket.TextMessage, []byte("shared"))
		must(t, err)
		var peers []*wstest.Peer
		for i := range 6 {
			conn, p := role(i%2).connect(t, wstest.Network{}, options{})
			peers = append(peers, p)
			go func() {
				if err := conn.WritePreparedMessage(pm); err != nil {
					t.Error(err)
				}
			}()
		}
		synctest.Wait()
		for _, p := range peers {
			p.WantText("shared")
		}
	})
}
