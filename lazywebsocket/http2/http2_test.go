package http2_test

import (
	"encoding/binary"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golazy.dev/lazywebsocket/http2"
)

// advertises reports whether a server says that it takes extended CONNECT
// (SETTINGS_ENABLE_CONNECT_PROTOCOL; RFC 8441, 3).
func advertises(t *testing.T) bool {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Protocols: new(http.Protocols), ReadHeaderTimeout: time.Minute}
	server.Protocols.SetUnencryptedHTTP2(true)
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	defer func() {
		_ = server.Close()
		<-served
	}()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = io.WriteString(nc, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
	var head [9]byte
	if _, err := io.ReadFull(nc, head[:]); err != nil || head[3] != 4 {
		t.Fatalf("% x, %v", head, err)
	}
	settings := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
	if _, err := io.ReadFull(nc, settings); err != nil {
		t.Fatal(err)
	}
	for s := range slices.Chunk(settings, 6) {
		if binary.BigEndian.Uint16(s) == 8 {
			return binary.BigEndian.Uint32(s[2:]) == 1
		}
	}
	return false
}

// This process, and children with other environments.
func TestSwitchedOn(t *testing.T) {
	if os.Getenv("LAZYWEBSOCKET_CHILD") != "" {
		fmt.Printf("\nadvertises %t, GODEBUG=%q\n", advertises(t), os.Getenv("GODEBUG"))
		return
	}
	for godebug, want := range map[string]string{
		"":                             `advertises true, GODEBUG=""`,
		"http2debug=0":                 `advertises true, GODEBUG="http2debug=0"`,
		"http2xconnect=0":              `advertises false, GODEBUG="http2xconnect=0"`,
		"http2debug=0,http2xconnect=0": `advertises false, GODEBUG="http2debug=0,http2xconnect=0"`,
		"http2xconnect=1,panicnil=1":   `advertises true, GODEBUG="http2xconnect=1,panicnil=1"`,
	} {
		child := exec.Command(os.Args[0], "-test.run=^TestSwitchedOn$")
		child.Env = append(os.Environ(), "LAZYWEBSOCKET_CHILD=1", "GODEBUG="+godebug)
		out, err := child.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "\n"+want+"\n") {
			t.Errorf("GODEBUG=%s: %v\n%s\nwant %s", godebug, err, out, want)
		}
	}
}

// A program that does not import the package is as before.
func TestNotSwitchedOn(t *testing.T) {
	program := filepath.Join(t.TempDir(), "plain")
	build := exec.Command("go", "build", "-o", program, "./testdata/plain")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.Command(program).CombinedOutput()
	if err != nil || string(out) != "http2xconnect=0\n" {
		t.Errorf("%q, %v", out, err)
	}
}

// Packages that are ready are initialised in the order of their import paths: what
// switches it on must sort before net/http, and must be ready before it is.
func TestOrder(t *testing.T) {
	if path := "golazy.dev/lazywebsocket/http2/internal/switchon"; path >= "net/http" {
		t.Errorf("%s does not sort before net/http", path)
	}
	f, err := parser.ParseFile(token.NewFileSet(), "internal/switchon/switchon.go", nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range f.Imports {
		if !slices.Contains([]string{`"os"`, `"strings"`}, i.Path.Value) { // net/http imports both
			t.Errorf("switchon imports %s, which may not be ready in time", i.Path.Value)
		}
	}
}

// The settings are valid ones for net/http, which drops others without a word, and
// are the caller's.
func TestConfig(t *testing.T) {
	c := http2.Config()
	if c.MaxConcurrentStreams <= 250 || c.MaxReceiveBufferPerStream >= c.MaxReceiveBufferPerConnection/15 ||
		c.MaxReceiveBufferPerConnection < 64<<10 || c.MaxReceiveBufferPerConnection >= 4<<20 ||
		c.WriteByteTimeout <= 0 {
		t.Errorf("%+v", c)
	}
	if c == http2.Config() {
		t.Error("the same memory twice")
	}
}

// Requests that are no extended CONNECT pass as they are.
func TestHandlerPasses(t *testing.T) {
	w := httptest.NewRecorder()
	passed := func(got http.ResponseWriter) bool { return got == http.ResponseWriter(w) }
	for _, tc := range []struct {
		method string
		major  int
		want   bool
	}{{"GET", 2, true}, {"CONNECT", 1, true}, {"CONNECT", 2, false}} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Method, r.ProtoMajor = tc.method, tc.major
		http2.Handler(http.HandlerFunc(func(got http.ResponseWriter, _ *http.Request) {
			if passed(got) != tc.want {
				t.Errorf("%s over HTTP/%d got %T", tc.method, tc.major, got)
			}
			got.(http.Flusher).Flush()
			if err := http.NewResponseController(got).Flush(); err != nil || !w.Flushed {
				t.Errorf("flush: %v", err)
			}
		})).ServeHTTP(w, r)
	}
}
