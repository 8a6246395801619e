package cable_test

import (
	"testing"

	"golazy.dev/lazyrealtime/cable"
)

func TestNegotiate(t *testing.T) {
	tests := map[string]struct {
		offered         []string
		protocol, token string
	}{
		"nothing":           {nil, "", ""},
		"rails":             {[]string{cable.Base, "actioncable-unsupported"}, cable.Base, ""},
		"extended":          {[]string{cable.Extended}, cable.Extended, ""},
		"extended is later": {[]string{cable.Base, cable.Extended}, cable.Extended, ""},
		"base is later":     {[]string{cable.Extended, cable.Base}, cable.Extended, ""},
		"token":             {[]string{cable.Extended, "anycable-token.a.b-c_d"}, cable.Extended, "a.b-c_d"},
		"token first":       {[]string{"anycable-token.t", cable.Base}, cable.Base, "t"},
		"only a token":      {[]string{"anycable-token.t"}, "", "t"},
		"first token":       {[]string{"anycable-token.", "anycable-token.1", "anycable-token.2"}, "", "1"},
		"no token":          {[]string{cable.Base, "anycable-token."}, cable.Base, ""},
		"unsupported":       {[]string{"actioncable-unsupported", "chat", ""}, "", ""},
		"other case":        {[]string{"ActionCable-v1-json"}, "", ""},
		"binary encodings":  {[]string{"actioncable-v1-msgpack", "actioncable-v1-ext-protobuf"}, "", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			protocol, token := cable.Negotiate(test.offered)
			if protocol != test.protocol || token != test.token {
				t.Errorf("Negotiate(%q) = %q, %q; want %q, %q", test.offered, protocol, token, test.protocol, test.token)
			}
		})
	}
}
