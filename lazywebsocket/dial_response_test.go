package lazywebsocket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazywebsocket/internal/wsproto"
)

// dialAnswer dials a server that gives the answer.
func dialAnswer(d Dialer, answer string) (*Conn, *http.Response, error) {
	d.NetDialContext = pipeDial(answering(answer))
	return d.Dial("ws://h/", nil)
}

// edit returns goodAnswer with from replaced by to.
func edit(t *testing.T, from, to string) string {
	t.Helper()
	if !strings.Contains(goodAnswer, from) {
		t.Fatalf("no %q in the answer", from)
	}
	return strings.Replace(goodAnswer, from, to, 1)
}

func TestAnswerAccepted(t *testing.T) {
	end := "\r\n\r\n"
	d := Dialer{Subprotocols: []string{"a", "b"}}
	for name, c := range map[string]struct{ answer, subprotocol string }{
		"plain":                {goodAnswer, ""},
		"other case":           {edit(t, "Upgrade: websocket\r\nConnection: Upgrade", "upgrade: WebSocket\r\nCONNECTION: uPGRADE"), ""},
		"a list in Connection": {edit(t, "Connection: Upgrade", "Connection: keep-alive, Upgrade"), ""},
		"two Connections":      {edit(t, "Connection: Upgrade", "Connection: keep-alive\r\nConnection: upgrade"), ""},
		"white space":          {edit(t, "<accept>", " \t <accept> \t"), ""},
		"own reason":           {edit(t, "Switching Protocols", "Web Socket Protocol Handshake"), ""},
		"no reason":            {edit(t, " Switching Protocols", ""), ""},
		"first subprotocol":    {edit(t, end, "\r\nSec-WebSocket-Protocol: a"+end), "a"},
		"second subprotocol":   {edit(t, end, "\r\nSec-WebSocket-Protocol: b"+end), "b"},
		"empty subprotocol":    {edit(t, end, "\r\nSec-WebSocket-Protocol:"+end), ""},
		"empty extensions":     {edit(t, end, "\r\nSec-WebSocket-Extensions: "+end), ""},
		"length":               {edit(t, end, "\r\nContent-Length: 0"+end), ""},
		"after 103":            {"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + goodAnswer, ""},
		"after five":           {strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 4) + "HTTP/1.1 199 New\r\n\r\n" + goodAnswer, ""},
	} {
		c2, resp, err := dialAnswer(d, c.answer)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if c2.Subprotocol() != c.subprotocol || resp.StatusCode != 101 {
			t.Errorf("%s: subprotocol %q, status %d", name, c2.Subprotocol(), resp.StatusCode)
		}
		if b, err := io.ReadAll(resp.Body); len(b) != 0 || err != nil || resp.Body.Close() != nil {
			t.Errorf("%s: body %q, %v", name, b, err)
		}
		c2.Close()
	}
}

func TestAnswerRefused(t *testing.T) {
	end := "\r\n\r\n"
	d := Dialer{Subprotocols: []string{"a", "b"}}
	answers := map[string]string{
		"HTTP/1.0":                     edit(t, "HTTP/1.1", "HTTP/1.0"),
		"HTTP/2.0":                     edit(t, "HTTP/1.1", "HTTP/2.0"),
		"no Upgrade":                   edit(t, "Upgrade: websocket\r\n", ""),
		"another Upgrade":              edit(t, "websocket", "h2c"),
		"a list in Upgrade":            edit(t, "websocket", "websocket, h2c"),
		"two Upgrades":                 edit(t, "Upgrade: websocket", "Upgrade: websocket\r\nUpgrade: h2c"),
		"the same Upgrade twice":       edit(t, "Upgrade: websocket", "Upgrade: websocket\r\nUpgrade: websocket"),
		"KELVIN SIGN in Upgrade":       edit(t, "websocket", "websoc\u212Aet"),
		"space before the colon":       edit(t, "Upgrade: websocket", "Upgrade : websocket"),
		"no Connection":                edit(t, "Connection: Upgrade\r\n", ""),
		"another Connection":           edit(t, "Connection: Upgrade", "Connection: keep-alive"),
		"part of a token":              edit(t, "Connection: Upgrade", "Connection: Upgrades"),
		"no accept":                    edit(t, "Sec-WebSocket-Accept: <accept>\r\n", ""),
		"empty accept":                 edit(t, "<accept>", ""),
		"accept for another key":       edit(t, "<accept>", wsproto.AcceptKey("dGhlIHNhbXBsZSBub25jZQ==")),
		"accept with a comma":          edit(t, "<accept>", "<accept>, <accept>"),
		"two accepts":                  edit(t, end, "\r\nSec-WebSocket-Accept: <accept>"+end),
		"two different accepts":        edit(t, end, "\r\nSec-WebSocket-Accept: x"+end),
		"accept with a tail":           edit(t, "<accept>", "<accept>="),
		"extension":                    edit(t, end, "\r\nSec-WebSocket-Extensions: permessage-deflate"+end),
		"extension behind an empty":    edit(t, end, "\r\nSec-WebSocket-Extensions:\r\nSec-WebSocket-Extensions: x"+end),
		"subprotocol not offered":      edit(t, end, "\r\nSec-WebSocket-Protocol: c"+end),
		"subprotocol in another case":  edit(t, end, "\r\nSec-WebSocket-Protocol: A"+end),
		"two subprotocols":             edit(t, end, "\r\nSec-WebSocket-Protocol: a, b"+end),
		"two subprotocol lines":        edit(t, end, "\r\nSec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: a"+end),
		"subprotocol behind an empty":  edit(t, end, "\r\nSec-WebSocket-Protocol:\r\nSec-WebSocket-Protocol: c"+end),
		"200 with all the headers":     edit(t, "101 Switching Protocols", "200 OK"),
		"301":                          "HTTP/1.1 301 Moved Permanently\r\nLocation: ws://other.test/\r\nContent-Length: 0\r\n\r\n",
		"401":                          "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
		"426 with an upgrade inside":   "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: upgrade\r\nContent-Length: 0\r\n\r\n",
		"204, whose body is not there": "HTTP/1.1 204 No Content\r\n\r\n",
	}
	synctest.Test(t, func(t *testing.T) { // some have a body without an end
		for name, answer := range answers {
			c, resp, err := dialAnswer(d, answer)
			if c != nil || !same(err, ErrBadHandshake) || resp == nil || resp.Body == nil {
				t.Errorf("%s: %v, %v, %v; want ErrBadHandshake itself and the response", name, c, resp, err)
			}
		}
	})
	if _, _, err := dialAnswer(Dialer{}, edit(t, end, "\r\nSec-WebSocket-Protocol: a"+end)); !same(err, ErrBadHandshake) {
		t.Errorf("a subprotocol when none was offered: %v", err)
	}
}

func TestAnswerThatIsNone(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		target error
	}{
		"nothing":                 {"", io.ErrUnexpectedEOF},
		"a part of a line":        {"HTTP/1.1 101", io.ErrUnexpectedEOF},
		"a part of a status":      {"HTTP/1.1 10", io.ErrUnexpectedEOF},
		"a part of a name":        {"HTTP/1.1 101 OK\r\nUpgra", io.ErrUnexpectedEOF},
		"no end":                  {strings.TrimSuffix(goodAnswer, "\r\n"), io.ErrUnexpectedEOF},
		"an interim answer alone": {"HTTP/1.1 100 Continue\r\n\r\n", io.ErrUnexpectedEOF},
		"another protocol":        {"SSH-2.0-OpenSSH_9.2\r\n\r\n", nil},
		"TLS":                     {"\x15\x03\x01\x00\x02\x02\x46\r\n\r\n", nil},
		"a long line":             {strings.Repeat("x", 10000) + "\r\n\r\n", nil},
		"no header name":          {edit(t, "Upgrade: websocket", ": websocket"), nil},
		"no colon":                {edit(t, "Upgrade: websocket", "Upgrade websocket"), nil},
		"status of two digits":    {edit(t, "101", "10"), nil},
		"status of four digits":   {edit(t, "101", "1010"), nil},
		"six interim answers":     {strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 6) + goodAnswer, errManyInterim},
	} {
		d := Dialer{NetDialContext: pipeDial(func(nc net.Conn) {
			b := make([]byte, 4096)
			if _, err := nc.Read(b); err == nil {
				_, _ = io.WriteString(nc, c.answer)
			}
		})}
		conn, resp, err := d.Dial("ws://h/", nil)
		if c.target == nil {
			c.target = err
		}
		if conn != nil || resp != nil || len(err.Error()) > 400 {
			t.Errorf("%s: %v, %v, %v", name, conn, resp, err)
		}
		wantDialError(t, err, c.target)
	}
}

func TestAnswerHeaderLimit(t *testing.T) {
	filled := func(size int, before string) string {
		rest := size - len(before) - len(goodAnswer) - len(wsproto.AcceptKey("")) + len("<accept>")
		return before + strings.Replace(goodAnswer, "\r\n", "\r\nX: "+strings.Repeat("x", rest-5)+"\r\n", 1)
	}
	interim := "HTTP/1.1 103 Early Hints\r\nX: " + strings.Repeat("x", 30<<10) + "\r\n\r\n"
	for _, before := range []string{"", interim, interim + interim} {
		// A frame behind the answer does not count.
		c, _, err := dialAnswer(Dialer{}, filled(maxAnswerHeader, before)+"\x81\x02hi")
		if err != nil {
			t.Fatalf("a header of the largest size: %v", err)
		}
		if _, p, err := c.ReadMessage(); err != nil || string(p) != "hi" {
			t.Errorf("the message behind it: %q, %v", p, err)
		}
		c.Close()
		_, resp, err := dialAnswer(Dialer{}, filled(maxAnswerHeader+1, before))
		if wantDialError(t, err, errAnswerTooLarge); resp != nil {
			t.Errorf("response %v beside another error", resp)
		}
	}
}

func TestAnswerWithoutEnd(t *testing.T) {
	for name, piece := range map[string]string{
		"headers":         "X: y\r\n",
		"names":           "x",
		"interim answers": "\r\nHTTP/1.1 100 Continue\r\n",
	} {
		taken := make(chan int, 1)
		d := Dialer{NetDialContext: pipeDial(func(nc net.Conn) {
			_, _ = nc.Read(make([]byte, 4096))
			sent := 0
			_, err := io.WriteString(nc, "HTTP/1.1 100 Continue\r\n")
			for chunk := strings.Repeat(piece, 100); err == nil; {
				var n int
				n, err = io.WriteString(nc, chunk)
				sent += n
			}
			taken <- sent
		})}
		_, _, err := d.Dial("ws://h/", nil)
		wantDialError(t, err, err)
		if n := <-taken; n > maxAnswerHeader {
			t.Errorf("%s: took %d bytes of an endless answer", name, n)
		}
	}
}

func TestRefusalBody(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 1000)
	for name, c := range map[string]struct{ answer, want string }{
		"short":           {"Content-Length: 9\r\n\r\nforbidden", "forbidden"},
		"exactly as much": {"Content-Length: 1024\r\n\r\n" + long[:1024], long[:1024]},
		"long":            {"Content-Length: 16000\r\n\r\n" + long, long[:1024]},
		"chunked":         {"Transfer-Encoding: chunked\r\n\r\n3\r\nfor\r\n6\r\nbidden\r\n0\r\n\r\n", "forbidden"},
		"chunked, long":   {"Transfer-Encoding: chunked\r\n\r\n3e80\r\n" + long, long[:1024]},
		"tiny chunks":     {"Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1\r\nx\r\n", 2000), strings.Repeat("x", 1024)},
		"bad chunks":      {"Transfer-Encoding: chunked\r\n\r\n3\r\nfor\r\nzz\r\n", "for"},
		"none":            {"Content-Length: 0\r\n\r\n", ""},
	} {
		_, resp, err := dialAnswer(Dialer{}, "HTTP/1.1 403 Forbidden\r\nX-Why: because\r\n"+c.answer)
		if !same(err, ErrBadHandshake) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		b, err := io.ReadAll(resp.Body)
		if string(b) != c.want || err != nil || resp.Body.Close() != nil {
			t.Errorf("%s: body %q, %v; want %q", name, b, err, c.want)
		}
		if resp.Status != "403 Forbidden" || resp.Header.Get("X-Why") != "because" || resp.Request == nil {
			t.Errorf("%s: response %v", name, resp)
		}
	}
}

// The body does not count as a part of the header.
func TestRefusalBodyBehindALargeHeader(t *testing.T) {
	const start, end = "HTTP/1.1 403 Forbidden\r\nContent-Length: 1024\r\nX: ", "\r\n\r\n"
	body := strings.Repeat("b", 1024)
	answer := start + strings.Repeat("x", maxAnswerHeader-len(start+end)) + end + body
	_, resp, err := dialAnswer(Dialer{}, answer)
	if !same(err, ErrBadHandshake) {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(resp.Body); string(b) != body || err != nil {
		t.Errorf("body of %d bytes, %v", len(b), err)
	}
}

// A refusal whose body stops does not hold the dial for its whole time.
func TestRefusalBodyThatStops(t *testing.T) {
	const answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\npart"
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		_, resp, err := dialAnswer(Dialer{}, answer)
		if !same(err, ErrBadHandshake) || time.Since(start) != answerBodyWait {
			t.Fatalf("%v after %v, want the refusal after %v", err, time.Since(start), answerBodyWait)
		}
		if b, err := io.ReadAll(resp.Body); string(b) != "part" || err != nil {
			t.Errorf("body %q, %v", b, err)
		}
		start = time.Now()
		_, resp, err = dialAnswer(Dialer{HandshakeTimeout: time.Second}, answer)
		if !same(err, ErrBadHandshake) || resp == nil || time.Since(start) != time.Second {
			t.Errorf("%v after %v, want the refusal after the time of the dial", err, time.Since(start))
		}
	})
}

// Redirects are not followed: what the request header has stays with the server
// that it was meant for.
func TestRedirectIsNotFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		dials := 0
		inner := pipeDial(answering(fmt.Sprintf("HTTP/1.1 %d Elsewhere\r\nLocation: ws://other.test/\r\nContent-Length: 0\r\n\r\n", status)))
		d := Dialer{NetDialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			dials++
			return inner(ctx, network, addr)
		}}
		_, resp, err := d.Dial("ws://h/", http.Header{"Authorization": {"Bearer secret"}})
		if !same(err, ErrBadHandshake) || resp.StatusCode != status || resp.Header.Get("Location") == "" || dials != 1 {
			t.Errorf("%d: %v, %v after %d dials", status, resp, err, dials)
		}
	}
}

// What a server sends in one piece with its answer is read first, in order.
func TestBytesBehindTheAnswer(t *testing.T) {
	large := bytes.Repeat([]byte("x"), 20000)
	frames := "\x81\x05first" + "\x82\x7e\x4e\x20" + string(large) + "\x81\x04last"
	for _, chunk := range []int{1, 7, 1000, 4096, 1 << 20} {
		d := Dialer{NetDialContext: pipeDial(func(nc net.Conn) {
			answering(goodAnswer + frames)(chunkWriter{nc, chunk})
		})}
		c, _, err := d.Dial("ws://h/", nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"first", string(large), "last"} {
			if _, p, err := c.ReadMessage(); err != nil || string(p) != want {
				t.Fatalf("chunks of %d: %.20q, %v; want %.20q", chunk, p, err, want)
			}
		}
		c.Close()
	}
}

// chunkWriter writes in pieces of at most size bytes.
type chunkWriter struct {
	net.Conn
	size int
}

func (w chunkWriter) Write(p []byte) (n int, err error) {
	for chunk := range slices.Chunk(p, w.size) {
		m, err := w.Conn.Write(chunk)
		if n += m; err != nil {
			return n, err
		}
	}
	return n, nil
}

func TestAnswerTrace(t *testing.T) {
	var got []string
	note := func(s string) { got = append(got, s) }
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		GetConn:              func(addr string) { note("get " + addr) },
		GotConn:              func(i httptrace.GotConnInfo) { note(fmt.Sprint("got ", i.Conn != nil)) },
		WroteHeaderField:     func(name string, values []string) { note(name + "=" + values[0]) },
		WroteHeaders:         func() { note("headers") },
		WroteRequest:         func(i httptrace.WroteRequestInfo) { note(fmt.Sprint("request ", i.Err)) },
		GotFirstResponseByte: func() { note("first byte") },
		Got100Continue:       func() { note("continue") },
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			note(fmt.Sprint(code, h.Get("X")))
			return nil
		},
	})
	answer := "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n" + goodAnswer
	d := Dialer{NetDialContext: pipeDial(func(nc net.Conn) { answering(answer)(chunkWriter{nc, 1}) })}
	c, resp, err := d.DialContext(ctx, "ws://h/", http.Header{"X": {"1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	want := []string{
		"get h:80", "got true", "Host=h", "Upgrade=websocket", "Connection=Upgrade",
		"Sec-WebSocket-Key=" + resp.Request.Header.Get(headerKey), "Sec-WebSocket-Version=13",
		"User-Agent=Go-http-client/1.1", "X=1", "headers", "request <nil>", "first byte", "continue", "100", "103y",
	}
	if !slices.Equal(got, want) {
		t.Errorf("hooks %q\nwant  %q", got, want)
	}
}

func TestTraceCanStop(t *testing.T) {
	stop := errors.New("stop")
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(int, textproto.MIMEHeader) error { return stop },
	})
	d := Dialer{NetDialContext: pipeDial(answering("HTTP/1.1 103 Early Hints\r\n\r\n" + goodAnswer))}
	_, _, err := d.DialContext(ctx, "ws://h/", nil)
	wantDialError(t, err, stop)

	failed := errors.New("failed")
	var wrote []error
	ctx = httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		WroteHeaders: func() { t.Error("headers were not written") },
		WroteRequest: func(i httptrace.WroteRequestInfo) { wrote = append(wrote, i.Err) },
	})
	d.NetDialContext = func(context.Context, string, string) (net.Conn, error) { return brokenConn{err: failed}, nil }
	_, _, err = d.DialContext(ctx, "ws://h/", nil)
	if wantDialError(t, err, failed); len(wrote) != 1 || !same(wrote[0], failed) {
		t.Errorf("WroteRequest got %v", wrote)
	}
}

// brokenConn fails to write.
type brokenConn struct {
	net.Conn
	err error
}

func (c brokenConn) Write([]byte) (int, error) { return 0, c.err }
func (brokenConn) Close() error                { return nil }
