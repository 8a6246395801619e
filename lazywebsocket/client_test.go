package lazywebsocket

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
)

func TestNewClient(t *testing.T) {
	s := httptest.NewServer(echoHandler(t, Upgrader{}))
	defer s.Close()
	u, _ := url.Parse(wsURL(s) + "/path?q=1")
	nc, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	c, resp, err := NewClient(nc, u, http.Header{"Origin": {s.URL}}, 100, 200)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols || c.NetConn() != nc || resp.Request.URL.RequestURI() != "/path?q=1" {
		t.Errorf("response %v for %v on %v", resp, resp.Request.URL, c.NetConn())
	}
	if c.r.buf.size != minReadBuffer || c.writeBuffers().size != 200 {
		t.Errorf("buffers of %d and %d bytes", c.r.buf.size, c.writeBuffers().size)
	}
	echoes(t, c)
}

// A wss URL gets TLS on the connection.
func TestNewClientTLS(t *testing.T) {
	s := tlsEcho(t, "127.0.0.1")
	u, _ := url.Parse(wsURL(s))
	nc, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = NewClient(nc, u, nil, 0, 0)
	wantDialError(t, err, err) // nobody trusts the test's authority
}

func TestNewClientFails(t *testing.T) {
	good, _ := url.Parse("ws://h/")
	for name, c := range map[string]struct {
		u      *url.URL
		header http.Header
	}{
		"no URL":       {nil, nil},
		"http":         {&url.URL{Scheme: "http", Host: "h"}, nil},
		"the header":   {good, http.Header{"Upgrade": {"x"}}},
		"the answer":   {good, nil},
		"an empty URL": {&url.URL{}, nil},
	} {
		client, server := net.Pipe()
		go answering("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")(server)
		conn, _, err := NewClient(client, c.u, c.header, 0, 0)
		if conn != nil || err == nil {
			t.Errorf("%s: %v, %v", name, conn, err)
		}
		if _, err := client.Write(nil); err == nil {
			t.Errorf("%s: the connection is open", name)
		}
	}
	if c, _, err := NewClient(nil, good, nil, 0, 0); c != nil || err == nil {
		t.Errorf("no connection: %v, %v", c, err)
	}
}
