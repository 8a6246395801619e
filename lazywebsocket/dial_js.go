package lazywebsocket

import (
	"context"
	"errors"
	"fmt"
	"net"
)

// errNoSockets is errors.ErrUnsupported: package net has sockets here, but they
// reach nothing outside the program.
var errNoSockets = fmt.Errorf("a browser gives WebAssembly no sockets: "+
	"use the browser's WebSocket, or set NetDialContext: %w", errors.ErrUnsupported)

// dialNetwork is the dial function of a Dialer that has none.
func dialNetwork(context.Context, string, string) (net.Conn, error) {
	return nil, errNoSockets
}
