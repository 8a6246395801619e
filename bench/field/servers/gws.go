package servers

import (
	"bytes"
	"net/http"

	"github.com/lxzan/gws"

	"golazy.dev/bench/field/scenario"
)

// gwsServer reads outside the handler, as its documentation does, and publishes
// with its Broadcaster.
func gwsServer() Server {
	members := new(room[*gws.Conn])
	mux := http.NewServeMux()
	mux.Handle(scenario.Echo, gwsHandler(gwsEcho{}))
	mux.Handle(scenario.Queue, gwsHandler(gwsQueue{}))
	mux.Handle(scenario.Room, gwsHandler(gwsRoom{room: members}))
	mux.Handle(scenario.Publish, gwsHandler(gwsPublish{room: members}))
	return Server{
		Name: "gws", Setting: "v1.8.9, ReadLoop outside the handler, Broadcaster, defaults",
		TLS: true, Start: overHTTP(mux),
	}
}

func gwsHandler(events gws.Event) http.Handler {
	upgrader := gws.NewUpgrader(events, &gws.ServerOption{})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r)
		if err != nil {
			return
		}
		go conn.ReadLoop()
	})
}

type gwsEcho struct{ gws.BuiltinEventHandler }

func (gwsEcho) OnMessage(conn *gws.Conn, m *gws.Message) {
	defer m.Close()                            //nolint:errcheck // gives its buffer back
	_ = conn.WriteMessage(m.Opcode, m.Bytes()) // an error ends the ReadLoop
}

type gwsQueue struct{ gws.BuiltinEventHandler }

const gwsQueueKey = "queue"

func (gwsQueue) OnOpen(conn *gws.Conn) {
	queue := make(chan []byte, scenario.QueueLength)
	conn.Session().Store(gwsQueueKey, queue)
	go func() {
		for m := range queue {
			_ = conn.WriteMessage(gws.OpcodeText, m) // the reader sees the end
		}
	}()
}

func gwsQueueOf(conn *gws.Conn) chan []byte {
	v, _ := conn.Session().Load(gwsQueueKey)
	queue, _ := v.(chan []byte) // what OnOpen has stored
	return queue
}

func (gwsQueue) OnMessage(conn *gws.Conn, m *gws.Message) {
	defer m.Close() //nolint:errcheck // gives its buffer back
	gwsQueueOf(conn) <- bytes.Clone(m.Bytes())
}

func (gwsQueue) OnClose(conn *gws.Conn, _ error) { close(gwsQueueOf(conn)) }

type gwsRoom struct {
	gwsEcho
	room *room[*gws.Conn]
}

func (r gwsRoom) OnOpen(conn *gws.Conn)           { r.room.join(conn) }
func (r gwsRoom) OnClose(conn *gws.Conn, _ error) { r.room.leave(conn) }

type gwsPublish struct {
	gws.BuiltinEventHandler
	room *room[*gws.Conn]
}

func (p gwsPublish) OnMessage(_ *gws.Conn, m *gws.Message) {
	defer m.Close() //nolint:errcheck // gives its buffer back
	for range scenario.Copies(m.Bytes()) {
		b := gws.NewBroadcaster(m.Opcode, bytes.Clone(m.Bytes())) // it writes later
		p.room.each(b.Broadcast)
		_ = b.Close() // what it has is freed when all have it
	}
}
