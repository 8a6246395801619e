package lazywebsocket

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// scriptConn is a connection whose peer sends input in chunks of the given sizes
// and then closes.
type scriptConn struct {
	net.Conn
	input []byte
	sizes []byte // of the next chunks, in turn
	read  int
}

func (c *scriptConn) Write(p []byte) (int, error)      { return len(p), nil }
func (c *scriptConn) Close() error                     { return nil }
func (c *scriptConn) SetDeadline(time.Time) error      { return nil }
func (c *scriptConn) SetReadDeadline(time.Time) error  { return nil }
func (c *scriptConn) SetWriteDeadline(time.Time) error { return nil }

func (c *scriptConn) Read(p []byte) (int, error) {
	if len(c.input) == 0 {
		return 0, io.EOF
	}
	size := 1 << 20
	if len(c.sizes) > 0 {
		size = int(c.sizes[0]) + 1
		c.sizes = append(c.sizes[1:], c.sizes[0])
	}
	n := copy(p[:min(size, len(p))], c.input)
	c.input = c.input[n:]
	c.read += n
	return n, nil
}

// sampleKey is the key of RFC 6455, 1.3, and sampleAccept the value that answers
// it.
const (
	sampleKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	sampleAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// validHandshake judges an accepted answer in the plainest way. It returns what
// stands behind the answer's header.
func validHandshake(answer string, offered []string, subprotocol string) (string, error) {
	for {
		status, rest, _ := strings.Cut(answer, "\n")
		lines := []string{}
		for {
			line, more, ok := strings.Cut(rest, "\n")
			if !ok {
				return "", errors.New("the header has no end")
			}
			rest = more
			line = strings.TrimSuffix(line, "\r")
			if line == "" {
				break
			}
			if len(lines) > 0 && (line[0] == ' ' || line[0] == '\t') {
				lines[len(lines)-1] += " " + strings.Trim(line, " \t") // RFC 9112, 5.2
				continue
			}
			lines = append(lines, strings.Trim(line, " \t"))
		}
		if fields := strings.Fields(status); len(fields) > 1 && fields[1] != "101" && fields[1][0] == '1' {
			answer = rest
			continue
		}
		if !switching.MatchString(status) {
			return "", fmt.Errorf("status line %q", status)
		}
		return rest, validLines(lines, offered, subprotocol)
	}
}

// switching matches HTTP/1.x 101, whatever the x may be from 1 to 9, and as many
// spaces as net/http lets pass (RFC 9112, 4: a recipient may be lenient there).
var switching = regexp.MustCompile(`^HTTP/1\.[1-9] +101( |$)`)

func validLines(lines, offered []string, subprotocol string) error {
	values := func(name string) (found []string) {
		for _, line := range lines {
			if n, v, _ := strings.Cut(line, ":"); strings.EqualFold(n, name) {
				found = append(found, strings.Trim(v, " \t"))
			}
		}
		return found
	}
	accept, upgrade := values("Sec-WebSocket-Accept"), values("Upgrade")
	connection := "," + strings.ToLower(strings.Join(values("Connection"), ",")) + ","
	connection = strings.NewReplacer(" ", "", "\t", "").Replace(connection)
	protocol := strings.Join(values("Sec-WebSocket-Protocol"), ",")
	switch {
	case len(accept) != 1 || accept[0] != sampleAccept:
		return fmt.Errorf("accept %q", accept)
	case len(upgrade) != 1 || strings.ToLower(upgrade[0]) != "websocket":
		return fmt.Errorf("upgrade %q", upgrade)
	case !strings.Contains(connection, ",upgrade,"):
		return fmt.Errorf("connection %q", connection)
	case strings.Join(values("Sec-WebSocket-Extensions"), "") != "":
		return errors.New("an extension that was not offered")
	case protocol != subprotocol || protocol != "" && !slices.Contains(offered, protocol):
		return fmt.Errorf("subprotocol %q, reported %q", protocol, subprotocol)
	}
	return nil
}

// FuzzClientHandshake answers a handshake with any bytes in chunks of any sizes.
func FuzzClientHandshake(f *testing.F) {
	good := strings.ReplaceAll(goodAnswer, "<accept>", sampleAccept)
	f.Add([]byte(good), []byte{})
	f.Add([]byte(good+"\x81\x02hi"), []byte{0})
	f.Add([]byte(strings.Replace(good, "\r\n\r\n", "\r\nSec-WebSocket-Protocol: chat\r\n\r\n", 1)), []byte{3, 200})
	f.Add([]byte("HTTP/1.1 103 Early Hints\r\n\r\n"+good), []byte{30, 0})
	f.Add([]byte("HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nfor\r\n0\r\n\r\n"), []byte{9})
	f.Fuzz(func(t *testing.T, answer, sizes []byte) {
		offered := []string{"chat", "superchat"}
		nc := &scriptConn{input: slices.Clone(answer), sizes: slices.Clone(sizes)}
		hs := &clientHandshake{
			req: &http.Request{Method: http.MethodGet, Header: http.Header{}},
			key: sampleKey, target: "/", offered: offered,
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		a, err := hs.exchange(t.Context(), nc)
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 16<<20 {
			t.Errorf("%d bytes allocated for an answer of %d", took, len(answer))
		}
		if nc.read > 2*maxAnswerHeader {
			t.Errorf("%d bytes read", nc.read)
		}
		switch {
		case err == nil:
			rest, invalid := validHandshake(string(answer), offered, a.subprotocol)
			if invalid != nil {
				t.Fatalf("accepted %q: %v", answer, invalid)
			}
			if got := string(a.received) + string(nc.input); got != rest {
				t.Errorf("behind the answer %q: %q, want %q", answer, got, rest)
			}
		case same(err, ErrBadHandshake):
			if b, err := io.ReadAll(a.resp.Body); err != nil || len(b) > maxAnswerBody {
				t.Errorf("body of %d bytes, %v", len(b), err)
			}
		case a.resp != nil:
			t.Errorf("a response beside %v", err)
		}
	})
}
