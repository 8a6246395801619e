package wire

import (
	"fmt"
	"strconv"
	"strings"
)

// Offer is what Chromium offers.
const Offer = "permessage-deflate; client_max_window_bits"

// Params are what a server has answered to Offer.
type Params struct {
	Deflate                            bool
	ServerNoTakeover, ClientNoTakeover bool
	ServerBits, ClientBits             int // 15 where the answer says nothing
}

// ParseAnswer reads a server's Sec-WebSocket-Extensions.
func ParseAnswer(header string) (Params, error) {
	p := Params{ServerBits: 15, ClientBits: 15}
	if header == "" {
		return p, nil
	}
	for i, part := range strings.Split(header, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		var err error
		switch {
		case i == 0 && name == "permessage-deflate":
			p.Deflate = true
		case i > 0 && name == "server_no_context_takeover":
			p.ServerNoTakeover = true
		case i > 0 && name == "client_no_context_takeover":
			p.ClientNoTakeover = true
		case i > 0 && name == "server_max_window_bits":
			p.ServerBits, err = strconv.Atoi(value)
		case i > 0 && name == "client_max_window_bits":
			p.ClientBits, err = strconv.Atoi(value)
		default:
			err = fmt.Errorf("wire: answer %q", header)
		}
		if err != nil {
			return p, err
		}
	}
	return p, nil
}
