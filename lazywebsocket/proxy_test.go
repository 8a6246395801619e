package lazywebsocket

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// testProxy is a proxy on the loopback. It connects to target whatever it is
// asked for, and remembers all that clients have sent to it before the tunnel.
type testProxy struct {
	addr   string
	target string

	mu    sync.Mutex
	asked []string
}

// startProxy starts a proxy; serve does its part of the handshake and returns
// what it was asked for. config, if not nil, is that of its TLS.
func startProxy(t *testing.T, target *httptest.Server, config *tls.Config, serve func(io.ReadWriter) (string, bool)) *testProxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &testProxy{addr: l.Addr().String(), target: target.Listener.Addr().String()}
	var running sync.WaitGroup
	t.Cleanup(running.Wait)
	t.Cleanup(func() { l.Close() })
	running.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			if config != nil {
				nc = tls.Server(nc, config)
			}
			running.Go(func() { p.serve(nc, serve) })
		}
	})
	return p
}

func (p *testProxy) serve(nc net.Conn, serve func(io.ReadWriter) (string, bool)) {
	defer nc.Close()
	asked, ok := serve(nc)
	p.mu.Lock()
	p.asked = append(p.asked, asked)
	p.mu.Unlock()
	if !ok {
		return
	}
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		_, _ = io.Copy(server, nc)
		server.Close()
	}()
	_, _ = io.Copy(nc, server)
}

// request returns what the last client has asked for, and forgets it.
func (p *testProxy) request() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	asked := strings.Join(p.asked, "\n---\n")
	p.asked = nil
	return asked
}

// serveConnect is an HTTP proxy that wants the credentials, if there are any.
func serveConnect(credentials string) func(io.ReadWriter) (string, bool) {
	return func(rw io.ReadWriter) (string, bool) {
		var wire strings.Builder
		r, err := http.ReadRequest(bufio.NewReaderSize(io.TeeReader(rw, &wire), 16))
		if err != nil {
			return wire.String(), false
		}
		want := "Basic " + base64.StdEncoding.EncodeToString([]byte(credentials))
		if r.Method != http.MethodConnect || credentials != "" && r.Header.Get("Proxy-Authorization") != want {
			_, _ = io.WriteString(rw, "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
			return wire.String(), false
		}
		_, err = io.WriteString(rw, "HTTP/1.1 200 Connection established\r\n\r\n")
		return wire.String(), err == nil
	}
}

// watched is an echo server that keeps the requests it gets.
func watched(t *testing.T, secure bool) (s *httptest.Server, requests func() []*http.Request) {
	var mu sync.Mutex
	var seen []*http.Request
	echo := echoHandler(t, Upgrader{CheckOrigin: func(*http.Request) bool { return true }})
	s = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen = append(seen, r)
		mu.Unlock()
		echo.ServeHTTP(w, r)
	}))
	s.Config.ErrorLog = discardLog()
	if secure {
		s.TLS = testPKI().serverConfig("server.test")
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s, func() []*http.Request {
		mu.Lock()
		defer mu.Unlock()
		return seen
	}
}

// Each kind of proxy, to a plain and to a TLS server. The name of the server is
// one that only the proxy can resolve.
func TestProxies(t *testing.T) {
	secret := http.Header{"Authorization": {"Bearer secret"}, "Cookie": {"session=secret"}, "Origin": {"http://o.test"}}
	for _, secure := range []bool{false, true} {
		s, requests := watched(t, secure)
		target, host := "ws://server.test:81/path", "server.test:81"
		if secure {
			target, host = "wss://server.test/path", "server.test:443"
		}
		plain := startProxy(t, s, nil, serveConnect("user:pa:ss"))
		overTLS := startProxy(t, s, testPKI().serverConfig("127.0.0.1", "h2", "http/1.1"), serveConnect("user:pa:ss"))
		socks := startProxy(t, s, nil, serveSOCKS("user", "pa:ss"))
		for scheme, p := range map[string]*testProxy{"http": plain, "https": overTLS, "socks5": socks, "socks5h": socks} {
			u := &url.URL{Scheme: scheme, Host: p.addr, User: url.UserPassword("user", "pa:ss")}
			d := Dialer{Proxy: http.ProxyURL(u), TLSClientConfig: trusting()}
			c, _, err := d.Dial(target, secret)
			asked := p.request()
			if err != nil {
				t.Errorf("%s to %s: %v", scheme, target, err)
				continue
			}
			if !strings.Contains(asked, host) || strings.Contains(asked, "secret") || strings.Contains(asked, "/path") {
				t.Errorf("%s to %s: the proxy was asked %q", scheme, target, asked)
			}
			echoes(t, c)
			r := requests()[len(requests())-1]
			for name := range r.Header {
				if strings.HasPrefix(name, "Proxy") {
					t.Errorf("%s: the server got the header %s", scheme, name)
				}
			}
			if r.Header.Get("Authorization") != "Bearer secret" || r.Host != strings.TrimSuffix(host, ":443") {
				t.Errorf("%s: the server got %q for %q", scheme, r.Header, r.Host)
			}
		}
		for scheme, p := range map[string]*testProxy{"http": plain, "https": overTLS, "socks5": socks} {
			for _, user := range []*url.Userinfo{nil, url.UserPassword("user", "wrong"), url.User("user")} {
				d := Dialer{Proxy: http.ProxyURL(&url.URL{Scheme: scheme, Host: p.addr, User: user}), TLSClientConfig: trusting()}
				c, resp, err := d.Dial(target, secret)
				if wantDialError(t, err, err); c != nil || resp != nil || err == nil || strings.Contains(err.Error(), "wrong") {
					t.Errorf("%s without the password: %v, %v, %v", scheme, c, resp, err)
				}
			}
		}
	}
	noDialGoroutines(t)
}

// An https proxy is verified by its own name, whatever the configuration says
// about the server's.
func TestProxyTLSVerifies(t *testing.T) {
	s, _ := watched(t, true)
	named := startProxy(t, s, testPKI().serverConfig("proxy.test"), serveConnect(""))
	d := Dialer{
		Proxy:           http.ProxyURL(&url.URL{Scheme: "https", Host: named.addr}),
		TLSClientConfig: &tls.Config{RootCAs: testPKI().Roots, ServerName: "proxy.test"},
	}
	_, _, err := d.Dial("wss://server.test/", nil)
	if wantDialError(t, err, err); !errors.As(err, new(x509.HostnameError)) {
		t.Errorf("a proxy with another name: %v", err)
	}
	// The right name, for the proxy and then for the server.
	d.NetDialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if addr != "proxy.test:443" {
			t.Errorf("dialled %q", addr)
		}
		return new(net.Dialer).DialContext(ctx, network, named.addr)
	}
	d.Proxy = http.ProxyURL(&url.URL{Scheme: "https", Host: "proxy.test"})
	d.TLSClientConfig = &tls.Config{RootCAs: testPKI().Roots, ServerName: "server.test"}
	c, _, err := d.Dial("wss://h.test/", nil)
	if err != nil {
		t.Fatal(err)
	}
	echoes(t, c)
	d.TLSClientConfig = trusting()
	_, _, err = d.Dial("wss://h.test/", nil)
	if wantDialError(t, err, err); !errors.As(err, new(x509.HostnameError)) {
		t.Errorf("a server with another name behind a proxy: %v", err)
	}
}

// NetDialTLSContext makes the connection to an https proxy; the server behind it
// still gets its own TLS.
func TestProxyNetDialTLSContext(t *testing.T) {
	s, _ := watched(t, true)
	p := startProxy(t, s, testPKI().serverConfig("127.0.0.1"), serveConnect(""))
	var dialled []string
	d := Dialer{
		Proxy:           http.ProxyURL(&url.URL{Scheme: "https", Host: p.addr}),
		TLSClientConfig: trusting(),
		NetDialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			dialled = append(dialled, addr)
			return (&tls.Dialer{Config: trusting()}).DialContext(ctx, network, addr)
		},
	}
	c, _, err := d.Dial("wss://server.test/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.NetConn().(*tls.Conn).ConnectionState().ServerName != "server.test" || len(dialled) != 1 || dialled[0] != p.addr {
		t.Errorf("dialled %q, TLS with %q", dialled, c.NetConn().(*tls.Conn).ConnectionState().ServerName)
	}
	echoes(t, c)
	// A proxy without TLS is not its business.
	plain := startProxy(t, s, nil, serveConnect(""))
	d.Proxy, dialled = http.ProxyURL(&url.URL{Scheme: "http", Host: plain.addr}), nil
	c, _, err = d.Dial("wss://server.test/", nil)
	if err != nil || len(dialled) != 0 {
		t.Fatalf("%v, dialled %q", err, dialled)
	}
	echoes(t, c)
}

func TestProxyChoice(t *testing.T) {
	var asked *http.Request
	choose := func(proxy *url.URL, err error) func(*http.Request) (*url.URL, error) {
		return func(r *http.Request) (*url.URL, error) {
			asked = r
			r.Header.Set("X-Late", "a\r\nb: c") // has no effect on what is sent
			return proxy, err
		}
	}
	var dialled string
	d := Dialer{Proxy: choose(nil, nil), NetDialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		dialled = addr
		return pipeDial(answering(goodAnswer))(ctx, network, addr)
	}}
	type ctxKey struct{}
	ctx := context.WithValue(t.Context(), ctxKey{}, 1)
	c, resp, err := d.DialContext(ctx, "ws://h.test/path", http.Header{"X": {"y"}})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if dialled != "h.test:80" || asked.URL.String() != "http://h.test/path" || asked.Header.Get("X") != "y" || asked.Context().Value(ctxKey{}) != 1 {
		t.Errorf("dialled %q after asking for %v", dialled, asked)
	}
	if resp.Request.Header.Get("X-Late") != "" {
		t.Error("the proxy function has changed the request")
	}
	for raw, want := range map[string]string{
		"http://proxy.test":         "proxy.test:80",
		"https://proxy.test":        "proxy.test:443",
		"socks5://proxy.test":       "proxy.test:1080",
		"socks5h://proxy.test":      "proxy.test:1080",
		"http://proxy.test:3128/":   "proxy.test:3128",
		"http://[::1]:3128/ignored": "[::1]:3128",
	} {
		proxy, _ := url.Parse(raw)
		d.Proxy = choose(proxy, nil)
		d.NetDialContext = func(_ context.Context, _, addr string) (net.Conn, error) {
			dialled = addr
			return nil, io.EOF
		}
		if _, _, err := d.Dial("wss://h.test/", nil); dialled != want || asked.URL.Scheme != "https" {
			t.Errorf("%s: dialled %q, %v; want %q", raw, dialled, err, want)
		}
	}
}

func TestProxyThatCannotBe(t *testing.T) {
	failed := errors.New("no proxy today")
	d := Dialer{
		Proxy: func(*http.Request) (*url.URL, error) { return &url.URL{Scheme: "http", Host: "p"}, failed },
		NetDialContext: func(context.Context, string, string) (net.Conn, error) {
			t.Error("went to the network")
			return nil, io.EOF
		},
	}
	_, _, err := d.Dial("ws://h/", nil)
	wantDialError(t, err, failed)
	for raw, want := range map[string]string{
		"foo://p":         "proxy: unknown scheme: foo",
		"ftp://p":         "proxy: unknown scheme: ftp",
		"//p":             "proxy: unknown scheme: ",
		"http:///path":    "proxy: its URL has no valid host and port",
		"http://p:65536/": "proxy: its URL has no valid host and port",
	} {
		proxy, _ := url.Parse(raw)
		d.Proxy = http.ProxyURL(proxy)
		if _, _, err := d.Dial("ws://h/", nil); err == nil || err.Error() != "lazywebsocket: dial: "+want {
			t.Errorf("%s: %v, want %q", raw, err, want)
		}
	}
	d.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "p"})
	if _, _, err := d.Dial("ws://[fe80::1%25eth0]/", nil); err == nil || !strings.Contains(err.Error(), "zone") {
		t.Errorf("a zone behind a proxy: %v", err)
	}
}
