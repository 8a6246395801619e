package wstest

import (
	"context"
	"net/http"

	"golazy.dev/lazywebsocket"
)

// NewPair returns the two ends of a connection in memory, after a real handshake
// of the Upgrader and the Dialer, which may be nil for their zero values, with
// the defaults of Network. It ends with the test.
//
// The Dialer's proxy, its functions that make connections and its TLS are not
// used. The request has no Origin unless the Dialer adds one.
func NewPair(tb TB, u *lazywebsocket.Upgrader, d *lazywebsocket.Dialer) (server, client *lazywebsocket.Conn) {
	tb.Helper()
	return Network{}.NewPair(tb, u, d)
}

// NewPair is the function NewPair on this network.
func (n Network) NewPair(tb TB, u *lazywebsocket.Upgrader, d *lazywebsocket.Dialer) (server, client *lazywebsocket.Conn) {
	tb.Helper()
	h := newHandler(u)
	s := n.Serve(tb, h)
	client, err := dial(d, s.Listener)
	if err != nil {
		select {
		case got := <-h.upgraded:
			tb.Fatalf("wstest: dial: %v; the server: %v", err, got.err)
		default:
			tb.Fatalf("wstest: dial: %v", err)
		}
	}
	server = (<-h.upgraded).conn // not nil, as the answer has come
	closeAfter(tb, server, client)
	return server, client
}

// PeerOfServer returns the server's end of a connection, made by the Upgrader,
// nil for its zero value, and a peer that plays the client. The handshake is
// over. The network has the defaults of Network.
func PeerOfServer(tb TB, u *lazywebsocket.Upgrader) (*lazywebsocket.Conn, *Peer) {
	tb.Helper()
	return Network{}.PeerOfServer(tb, u)
}

// PeerOfServer is the function PeerOfServer on this network.
func (n Network) PeerOfServer(tb TB, u *lazywebsocket.Upgrader) (*lazywebsocket.Conn, *Peer) {
	tb.Helper()
	h := newHandler(u)
	p := n.Serve(tb, h).Peer()
	p.Request("/")
	p.Response()
	got := <-h.upgraded
	if got.err != nil {
		tb.Fatalf("wstest: handshake: %v", got.err)
	}
	p.step = 0
	closeAfter(tb, got.conn)
	return got.conn, p
}

// PeerOfClient returns the client's end of a connection, made by the Dialer, nil
// for its zero value, and a peer that plays the server. The handshake is over.
// What NewPair says of the Dialer holds here too. The network has the defaults
// of Network.
func PeerOfClient(tb TB, d *lazywebsocket.Dialer) (*lazywebsocket.Conn, *Peer) {
	tb.Helper()
	return Network{}.PeerOfClient(tb, d)
}

// PeerOfClient is the function PeerOfClient on this network.
func (n Network) PeerOfClient(tb TB, d *lazywebsocket.Dialer) (*lazywebsocket.Conn, *Peer) {
	tb.Helper()
	l := n.Listen()
	tb.Cleanup(func() { _ = l.Close() })
	dialed := make(chan upgraded, 1)
	go func() {
		conn, err := dial(d, l)
		dialed <- upgraded{conn, err}
	}()
	var p *Peer
	select {
	case server := <-l.pending:
		p = newPeer(tb, server, false)
		p.accept(p.readRequest())
	case got := <-dialed:
		tb.Fatalf("wstest: dial: %v", got.err)
	}
	got := <-dialed
	if got.err != nil {
		tb.Fatalf("wstest: dial: %v", got.err)
	}
	closeAfter(tb, got.conn)
	return got.conn, p
}

// dial makes a connection with a copy of d on the listener.
func dial(d *lazywebsocket.Dialer, l *Listener) (*lazywebsocket.Conn, error) {
	var ours lazywebsocket.Dialer
	if d != nil {
		ours = *d
	}
	ours.Proxy, ours.NetDial, ours.NetDialTLSContext = nil, nil, nil
	ours.NetDialContext = l.DialContext
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, _, err := ours.DialContext(ctx, "ws://"+serverAddr.host()+"/", nil) //nolint:bodyclose // the Dialer closes it
	return conn, err
}

// upgraded is what came of a handshake.
type upgraded struct {
	conn *lazywebsocket.Conn
	err  error
}

// handler upgrades its only request and gives the connection away.
type handler struct {
	u        *lazywebsocket.Upgrader
	upgraded chan upgraded
}

func newHandler(u *lazywebsocket.Upgrader) *handler {
	if u == nil {
		u = new(lazywebsocket.Upgrader)
	}
	return &handler{u, make(chan upgraded, 1)}
}

// ServeHTTP upgrades the request.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := h.u.Upgrade(w, r, nil)
	h.upgraded <- upgraded{conn, err}
}

// closeAfter closes the connections at the end of the test.
func closeAfter(tb TB, conns ...*lazywebsocket.Conn) {
	tb.Cleanup(func() {
		for _, c := range conns {
			_ = c.Close()
		}
	})
}
