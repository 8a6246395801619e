package peers

import (
	"net/http"

	"github.com/lxzan/gws"
)

func gwss() []Server {
	with := func(name, setting string, deflate gws.PermessageDeflate) Server {
		return Server{"gws/" + name, setting, func() http.Handler {
			return &gwsEcho{gws.NewUpgrader(gwsEvents{}, &gws.ServerOption{PermessageDeflate: deflate})}
		}}
	}
	return []Server{
		with(Off, "no compression", gws.PermessageDeflate{}),
		with("takeover", "Server- and ClientContextTakeover",
			gws.PermessageDeflate{Enabled: true, ServerContextTakeover: true, ClientContextTakeover: true}),
		with("no-takeover", "Enabled", gws.PermessageDeflate{Enabled: true}),
	}
}

type gwsEcho struct{ upgrader *gws.Upgrader }

func (e *gwsEcho) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := e.upgrader.Upgrade(w, r)
	if err != nil {
		return
	}
	go conn.ReadLoop() // as its documentation does, so that the request can be collected
}

type gwsEvents struct{ gws.BuiltinEventHandler }

func (gwsEvents) OnMessage(conn *gws.Conn, m *gws.Message) {
	defer m.Close()                            //nolint:errcheck // gives its buffer back
	_ = conn.WriteMessage(m.Opcode, m.Bytes()) // an error ends the ReadLoop
}
