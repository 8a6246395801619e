package lazywebsocket

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestDialFunctions(t *testing.T) {
	var got []string
	plain := func(network, addr string) (net.Conn, error) {
		got = append(got, "NetDial "+network+" "+addr)
		return pipeDial(answering(goodAnswer))(t.Context(), network, addr)
	}
	withContext := func(ctx context.Context, network, addr string) (net.Conn, error) {
		got = append(got, "NetDialContext "+network+" "+addr)
		return pipeDial(answering(goodAnswer))(ctx, network, addr)
	}
	secure := func(ctx context.Context, network, addr string) (net.Conn, error) {
		got = append(got, "NetDialTLSContext "+network+" "+addr)
		return pipeDial(answering(goodAnswer))(ctx, network, addr)
	}
	overTLS := func(_ context.Context, network, addr string) (net.Conn, error) {
		got = append(got, "NetDialContext "+network+" "+addr)
		return pipeDial(overTLS(testPKI().serverConfig("h.test"), answering(goodAnswer)))(t.Context(), network, addr)
	}
	for _, c := range []struct {
		url    string
		dialer Dialer
		want   string
	}{
		{"ws://h.test/", Dialer{NetDial: plain}, "NetDial tcp h.test:80"},
		{"ws://h.test/", Dialer{NetDial: plain, NetDialContext: withContext}, "NetDialContext tcp h.test:80"},
		{"ws://h.test:1/", Dialer{NetDial: plain, NetDialTLSContext: secure}, "NetDial tcp h.test:1"},
		{"wss://h.test/", Dialer{NetDial: plain, NetDialContext: withContext, NetDialTLSContext: secure}, "NetDialTLSContext tcp h.test:443"},
		{"wss://h.test/", Dialer{NetDialContext: overTLS, TLSClientConfig: trusting()}, "NetDialContext tcp h.test:443"},
		{"ws://[::1]/", Dialer{NetDial: plain}, "NetDial tcp [::1]:80"},
	} {
		got = nil
		conn, _, err := c.dialer.Dial(c.url, nil)
		if err != nil || len(got) != 1 || got[0] != c.want {
			t.Errorf("%s: %q, %v; want %q", c.url, got, err, c.want)
		}
		if conn != nil {
			conn.Close()
		}
	}
}

func TestDialFunctionErrors(t *testing.T) {
	failed := errors.New("no way")
	for _, d := range []Dialer{
		{NetDial: func(string, string) (net.Conn, error) { return nil, failed }},
		{NetDialContext: func(context.Context, string, string) (net.Conn, error) { return nil, failed }},
	} {
		_, _, err := d.Dial("ws://h/", nil)
		wantDialError(t, err, failed)
	}
	for _, d := range []Dialer{
		{NetDial: func(string, string) (net.Conn, error) { return nil, nil }},
		{NetDialContext: func(context.Context, string, string) (net.Conn, error) { return nil, nil }},
	} {
		if _, _, err := d.Dial("ws://h/", nil); err == nil || !strings.Contains(err.Error(), "no connection") {
			t.Errorf("no connection and no error: %v", err)
		}
	}
}

// NetDial knows no context: the dial does not wait for it, and what it returns
// late is closed.
func TestNetDialIsAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		d := Dialer{HandshakeTimeout: time.Second, NetDial: func(string, string) (net.Conn, error) {
			time.Sleep(time.Hour)
			return client, nil
		}}
		start := time.Now()
		_, _, err := d.Dial("ws://h/", nil)
		if wantDialError(t, err, context.DeadlineExceeded); time.Since(start) != time.Second {
			t.Errorf("the dial took %v", time.Since(start))
		}
		if _, err := server.Read(make([]byte, 1)); !same(err, io.EOF) || time.Since(start) != time.Hour {
			t.Errorf("the late connection: %v after %v, want it closed", err, time.Since(start))
		}
	})
	synctest.Test(t, func(*testing.T) { // late, and with an error
		d := Dialer{HandshakeTimeout: time.Second, NetDial: func(string, string) (net.Conn, error) {
			time.Sleep(time.Hour)
			return nil, io.EOF
		}}
		_, _, err := d.Dial("ws://h/", nil)
		wantDialError(t, err, context.DeadlineExceeded)
		time.Sleep(2 * time.Hour)
	})
}

func TestNetDialThatPanics(t *testing.T) {
	d := Dialer{NetDial: func(string, string) (net.Conn, error) { panic("in NetDial") }}
	func() {
		defer func() {
			if p := recover(); p != "in NetDial" {
				t.Errorf("recovered %v in the caller's goroutine", p)
			}
		}()
		_, _, err := d.Dial("ws://h/", nil)
		t.Errorf("Dial returned %v", err)
	}()
	d.NetDial = func(string, string) (net.Conn, error) { runtime.Goexit(); return nil, nil }
	_, _, err := d.Dial("ws://h/", nil)
	wantDialError(t, err, errDialGone)
	noDialGoroutines(t)
}

// tlsEcho is an echo server at https://127.0.0.1 with a certificate for name.
func tlsEcho(t *testing.T, name string, protocols ...string) *httptest.Server {
	s := httptest.NewUnstartedServer(echoHandler(t, Upgrader{}))
	s.TLS = testPKI().serverConfig(name, protocols...)
	s.EnableHTTP2 = slices.Contains(protocols, "h2")
	s.Config.ErrorLog = discardLog()
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func TestDialTLS(t *testing.T) {
	s := tlsEcho(t, "127.0.0.1", "h2", "http/1.1")
	for name, config := range map[string]*tls.Config{
		"roots":              {RootCAs: testPKI().Roots},
		"offers h2":          {RootCAs: testPKI().Roots, NextProtos: []string{"h2", "http/1.1"}},
		"offers nothing but": {RootCAs: testPKI().Roots, NextProtos: []string{"h2"}},
		"its name":           {RootCAs: testPKI().Roots, ServerName: "127.0.0.1"},
		"not verified":       {InsecureSkipVerify: true},
	} {
		before := slices.Clone(config.NextProtos)
		serverName := config.ServerName
		d := Dialer{TLSClientConfig: config}
		c, _, err := d.Dial(wsURL(s), nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if p := c.NetConn().(*tls.Conn).ConnectionState().NegotiatedProtocol; p != "http/1.1" {
			t.Errorf("%s: agreed on %q", name, p)
		}
		if !slices.Equal(config.NextProtos, before) || config.ServerName != serverName {
			t.Errorf("%s: the configuration was changed", name)
		}
		echoes(t, c)
	}
}

func TestDialTLSVerifies(t *testing.T) {
	named := tlsEcho(t, "other.test")
	d := Dialer{}
	_, resp, err := d.Dial(wsURL(tlsEcho(t, "127.0.0.1")), nil)
	if wantDialError(t, err, err); !errors.As(err, new(x509.UnknownAuthorityError)) || resp != nil {
		t.Errorf("an unknown authority: %v", err)
	}
	d.TLSClientConfig = trusting()
	_, _, err = d.Dial(wsURL(named), nil)
	if wantDialError(t, err, err); !errors.As(err, new(x509.HostnameError)) {
		t.Errorf("another name: %v", err)
	}
	d.TLSClientConfig.ServerName = "other.test"
	c, _, err := d.Dial(wsURL(named), nil)
	if err != nil {
		t.Fatalf("the name that the configuration wants: %v", err)
	}
	echoes(t, c)
	d.TLSClientConfig.ServerName = "another.test"
	_, _, err = d.Dial(wsURL(tlsEcho(t, "127.0.0.1")), nil)
	if wantDialError(t, err, err); !errors.As(err, new(x509.HostnameError)) {
		t.Errorf("not the name that the configuration wants: %v", err)
	}
	// What is no TLS at all is an error too.
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	_, _, err = d.Dial("wss"+strings.TrimPrefix(plain.URL, "http"), nil)
	if wantDialError(t, err, err); !errors.As(err, new(tls.RecordHeaderError)) {
		t.Errorf("plain text: %v", err)
	}
}

func TestTLSConfig(t *testing.T) {
	for raw, want := range map[string]string{
		"https://h.test":               "h.test",
		"https://h.test:8443":          "h.test",
		"https://[::1]:8443":           "::1",
		"https://[fe80::1%25eth0]:443": "fe80::1",
	} {
		u, _ := url.Parse(raw)
		for _, d := range []Dialer{{}, {TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS13}}} {
			config := d.tlsConfig(u)
			if config.ServerName != want || !slices.Equal(config.NextProtos, []string{"http/1.1"}) || config.InsecureSkipVerify {
				t.Errorf("%s: server name %q, protocols %q", raw, config.ServerName, config.NextProtos)
			}
			if d.TLSClientConfig != nil && config.MinVersion != tls.VersionTLS13 {
				t.Errorf("%s: the application's configuration is lost", raw)
			}
		}
	}
	proxy, _ := url.Parse("https://proxy.test:3128")
	d := Dialer{TLSClientConfig: &tls.Config{ServerName: "h.test", EncryptedClientHelloConfigList: []byte{1}}}
	config := d.proxyTLSConfig(proxy)
	if config.ServerName != "proxy.test" || config.EncryptedClientHelloConfigList != nil {
		t.Errorf("the proxy got the server's name %q", config.ServerName)
	}
}

func TestNetDialTLSContext(t *testing.T) {
	s := tlsEcho(t, "127.0.0.1", "h2", "http/1.1")
	dial := func(protocols ...string) dialFunc {
		return func(ctx context.Context, network, addr string) (net.Conn, error) {
			d := tls.Dialer{Config: &tls.Config{RootCAs: testPKI().Roots, NextProtos: protocols}}
			return d.DialContext(ctx, network, addr)
		}
	}
	for _, protocols := range [][]string{nil, {"http/1.1"}} {
		d := Dialer{NetDialTLSContext: dial(protocols...), TLSClientConfig: &tls.Config{ServerName: "ignored.test"}}
		c, _, err := d.Dial(wsURL(s), nil)
		if err != nil {
			t.Fatal(err)
		}
		echoes(t, c)
	}
	d := Dialer{NetDialTLSContext: dial("h2")}
	_, _, err := d.Dial(wsURL(s), nil)
	if wantDialError(t, err, err); err == nil || !strings.Contains(err.Error(), `agreed on the protocol "h2"`) {
		t.Errorf("a dial function that agrees on h2: %v", err)
	}
}

func TestDialTLSTrace(t *testing.T) {
	s := tlsEcho(t, "127.0.0.1")
	var got []string
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		GetConn:           func(string) { got = append(got, "get") },
		ConnectStart:      func(string, string) { got = append(got, "connect") },
		ConnectDone:       func(string, string, error) { got = append(got, "connected") },
		GotConn:           func(httptrace.GotConnInfo) { got = append(got, "got") },
		TLSHandshakeStart: func() { got = append(got, "TLS") },
		TLSHandshakeDone: func(state tls.ConnectionState, err error) {
			if state.HandshakeComplete == (err == nil) {
				got = append(got, "done")
			}
		},
		WroteHeaders:         func() { got = append(got, "wrote") },
		GotFirstResponseByte: func() { got = append(got, "answer") },
	})
	d := Dialer{TLSClientConfig: trusting()}
	c, _, err := d.DialContext(ctx, wsURL(s), nil)
	if err != nil {
		t.Fatal(err)
	}
	echoes(t, c)
	if want := []string{"get", "connect", "connected", "got", "TLS", "done", "wrote", "answer"}; !slices.Equal(got, want) {
		t.Errorf("hooks %q, want %q", got, want)
	}
	got, d.TLSClientConfig = nil, nil
	if _, _, err = d.DialContext(ctx, wsURL(s), nil); err == nil {
		t.Error("the certificate was accepted")
	}
	if want := []string{"get", "connect", "connected", "got", "TLS", "done"}; !slices.Equal(got, want) {
		t.Errorf("hooks of a failure %q, want %q", got, want)
	}
}

// TLS says goodbye for up to five seconds when it is closed; hanging up does not
// wait for a peer that reads nothing.
func TestHangUp(t *testing.T) {
	for name, wrap := range map[string]func(net.Conn) net.Conn{
		"TLS":             func(nc net.Conn) net.Conn { return nc },
		"TLS beneath TLS": func(nc net.Conn) net.Conn { return tls.Client(nc, &tls.Config{}) },
		"TLS with bytes":  func(nc net.Conn) net.Conn { return &prefixedConn{Conn: nc} },
	} {
		synctest.Test(t, func(t *testing.T) {
			client, server := net.Pipe()
			go func() { _ = tls.Server(server, testPKI().serverConfig("h.test")).Handshake() }()
			tc := tls.Client(client, &tls.Config{RootCAs: testPKI().Roots, ServerName: "h.test", MaxVersion: tls.VersionTLS12})
			if err := tc.Handshake(); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			hangUp(wrap(tc))
			if took := time.Since(start); took > 0 {
				t.Errorf("%s: took %v", name, took)
			}
			if _, err := client.Write(nil); !same(err, io.ErrClosedPipe) {
				t.Errorf("%s: the connection beneath is open: %v", name, err)
			}
		})
	}
}
