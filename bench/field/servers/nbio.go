package servers

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"time"

	"github.com/lesismal/nbio/logging"
	"github.com/lesismal/nbio/nbhttp"
	"github.com/lesismal/nbio/nbhttp/websocket"

	"golazy.dev/bench/field/scenario"
)

// nbioServer is the event loop of its documentation, which hands messages to a
// pool of goroutines.
func nbioServer() Server {
	return Server{
		Name: "nbio", Setting: "v1.6.8, epoll (IOModNonBlocking), payloads released",
		Start: func(Options) (*Running, error) { return startNBIO(nil) },
	}
}

// nbioInline handles messages on the loop: one that takes its time stops all
// others.
func nbioInline() Server {
	return Server{
		Name: "nbio-inline", Setting: "v1.6.8, the same with a ServerExecutor that runs handlers on the loop",
		Start: func(Options) (*Running, error) { return startNBIO(func(f func()) { f() }) },
	}
}

func startNBIO(execute func(func())) (*Running, error) {
	logging.SetLevel(logging.LevelNone)
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	members := new(room[*websocket.Conn])
	mux := http.NewServeMux()
	mux.Handle(scenario.Echo, nbioHandler(nbioEcho))
	mux.Handle(scenario.Queue, nbioHandler(nbioQueue))
	mux.Handle(scenario.Room, nbioHandler(nbioRoom(members)))
	mux.Handle(scenario.Publish, nbioHandler(nbioPublish(members)))
	engine := nbhttp.NewEngine(nbhttp.Config{
		Network: "tcp", Addrs: []string{addr}, Handler: mux,
		MaxLoad: 1 << 20, ReleaseWebsocketPayload: true, IOMod: nbhttp.IOModNonBlocking,
		ServerExecutor: execute,
	})
	if err := engine.Start(); err != nil {
		return nil, err
	}
	stop := func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = engine.Shutdown(ctx) // the process ends anyway
	}
	return &Running{Addr: addr, Stop: stop}, nil
}

// freeAddr is an address that nobody listens on, a moment ago at least: the
// engine does not say which one it got.
func freeAddr() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // returns at once
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

func nbioHandler(events func(*websocket.Upgrader)) http.Handler {
	upgrader := websocket.NewUpgrader()
	events(upgrader)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = upgrader.Upgrade(w, r, nil) // it has answered
	})
}

func nbioEcho(u *websocket.Upgrader) {
	u.OnMessage(func(c *websocket.Conn, messageType websocket.MessageType, data []byte) {
		_ = c.WriteMessage(messageType, data) // OnClose tells
	})
}

func nbioQueue(u *websocket.Upgrader) {
	u.OnOpen(func(c *websocket.Conn) {
		queue := make(chan []byte, scenario.QueueLength)
		c.SetSession(queue)
		go func() {
			for m := range queue {
				_ = c.WriteMessage(websocket.TextMessage, m) // OnClose tells
			}
		}()
	})
	u.OnMessage(func(c *websocket.Conn, _ websocket.MessageType, data []byte) {
		if queue, ok := c.Session().(chan []byte); ok {
			queue <- bytes.Clone(data)
		}
	})
	u.OnClose(func(c *websocket.Conn, _ error) {
		if queue, ok := c.Session().(chan []byte); ok {
			close(queue)
		}
	})
}

func nbioRoom(members *room[*websocket.Conn]) func(*websocket.Upgrader) {
	return func(u *websocket.Upgrader) {
		nbioEcho(u)
		u.OnOpen(members.join)
		u.OnClose(func(c *websocket.Conn, _ error) { members.leave(c) })
	}
}

func nbioPublish(members *room[*websocket.Conn]) func(*websocket.Upgrader) {
	return func(u *websocket.Upgrader) {
		u.OnMessage(func(_ *websocket.Conn, messageType websocket.MessageType, data []byte) {
			for range scenario.Copies(data) {
				members.each(func(c *websocket.Conn) error { return c.WriteMessage(messageType, data) })
			}
		})
	}
}
