package http2

import (
	"bufio"
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	xhttp2 "golang.org/x/net/http2"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/http2"
)

// world is a server over TLS and HTTP/2, and a client with one connection to it.
type world struct {
	server *httptest.Server
	client *xhttp2.Transport
	conns  atomic.Int32 // made by the client
}

func newWorld(t *testing.T, h http.Handler) *world {
	t.Helper()
	w := new(world)
	w.server = httptest.NewUnstartedServer(h)
	w.server.EnableHTTP2 = true
	w.server.Config.HTTP2 = http2.Config()
	w.server.StartTLS()
	// net/http's own transport refuses the pseudo-header :protocol.
	w.client = &xhttp2.Transport{
		TLSClientConfig: w.server.Client().Transport.(*http.Transport).TLSClientConfig,
		DialTLSContext: func(ctx context.Context, network, addr string, config *tls.Config) (net.Conn, error) {
			w.conns.Add(1)
			return (&tls.Dialer{Config: config}).DialContext(ctx, network, addr)
		},
	}
	t.Cleanup(func() {
		w.client.CloseIdleConnections()
		w.server.CloseClientConnections()
		w.server.Close()
	})
	return w
}

// connect sends an extended CONNECT; what is written to the pipe is the stream's.
func (w *world) connect(ctx context.Context, path string, header http.Header) (*http.Response, *io.PipeWriter, error) {
	body, stream := io.Pipe()
	r, err := http.NewRequestWithContext(ctx, http.MethodConnect, w.server.URL+path, body)
	if err != nil {
		return nil, nil, err
	}
	r.Header = header.Clone()
	if r.Header == nil {
		r.Header = make(http.Header)
	}
	for _, name := range []string{"Connection", "Upgrade", "Sec-Websocket-Key"} {
		r.Header.Del(name)
	}
	r.Header.Set("Sec-Websocket-Version", "13")
	r.Header[":protocol"] = []string{"websocket"}
	resp, err := w.client.RoundTrip(r)
	return resp, stream, err
}

// dialer is one whose connections go through the proxy.
func (w *world) dialer(t *testing.T, d lazywebsocket.Dialer) *lazywebsocket.Dialer {
	d.NetDialContext = func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go w.proxy(t, far)
		return near, nil
	}
	return &d
}

// proxy takes an upgrade and speaks HTTP/2 for it.
func (w *world) proxy(t *testing.T, far net.Conn) {
	defer far.Close()
	reader := bufio.NewReader(far)
	r, err := http.ReadRequest(reader)
	if err != nil {
		t.Error(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	resp, stream, err := w.connect(ctx, r.RequestURI, r.Header)
	if err != nil {
		t.Error(err)
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		fmt.Fprintf(far, "HTTP/1.1 %d Refused\r\nContent-Length: 0\r\n\r\n", resp.StatusCode)
		return
	}
	sum := sha1.Sum([]byte(r.Header.Get("Sec-Websocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	h := resp.Header.Clone()
	h.Set("Upgrade", "websocket")
	h.Set("Connection", "Upgrade")
	h.Set("Sec-Websocket-Accept", base64.StdEncoding.EncodeToString(sum[:]))
	fmt.Fprint(far, "HTTP/1.1 101 Switching Protocols\r\n")
	_ = h.Write(far)
	fmt.Fprint(far, "\r\n")
	go func() {
		_, err := io.Copy(stream, reader)
		_ = stream.CloseWithError(err) // nil: the end of the stream
	}()
	_, _ = io.Copy(far, resp.Body)
}
