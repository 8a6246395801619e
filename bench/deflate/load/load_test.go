package load

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golazy.dev/bench/deflate/chat"
	"golazy.dev/bench/deflate/peers"
	"golazy.dev/bench/deflate/wire"
)

// start runs one of the servers.
func start(t *testing.T, name string) string {
	t.Helper()
	s, err := peers.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	in, stop := io.Pipe()
	out, line := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- peers.Serve(s, in, line) }()
	t.Cleanup(func() {
		_ = stop.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	b := make([]byte, 64)
	n, err := out.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return strings.TrimSpace(string(b[:n]))
}

// Every server answers every message right, and compresses if it should.
func TestServers(t *testing.T) {
	st, err := chat.Describe(chat.Generate())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range peers.All() {
		t.Run(s.Name, func(t *testing.T) {
			const conns, messages = chat.Sessions, chat.PerSession // all of the corpus
			got, err := RunTraffic(start(t, s.Name), conns, messages+3, messages)
			if err != nil {
				t.Fatal(err)
			}
			off := strings.HasSuffix(s.Name, "/"+peers.Off)
			if got.Messages != conns*messages || got.CPU <= 0 || got.BytesPlain != st.Bytes {
				t.Errorf("measured %+v", got)
			}
			if off != (got.BytesOut > got.BytesPlain) || off != (got.BytesIn > got.BytesPlain) || off != (got.Answer == "") {
				t.Errorf("%d bytes of text left as %d and came as %d, answer %q", got.BytesPlain, got.BytesOut, got.BytesIn, got.Answer)
			}
		})
	}
}

func TestRunIdle(t *testing.T) {
	addr := start(t, "live/level=1")
	got, err := RunIdle(addr, 8, 2, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	if got.Conns != 8 || got.Heap < 500<<10 || got.Heap > 2<<20 {
		t.Errorf("a live compressor for each of 8 connections: %+v", got)
	}
}

// No more connections are opened than fit.
func TestRunIdleLimit(t *testing.T) {
	addr := start(t, "gorilla/off")
	got, err := RunIdle(addr, probes+50, 1, 1<<10)
	if err != nil || got.Conns != probes {
		t.Errorf("%+v, %v", got, err)
	}
}

// An answer with a wrong byte ends the run, compressed or not.
func TestWrongAnswer(t *testing.T) {
	for _, extensions := range []string{"", "Sec-WebSocket-Extensions: permessage-deflate\r\n"} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			nc, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer nc.Close()
			_, _ = nc.Write([]byte("HTTP/1.1 101 Switching Protocols\r\n" + extensions + "\r\n"))
			falsify(nc, rw, extensions != "")
		}))
		all, err := newScripts(1)
		if err != nil {
			t.Fatal(err)
		}
		addr := server.Listener.Addr().String()
		group, err := dialAll(addr, 1, all)
		if err != nil {
			t.Fatal(err)
		}
		if err := group[0].exchange(1); err == nil || !strings.Contains(err.Error(), "differs") {
			t.Errorf("with %q the run ends with %v", extensions, err)
		}
		closeAll(group)
		server.Close()
	}
}

// falsify answers a message with one whose last byte is another.
func falsify(nc net.Conn, r io.Reader, deflate bool) {
	m, err := wire.ReadMessage(bufio.NewReader(r), nil)
	if err != nil {
		return
	}
	text := m.Payload
	if deflate {
		if text, err = new(wire.Inflater).Inflate(nil, m.Payload); err != nil {
			return
		}
	}
	text = bytes.Clone(text)
	text[len(text)-1]++
	if deflate {
		d, err := wire.NewDeflater(1, false)
		if err != nil {
			return
		}
		if text, err = d.Deflate(text); err != nil {
			return
		}
	}
	_, _ = nc.Write(wire.AppendFrame(nil, text, deflate, nil))
}
