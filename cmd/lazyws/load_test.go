package main

import (
	"bytes"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golazy.dev/lazywebsocket"
)

// runLoadAgainst runs lazyws load and returns how many messages were sent, and how
// many came back.
func runLoadAgainst(t *testing.T, args ...string) (code, sent, back int, out, err string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	p := &program{out: &stdout, err: &stderr, getenv: func(string) string { return "" }}
	code = p.main(t.Context(), append([]string{"load"}, args...))
	if m := regexp.MustCompile(`messages +(\d+) sent, (\d+) came back`).FindStringSubmatch(stdout.String()); m != nil {
		sent, _ = strconv.Atoi(m[1])
		back, _ = strconv.Atoi(m[2])
	}
	return code, sent, back, stdout.String(), stderr.String()
}

func echoMessages(_ *http.Request, conn *lazywebsocket.Conn) {
	for {
		kind, data, err := conn.ReadMessage()
		if err != nil || conn.WriteMessage(kind, data) != nil {
			return
		}
	}
}

func TestLoad(t *testing.T) {
	url := serveSocket(t, echoMessages)
	code, sent, back, out, err := runLoadAgainst(t, "-n", "3", "-in-flight", "4", "-time", "100ms", url)
	if code != exitOK || sent < 10 || back != sent || err != "" {
		t.Errorf("code %d, %d sent, %d back, %q, %q", code, sent, back, out, err)
	}
	for _, part := range []string{"assumed", "connections  3, broken 0", "p99.9", "max", "messages of 125 bytes, 4 in flight each"} {
		if !strings.Contains(out, part) {
			t.Errorf("no %q in\n%s", part, out)
		}
	}
}

// With a rate there are so many messages as it says, at most one more.
func TestLoadRate(t *testing.T) {
	url := serveSocket(t, echoMessages)
	code, sent, back, out, err := runLoadAgainst(t, "-n", "2", "-rate", "50", "-time", "400ms", url)
	if code != exitOK || sent > 2*21 || sent < 4 || back != sent {
		t.Errorf("code %d, %d sent, %d back, %q, %q", code, sent, back, out, err)
	}
}

// What does not come back, or comes back otherwise, is told, and is an error.
func TestLoadFaults(t *testing.T) {
	wrong := serveSocket(t, func(_ *http.Request, conn *lazywebsocket.Conn) {
		for {
			if _, _, err := conn.ReadMessage(); err != nil || conn.WriteMessage(lazywebsocket.TextMessage, []byte("no")) != nil {
				return
			}
		}
	})
	if code, sent, back, out, _ := runLoadAgainst(t, "-n", "1", "-time", "50ms", wrong); code != exitError || back != sent || strings.Contains(out, " 0 of them other") {
		t.Errorf("wrong answers: code %d, %q", code, out)
	}
	dies := serveSocket(t, func(_ *http.Request, conn *lazywebsocket.Conn) {
		_, _, _ = conn.ReadMessage()
		_ = conn.NetConn().Close()
	})
	if code, _, back, out, _ := runLoadAgainst(t, "-n", "2", "-time", "10s", dies); code != exitError || back != 0 || !strings.Contains(out, "connections  2, broken ") {
		t.Errorf("a server that dies: code %d, %q", code, out)
	}
	if code, _, _, out, err := runLoadAgainst(t, "-n", "2", "ws://127.0.0.1:1"); code != exitError || out != "" || err == "" {
		t.Errorf("no server: code %d, %q, %q", code, out, err)
	}
}
