package http3_test

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"

	"golazy.dev/lazywebsocket/wstest"
)

// proxy takes upgrades over HTTP/1.1 from a network and speaks HTTP/3 to the server for
// them, on the client's connection: what wstest's scripts and a Dialer connect to.
func (c *client) proxy(n wstest.Network) *wstest.Listener {
	l := n.Listen()
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go c.forward(nc.(*wstest.PipeConn))
		}
	}()
	c.t.Cleanup(func() { _ = l.Close() })
	return l
}

// forward serves one connection. Each read of it becomes a DATA frame.
func (c *client) forward(near *wstest.PipeConn) {
	r := bufio.NewReader(near)
	req, err := http.ReadRequest(r)
	if err != nil {
		return
	}
	header := http.Header{}
	for _, name := range []string{"Origin", "Sec-Websocket-Protocol", "Sec-Websocket-Extensions"} {
		if values := req.Header[name]; values != nil {
			header[name] = values
		}
	}
	s, resp, err := c.do(request(req.RequestURI, header))
	if err != nil || resp.StatusCode != http.StatusOK {
		fmt.Fprintf(near, "HTTP/1.1 502 %v\r\n\r\n", err)
		_ = near.Close()
		return
	}
	sum := sha1.Sum([]byte(req.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	lines := []string{
		"HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
		"Sec-WebSocket-Accept: " + base64.StdEncoding.EncodeToString(sum[:]),
	}
	for _, name := range []string{"Sec-Websocket-Protocol", "Sec-Websocket-Extensions"} {
		if value := resp.Header.Get(name); value != "" {
			lines = append(lines, name+": "+value)
		}
	}
	fmt.Fprint(near, strings.Join(append(lines, "", ""), "\r\n"))
	go func() {
		if _, err := io.Copy(struct{ io.Writer }{near}, s); err == nil {
			_ = near.CloseWrite()
		} else {
			_ = near.Close()
		}
	}()
	if _, err := io.Copy(struct{ io.Writer }{s}, r); err != nil {
		cancel(s)
		return
	}
	_ = s.Close()
}
