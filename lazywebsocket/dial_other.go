//go:build !js

package lazywebsocket

import (
	"context"
	"net"
)

// dialNetwork is the dial function of a Dialer that has none.
func dialNetwork(ctx context.Context, network, addr string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, network, addr)
}
