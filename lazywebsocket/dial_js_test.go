package lazywebsocket

import (
	"context"
	"errors"
	"net"
	"testing"
)

func TestDialWithoutSockets(t *testing.T) {
	_, _, err := DefaultDialer.Dial("ws://127.0.0.1:1/", nil)
	wantDialError(t, err, errors.ErrUnsupported)
	// With a dial function all is as elsewhere.
	d := Dialer{NetDialContext: func(context.Context, string, string) (net.Conn, error) {
		return pipeDial(answering(goodAnswer))(t.Context(), "", "")
	}}
	c, _, err := d.Dial("ws://h/", nil)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}
