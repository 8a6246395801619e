package cable

import "strings"

// The subprotocols of a WebSocket that speaks this grammar.
const (
	// Base is what every Action Cable client speaks: subscriptions and messages.
	Base = "actioncable-v1-json"
	// Extended adds positions, history, presence and whispers.
	Extended = "actioncable-v1-ext-json"
	// TokenPrefix begins an offered subprotocol that is a credential and not a
	// protocol. It must never be selected: that would echo the credential.
	TokenPrefix = "anycable-token."
)

// Negotiate chooses among the subprotocols that a client offers, in any order:
// Extended if it is there, else Base, else none (""). The token is what follows
// TokenPrefix in the first offer that has something there, or "". Nothing else is
// ever chosen: the Rails client also offers "actioncable-unsupported", whose
// selection it takes as a refusal.
func Negotiate(offered []string) (protocol, token string) {
	for _, offer := range offered {
		switch {
		case offer == Extended:
			protocol = Extended
		case offer == Base && protocol == "":
			protocol = Base
		case token == "":
			if rest, ok := strings.CutPrefix(offer, TokenPrefix); ok {
				token = rest
			}
		}
	}
	return protocol, token
}
