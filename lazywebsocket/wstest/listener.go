package wstest

import (
	"context"
	"net"
	"sync"
)

// Listener is a net.Listener in memory: Dial makes a connection, Accept returns
// its other end.
type Listener struct {
	network Network
	pending chan *PipeConn
	done    chan struct{}
	once    sync.Once
}

var _ net.Listener = (*Listener)(nil)

// Listen returns a listener whose connections are the network's.
func (n Network) Listen() *Listener {
	return &Listener{network: n, pending: make(chan *PipeConn), done: make(chan struct{})}
}

// Dial makes a connection. It waits until it is accepted, the listener is
// closed, or ctx ends.
func (l *Listener) Dial(ctx context.Context) (*PipeConn, error) {
	client, server := l.network.Pipe()
	var err error
	select {
	case l.pending <- server:
		return client, nil
	case <-l.done:
		err = net.ErrClosed
	case <-ctx.Done():
		err = ctx.Err()
	}
	return nil, &net.OpError{Op: "dial", Net: serverAddr.Network(), Addr: serverAddr, Err: err}
}

// DialContext is Dial for Dialer.NetDialContext and http.Transport.DialContext;
// every address leads here.
func (l *Listener) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	c, err := l.Dial(ctx)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Accept waits for a connection, or until Close: then the error is net.ErrClosed.
func (l *Listener) Accept() (net.Conn, error) {
	c, err := l.accept()
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (l *Listener) accept() (*PipeConn, error) {
	select {
	case c := <-l.pending:
		return c, nil
	case <-l.done:
		return nil, &net.OpError{Op: "accept", Net: serverAddr.Network(), Addr: serverAddr, Err: net.ErrClosed}
	}
}

// DialPeer makes a connection and returns a peer that plays the client. It has
// sent nothing yet: see Peer.Request.
func (l *Listener) DialPeer(tb TB) *Peer {
	tb.Helper()
	conn, err := l.Dial(context.Background())
	if err != nil {
		tb.Fatalf("wstest: %v", err)
	}
	return newPeer(tb, conn, true)
}

// AcceptPeer waits for a connection and returns a peer that plays the server. It
// has received nothing yet: see Peer.ReadRequest.
func (l *Listener) AcceptPeer(tb TB) *Peer {
	tb.Helper()
	conn, err := l.accept()
	if err != nil {
		tb.Fatalf("wstest: %v", err)
	}
	return newPeer(tb, conn, false)
}

// Close ends Accept and Dial; connections live on.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr returns the address of the servers of this package.
func (l *Listener) Addr() net.Addr { return serverAddr }
