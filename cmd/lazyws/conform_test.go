package main

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golazy.dev/lazywebsocket"
)

// conform runs lazyws conform.
func conform(t *testing.T, args ...string) (code int, out, err string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	p := &program{out: &stdout, err: &stderr, getenv: func(string) string { return "" }}
	code = p.main(t.Context(), append([]string{"conform"}, args...))
	return code, stdout.String(), stderr.String()
}

// The server that the tool has keeps the rules, and the tool finds nothing wrong.
func TestConform(t *testing.T) {
	p := start(t, "serve", "-addr", "127.0.0.1:0", "-compress")
	code, out, err := conform(t, "-v", "-timeout", patience.String(), p.url)
	if code != exitOK || err != "" || !regexp.MustCompile(`\n\d+ trials: \d+ ok, 0 weak, 0 failed\n$`).MatchString(out) {
		t.Errorf("code %d, %q\n%s", code, err, out)
	}
	for _, name := range []string{"handshake/no key", "messages/text of 65536 bytes", "fragments/two", "control/ping", "frames/RSV2", "utf8/ff", "close/1000", "deflate/text"} {
		if !strings.Contains(out, "\nok      "+name+" (RFC ") {
			t.Errorf("no trial %s", name)
		}
	}
}

// What was not tried is told.
func TestConformWithoutCompression(t *testing.T) {
	url := serveSocket(t, echoMessages)
	code, out, err := conform(t, "-timeout", patience.String(), url)
	if code != exitOK || err != "" || strings.Count(out, "\n") != 1 || !strings.Contains(out, " 0 failed; the server does not compress\n") {
		t.Errorf("code %d, %q\n%s", code, err, out)
	}
	code, _, err = conform(t, "-only", "deflate/", url)
	if code != exitUsage || !strings.Contains(err, "no trial") {
		t.Errorf("nothing to try: code %d, %q", code, err)
	}
	if code, _, err := conform(t, "ws://127.0.0.1:1"); code != exitError || err == "" {
		t.Errorf("no server: code %d, %q", code, err)
	}
}

func TestConformTLS(t *testing.T) {
	var upgrader lazywebsocket.Upgrader
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		echoMessages(r, conn)
	}))
	t.Cleanup(server.Close)
	if code, out, err := conform(t, "-insecure", "-timeout", patience.String(), server.URL); code != exitOK {
		t.Errorf("code %d, %q\n%s", code, err, out)
	}
	if code, _, err := conform(t, server.URL); code != exitError || !strings.Contains(err, "certificate") {
		t.Errorf("a certificate that nobody knows: code %d, %q", code, err)
	}
}

// legal are the names of the trials that ask for nothing but what is as it should be.
var legal = regexp.MustCompile(`^(handshake/(answer|bytewise|tokens|unknown extension|subprotocol that nobody knows)` +
	`|messages/.*|fragments/(two|binary|all empty|empty in between|a thousand|a ping in between|a character in two)` +
	`|control/(ping|ping of 125 bytes|ping before a message|pong that nobody asked for)` +
	`|utf8/(the largest character|a noncharacter|NUL|around the surrogates)` +
	`|close/(without a code|the longest reason|what follows is not for reading|a ping behind it|behind a message|in the midst of a message|\d+))$`)

// A server that checks nothing passes what is as it should be, and nothing else. It has
// much time for what it passes, and little for what ends with it.
func TestConformFindsFaults(t *testing.T) {
	o, err := parseConform(&program{getenv: func(string) string { return "" }}, []string{serveFrames(t, credulous)})
	if err != nil {
		t.Fatal(err)
	}
	all := slices.Concat(handshakeTrials, frameTrials(), closeTrials())
	if len(all) < 100 {
		t.Errorf("%d trials", len(all))
	}
	isLegal := func(t trial) bool { return legal.MatchString(t.name) }
	good := slices.DeleteFunc(slices.Clone(all), func(t trial) bool { return !isLegal(t) })
	bad := slices.DeleteFunc(all, isLegal)
	o.timeout = patience
	for i, result := range o.try(t.Context(), good) {
		if err := <-result; err != nil {
			t.Errorf("%s: %v", good[i].name, err)
		}
	}
	o.timeout = 500 * time.Millisecond
	for i, result := range o.try(t.Context(), bad) {
		if err := <-result; err == nil {
			t.Errorf("%s is ok", bad[i].name)
		}
	}
}

// A server that hangs up without a word ends what must end, and does so weakly.
func TestConformWeak(t *testing.T) {
	url := serveFrames(t, func(conn *bufio.ReadWriter) error {
		_, err := conn.ReadByte()
		return errors.Join(err, io.EOF)
	})
	code, out, _ := conform(t, "-v", "-timeout", patience.String(), url)
	for name, verdict := range map[string]string{"frames/RSV2": "weak  ", "utf8/ff": "weak  ", "messages/text of 1 bytes": "FAILED", "control/ping": "FAILED", "handshake/answer": "ok    "} {
		if !strings.Contains("\n"+out, "\n"+verdict+"  "+name+" (") {
			t.Errorf("%s is not %s", name, verdict)
		}
	}
	if code != exitError {
		t.Errorf("code %d", code)
	}
}

// serveFrames answers 101 to all, and calls handle until it returns an error.
func serveFrames(t *testing.T, handle func(*bufio.ReadWriter) error) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				rw := bufio.NewReadWriter(bufio.NewReader(conn), bufio.NewWriter(conn))
				r, err := http.ReadRequest(rw.Reader)
				if err != nil {
					return
				}
				accept := acceptOf(r.Header.Get("Sec-WebSocket-Key"))
				_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept + "\r\n\r\n")
				for err == nil {
					err = errors.Join(rw.Flush(), handle(rw))
				}
			}()
		}
	}()
	return "ws://" + l.Addr().String()
}

// credulous reads a frame and sends back what was in it, whatever it was.
func credulous(conn *bufio.ReadWriter) error {
	var head [2]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return err
	}
	n, forms := uint64(head[1]&0x7f), map[byte]int{126: 2, 127: 8}
	if form := forms[byte(n)]; form > 0 {
		var length [8]byte
		if _, err := io.ReadFull(conn, length[8-form:]); err != nil {
			return err
		}
		n = binary.BigEndian.Uint64(length[:])
	}
	var key [4]byte
	if head[1]&0x80 != 0 {
		if _, err := io.ReadFull(conn, key[:]); err != nil {
			return err
		}
	}
	payload := make([]byte, min(n, 1<<20))
	if _, err := io.ReadFull(conn, payload); err != nil {
		return err
	}
	for i := range payload {
		payload[i] ^= key[i%4]
	}
	switch head[0] & 0xf {
	case pong:
		return nil
	case ping:
		head[0]++
	}
	answer := []byte{head[0], byte(min(n, 126))}
	switch {
	case n > 0xffff:
		answer[1] = 127
		answer = binary.BigEndian.AppendUint64(answer, n)
	case n > 125:
		answer = binary.BigEndian.AppendUint16(answer, uint16(n))
	}
	_, err := conn.Write(append(answer, payload...))
	if head[0]&0xf == closeFrame {
		return errors.Join(err, conn.Flush(), io.EOF)
	}
	return err
}

// acceptOf answers a key, RFC 6455 4.2.2.
func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
