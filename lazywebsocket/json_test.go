package lazywebsocket_test

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

func TestWriteJSON(t *testing.T) {
	onNetwork(t, wstest.Network{Buffer: -1}, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		must(t, conn.WriteJSON(map[string]any{"a": []int{1, 2}, "b": "<ü>"}))
		p.WantText(`{"a":[1,2],"b":"\u003cü\u003e"}` + "\n")
		must(t, lazywebsocket.WriteJSON(conn, nil))
		p.WantText("null\n")
		var unsupported *json.UnsupportedTypeError
		if err := conn.WriteJSON(make(chan int)); !errors.As(err, &unsupported) {
			t.Errorf("error is %v", err)
		}
		p.WantNothing()
		must(t, conn.WriteJSON(strings.Repeat("x", 200000)))
		p.WantText(`"` + strings.Repeat("x", 200000) + "\"\n")
		must(t, conn.WriteJSON("small again"))
		p.WantText("\"small again\"\n")
		must(t, conn.Close())
		if err := conn.WriteJSON(1); err != lazywebsocket.ErrCloseSent { //nolint:errorlint // programs compare it
			t.Errorf("after Close: %v", err)
		}
	})
}

func TestReadJSON(t *testing.T) {
	bothRoles(t, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		var v struct{ A, B int }
		p.Frame(0x01, []byte(`{"a":1,`))
		p.Frame(0x80, []byte(`"b":2}`))
		must(t, conn.ReadJSON(&v))
		p.Binary([]byte(`{"a":3} behind the first value`))
		must(t, lazywebsocket.ReadJSON(conn, &v))
		if v.A != 3 || v.B != 2 {
			t.Errorf("%+v", v)
		}
		for _, bad := range []string{"", " ", `{"a":`, `"`} {
			p.Text(bad)
			if err := conn.ReadJSON(&v); err != io.ErrUnexpectedEOF { //nolint:errorlint // programs compare it
				t.Errorf("%q: %v", bad, err)
			}
		}
		p.Text("nonsense")
		var syntax *json.SyntaxError
		if err := conn.ReadJSON(&v); !errors.As(err, &syntax) {
			t.Errorf("error is %v", err)
		}
		p.Text(`{"a":"text"}`)
		var mismatch *json.UnmarshalTypeError
		if err := conn.ReadJSON(&v); !errors.As(err, &mismatch) {
			t.Errorf("error is %v", err)
		}
		p.Text(`{"a":9}`)
		if err := conn.ReadJSON(&v); err != nil || v.A != 9 {
			t.Errorf("after all that: %+v, %v", v, err)
		}
		p.Close(1000, "")
		wantSummary(t, conn.ReadJSON(&v), "close 1000")
	})
}

// A failure of the connection inside a value is the connection's.
func TestReadJSONBreaks(t *testing.T) {
	bothRoles(t, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		p.Frame(0x01, []byte(`{"a":"`))
		p.Frame(0x80, []byte{0xff})
		var v any
		wantSummary(t, conn.ReadJSON(&v), "protocol 1007")
	})
	bothRoles(t, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		p.Frame(0x01, []byte(`{"a":"`))
		must(t, p.Conn.CloseWrite())
		var v any
		wantSummary(t, conn.ReadJSON(&v), "close 1006 unexpected EOF")
	})
}
