package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"golazy.dev/lazywebsocket"
)

// The application behind the proxy echoes, and tells with which Host it was asked.
func TestProxy(t *testing.T) {
	upgrader := lazywebsocket.Upgrader{}
	application := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !lazywebsocket.IsWebSocketUpgrade(r) {
			fmt.Fprint(w, r.Host, " ", r.Header.Get("X-Forwarded-Proto"))
			return
		}
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		if messageType, payload, err := conn.ReadMessage(); err == nil {
			_ = conn.WriteMessage(messageType, payload)
		}
	}))
	defer application.Close()
	target, err := url.Parse(application.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(newProxy(target))
	defer proxy.Close()
	host := strings.TrimPrefix(proxy.URL, "http://")

	response, err := http.Get(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil || string(body) != host+" http" {
		t.Errorf("the application was asked with %q, %v; want %q", body, err, host+" http")
	}

	// A page that came through the proxy has the proxy's Origin.
	conn, response, err := lazywebsocket.DefaultDialer.Dial("ws://"+host, http.Header{"Origin": {proxy.URL}})
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	defer conn.Close()
	if err := conn.WriteMessage(lazywebsocket.TextMessage, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, payload, err := conn.ReadMessage(); err != nil || string(payload) != "hello" {
		t.Errorf("read %q, %v; want hello", payload, err)
	}
}
