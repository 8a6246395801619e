package lazywebsocket

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazywebsocket/internal/wsproto"
)

func TestDial(t *testing.T) {
	s := httptest.NewServer(echoHandler(t, Upgrader{Subprotocols: []string{"chat"}}))
	defer s.Close()
	for name, d := range map[string]*Dialer{
		"zero":    {},
		"nil":     nil,
		"default": DefaultDialer,
		"fields":  {Subprotocols: []string{"x", "chat"}, ReadBufferSize: 100, WriteBufferSize: 100, EnableCompression: true},
	} {
		c, resp, err := d.Dial(wsURL(s)+"/path", http.Header{"Origin": {s.URL}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if resp.StatusCode != http.StatusSwitchingProtocols || resp.Body == nil {
			t.Errorf("%s: response %v", name, resp)
		}
		if want := resp.Header.Get(headerProtocol); c.Subprotocol() != want || (want == "chat") != (name == "fields") {
			t.Errorf("%s: subprotocol %q, header %q", name, c.Subprotocol(), want)
		}
		echoes(t, c)
	}
	noDialGoroutines(t)
}

func TestDialerSettings(t *testing.T) {
	pool := new(sync.Pool)
	d := Dialer{
		ReadBufferSize: 1, WriteBufferSize: 2, WriteBufferPool: pool, ReadLimit: 3, MaxFragments: 4,
		PingInterval: 5, PongTimeout: 6, HoldLimit: 7, Queue: QueueOptions{Bytes: 8}, Budget: new(Budget),
	}
	got := d.settings(serverAnswer{subprotocol: "p", received: []byte("r")})
	want := settings{
		role: wsproto.Client, subprotocol: "p", readBufferSize: 1, writeBufferSize: 2, writeBufferPool: pool,
		readLimit: 3, maxFragments: 4, received: []byte("r"),
		holdLimit: 7, bounds: bounds{queue: d.Queue, budget: d.Budget},
	}
	if !reflect.DeepEqual(got, want) { //nolint:govet // no errors: the budget is the same
		t.Errorf("settings %+v\nwant     %+v", got, want)
	}
	c, _, err := dialAnswer(Dialer{ReadLimit: 3}, goodAnswer+"\x82\x04long")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, _, err := c.ReadMessage(); !same(err, ErrReadLimit) {
		t.Errorf("a message over the limit: %v", err)
	}
	if DefaultDialer.HandshakeTimeout != 45*time.Second || DefaultDialer.Proxy == nil {
		t.Errorf("DefaultDialer is %+v", DefaultDialer)
	}
}

// stalls are the places where a dial can wait for ever.
func stalls() map[string]struct {
	url    string
	dialer Dialer
} {
	type stall = struct {
		url    string
		dialer Dialer
	}
	never := func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	via := func(proxy string, serve func(net.Conn)) Dialer {
		u, _ := url.Parse(proxy)
		return Dialer{Proxy: http.ProxyURL(u), NetDialContext: pipeDial(serve), TLSClientConfig: trusting()}
	}
	every := func(pause time.Duration, piece, start string) func(net.Conn) {
		return func(nc net.Conn) {
			_, err := nc.Read(make([]byte, 4096))
			for text := start; err == nil; text = piece {
				_, err = io.WriteString(nc, text)
				time.Sleep(pause)
			}
		}
	}
	return map[string]stall{
		"connecting":                {"ws://h/", Dialer{NetDialContext: never}},
		"connecting with TLS":       {"wss://h/", Dialer{NetDialTLSContext: never}},
		"reading the request":       {"ws://h/", Dialer{NetDialContext: pipeDial(func(nc net.Conn) { waitClosed(nc) })}},
		"the answer":                {"ws://h/", Dialer{NetDialContext: pipeDial(silent)}},
		"a byte a second":           {"ws://h/", Dialer{NetDialContext: pipeDial(every(time.Second, "x", "HTTP/1.1 101 OK\r\nX: "))}},
		"the end of the header":     {"ws://h/", Dialer{NetDialContext: pipeDial(answering(strings.TrimSuffix(goodAnswer, "\r\n")))}},
		"more than an interim":      {"ws://h/", Dialer{NetDialContext: pipeDial(answering("HTTP/1.1 100 Continue\r\n\r\n"))}},
		"TLS":                       {"wss://h/", Dialer{NetDialContext: pipeDial(silent)}},
		"the answer behind TLS":     {"wss://h.test/", Dialer{TLSClientConfig: trusting(), NetDialContext: pipeDial(overTLS(testPKI().serverConfig("h.test"), silent))}},
		"CONNECT":                   {"ws://h/", via("http://proxy.test", silent)},
		"a CONNECT byte a second":   {"ws://h/", via("http://proxy.test", every(time.Second, "x", "HTTP/1.1 200 OK\r\nX: "))},
		"TLS of the proxy":          {"ws://h/", via("https://proxy.test", silent)},
		"CONNECT behind TLS":        {"ws://h/", via("https://proxy.test", overTLS(testPKI().serverConfig("proxy.test"), silent))},
		"the answer behind a proxy": {"ws://h/", via("http://proxy.test", answering("HTTP/1.1 200 OK\r\n\r\n"))},
		"SOCKS":                     {"ws://h/", via("socks5://proxy.test", silent)},
		"a SOCKS reply":             {"ws://h/", via("socks5://proxy.test", every(time.Hour, "", "\x05\x00"))},
	}
}

// waitClosed returns when the other end has closed, of which a pipe tells a
// writer of nothing.
func waitClosed(nc net.Conn) {
	for {
		if _, err := nc.Write(nil); err != nil {
			return
		}
		time.Sleep(time.Second)
	}
}

func trusting() *tls.Config { return &tls.Config{RootCAs: testPKI().Roots} }

func TestDialTimeout(t *testing.T) {
	for name, stall := range stalls() {
		for _, c := range []struct{ set, want time.Duration }{
			{0, 45 * time.Second}, {3 * time.Second, 3 * time.Second}, {100 * time.Second, 100 * time.Second},
		} {
			synctest.Test(t, func(t *testing.T) {
				stall.dialer.HandshakeTimeout = c.set
				start := time.Now()
				defer time.Sleep(2 * time.Hour) // for the script to notice
				conn, resp, err := stall.dialer.Dial(stall.url, nil)
				if conn != nil || resp != nil || time.Since(start) != c.want {
					t.Errorf("waiting for %s: %v, %v, %v after %v; want an error after %v", name, conn, resp, err, time.Since(start), c.want)
				}
				wantDialError(t, err, context.DeadlineExceeded)
				wantDialError(t, err, os.ErrDeadlineExceeded)
				if !timesOut(err) || !strings.Contains(err.Error(), "i/o timeout") {
					t.Errorf("waiting for %s: %v is no time-out", name, err)
				}
			})
		}
	}
}

func TestDialCancelled(t *testing.T) {
	for name, stall := range stalls() {
		for _, timeout := range []time.Duration{0, -1} {
			synctest.Test(t, func(t *testing.T) {
				stall.dialer.HandshakeTimeout = timeout
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(10*time.Second, cancel)
				start := time.Now()
				defer time.Sleep(2 * time.Hour) // for the script to notice
				conn, resp, err := stall.dialer.DialContext(ctx, stall.url, nil)
				if conn != nil || resp != nil || time.Since(start) != 10*time.Second {
					t.Errorf("waiting for %s: %v, %v, %v after %v", name, conn, resp, err, time.Since(start))
				}
				wantDialError(t, err, context.Canceled)
				if timesOut(err) {
					t.Errorf("waiting for %s: %v is a time-out", name, err)
				}
			})
		}
	}
}

// A negative HandshakeTimeout waits as long as the server lives.
func TestDialWithoutTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := Dialer{HandshakeTimeout: -1, NetDialContext: pipeDial(func(nc net.Conn) {
			time.Sleep(1000 * time.Hour)
			answering(goodAnswer)(nc)
		})}
		c, _, err := d.Dial("ws://h/", nil)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		time.Sleep(time.Minute) // for what Close leaves to the background
	})
}

func TestDialContextEnded(t *testing.T) {
	d := Dialer{NetDialContext: func(context.Context, string, string) (net.Conn, error) {
		t.Error("an ended context went to the network")
		return nil, io.EOF
	}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := d.DialContext(ctx, "ws://h/", nil)
	wantDialError(t, err, context.Canceled)

	reason := errors.New("the reason")
	ctx, cancelCause := context.WithCancelCause(t.Context())
	cancelCause(reason)
	_, _, err = d.DialContext(ctx, "ws://h/", nil)
	wantDialError(t, err, context.Canceled)
	wantDialError(t, err, reason)

	ctx, cancel = context.WithTimeout(t.Context(), -1)
	defer cancel()
	_, _, err = d.DialContext(ctx, "ws://h/", nil)
	if wantDialError(t, err, context.DeadlineExceeded); !timesOut(err) {
		t.Errorf("%v is no time-out", err)
	}
}

// cancelConn cancels a context when the last byte of the answer is read.
type cancelConn struct {
	scriptConn
	cancel func()
}

func (c *cancelConn) Read(p []byte) (int, error) {
	n, err := c.scriptConn.Read(p)
	if len(c.input) == 0 {
		c.cancel()
	}
	return n, err
}

// A context that ends just as the answer has come: the connection is closed by
// then, and must not be returned.
func TestDialCancelledAtTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var nc net.Conn
	d := Dialer{NetDialContext: func(context.Context, string, string) (net.Conn, error) { return nc, nil }}
	hs, err := d.newHandshake(ctx, "ws://h/", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer := strings.ReplaceAll(goodAnswer, "<accept>", wsproto.AcceptKey(hs.key))
	nc = &cancelConn{scriptConn{input: []byte(answer)}, cancel}
	c, resp, err := d.dial(ctx, hs)
	if c != nil || resp != nil {
		t.Errorf("%v, %v, %v; want the context's error", c, resp, err)
	}
	wantDialError(t, err, context.Canceled)
}

func TestConnOutlivesTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type message struct{}
		say := make(chan message)
		d := Dialer{HandshakeTimeout: time.Second, NetDialContext: pipeDial(func(nc net.Conn) {
			go func() {
				<-say
				_, _ = io.WriteString(nc, "\x81\x02hi")
			}()
			answering(goodAnswer)(nc)
		})}
		ctx, cancel := context.WithCancel(t.Context())
		c, _, err := d.DialContext(ctx, "ws://h/", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer time.Sleep(time.Minute) // for what Close leaves to the background
		defer c.Close()
		cancel()
		time.Sleep(time.Hour)
		say <- message{}
		if _, p, err := c.ReadMessage(); err != nil || string(p) != "hi" {
			t.Errorf("%q, %v", p, err)
		}
	}) // which fails if a goroutine of the dial is left
}

func TestDialClosesWhatFails(t *testing.T) {
	for name, answer := range map[string]string{
		"refused":   "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
		"malformed": "nonsense\r\n\r\n",
	} {
		closed := make(chan struct{})
		d := Dialer{NetDialContext: pipeDial(func(nc net.Conn) {
			answering(answer)(nc)
			close(closed)
		})}
		if _, _, err := d.Dial("ws://h/", nil); err == nil {
			t.Errorf("%s: no error", name)
		}
		<-closed
	}
}

// deadlineConn remembers its last deadline.
type deadlineConn struct {
	net.Conn
	last time.Time
}

func (c *deadlineConn) SetDeadline(at time.Time) error {
	c.last = at
	return c.Conn.SetDeadline(at)
}

func TestDialClearsDeadlines(t *testing.T) {
	var nc *deadlineConn
	d := Dialer{NetDialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		inner, err := pipeDial(answering(goodAnswer))(ctx, network, addr)
		nc = &deadlineConn{Conn: inner}
		_ = nc.SetDeadline(time.Now().Add(time.Hour))
		return nc, err
	}}
	c, _, err := d.Dial("ws://h/", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if !nc.last.IsZero() {
		t.Errorf("deadline %v is left", nc.last)
	}
}

func TestDialNetworkErrors(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	_, _, err = new(Dialer).Dial("ws://"+addr+"/", nil)
	var refused *net.OpError
	if wantDialError(t, err, err); !errors.As(err, &refused) || refused.Op != "dial" || timesOut(err) {
		t.Errorf("%v: want the network's error in it, and no time-out", err)
	}

	l, err = net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = http.ReadRequest(newAnswerReader(nc, nil).buf)
			nc.Close()
		}
	}()
	_, resp, err := new(Dialer).Dial("ws://"+l.Addr().String()+"/", nil)
	if wantDialError(t, err, io.ErrUnexpectedEOF); resp != nil {
		t.Errorf("response %v", resp)
	}
}

func TestDialCookies(t *testing.T) {
	jar, _ := cookiejar.New(nil)
	d := Dialer{Jar: jar}
	end := "\r\n\r\n"
	for _, c := range []struct {
		url, answer, at, want string
		fails                 bool
	}{
		{"ws://a.test/x", edit(t, end, "\r\nSet-Cookie: s=1; Path=/"+end), "http://a.test/", "s=1", false},
		{"ws://b.test/x", "HTTP/1.1 401 Unauthorized\r\nSet-Cookie: s=2; Path=/\r\nContent-Length: 0" + end, "http://b.test/", "s=2", true},
		{"ws://c.test/x", edit(t, end, "\r\nSet-Cookie: s=3; Path=/; Secure"+end), "https://c.test/", "s=3", false},
		{"ws://c.test/x", goodAnswer, "http://c.test/", "", false},
	} {
		d.NetDialContext = pipeDial(answering(c.answer))
		conn, _, err := d.Dial(c.url, nil)
		if (err != nil) != c.fails {
			t.Errorf("%s: %v", c.url, err)
		}
		if conn != nil {
			conn.Close()
		}
		at, _ := url.Parse(c.at)
		var got []string
		for _, cookie := range jar.Cookies(at) {
			got = append(got, cookie.String())
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: the jar has %q for %s, want %q", c.url, got, c.at, c.want)
		}
	}
	interim := "HTTP/1.1 103 Early Hints\r\nSet-Cookie: early=1; Path=/\r\n\r\n" + goodAnswer
	d.NetDialContext = pipeDial(answering(interim))
	conn, _, err := d.Dial("ws://d.test/", nil)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if got := jar.Cookies(&url.URL{Scheme: "http", Host: "d.test"}); len(got) > 0 {
		t.Errorf("an interim answer set %v", got)
	}
}

func TestDialError(t *testing.T) {
	live := t.Context()
	ended, cancel := context.WithCancel(live)
	cancel()
	if err := dialError(live, io.EOF); err.Error() != "lazywebsocket: dial: EOF" {
		t.Errorf("%v", err)
	}
	if err := dialError(ended, io.EOF); err.Error() != "lazywebsocket: dial: context canceled" {
		t.Errorf("%v", err)
	}
	late, cancel := context.WithTimeout(live, -1)
	defer cancel()
	if err := dialError(late, io.EOF); err.Error() != "lazywebsocket: dial: i/o timeout: context deadline exceeded" {
		t.Errorf("%v", err)
	}
	// The network says it with more words.
	slow := &net.OpError{Op: "dial", Net: "tcp", Err: context.DeadlineExceeded}
	if err := dialError(late, slow); err.Error() != "lazywebsocket: dial: i/o timeout: dial tcp: context deadline exceeded" {
		t.Errorf("%v", err)
	}
}
