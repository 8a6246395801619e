package load

import (
	"strings"
	"testing"
)

func TestCheckUpgrade(t *testing.T) {
	good := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept + "\r\n\r\n"
	if err := checkUpgrade([]byte(good)); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{
		strings.Replace(good, "101", "400", 1),
		strings.Replace(good, accept, strings.ToLower(accept), 1),
		strings.Replace(good, "Upgrade: websocket", "Sec-WebSocket-Extensions: permessage-deflate", 1),
	} {
		if err := checkUpgrade([]byte(bad)); err == nil {
			t.Errorf("accepted %q", bad)
		}
	}
}

// A handshake ends at its empty line, however it arrives, and nothing may follow.
func TestUpgrade(t *testing.T) {
	good := "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: " + accept + "\r\n\r\n"
	for _, c := range []struct {
		answer string
		ok     bool
	}{{good, true}, {good + "\x81\x00", false}, {good[:40], false}} {
		r := strings.NewReader(c.answer)
		var sent strings.Builder
		err := upgrade(r.Read, sent.Write, "example.com", "/echo")
		if (err == nil) != c.ok {
			t.Errorf("%q: %v", c.answer, err)
		}
		if !strings.HasPrefix(sent.String(), "GET /echo HTTP/1.1\r\nHost: example.com\r\n") {
			t.Errorf("sent %q", sent.String())
		}
	}
}
