// Package switchon puts http2xconnect=1 into GODEBUG, when it is initialised, which is
// before net/http is: its import path sorts before that of net/http, and it imports
// nothing that net/http does not need as well.
package switchon

import (
	"os"
	"strings"
)

const name = "http2xconnect="

// GODEBUG as it was and as it has become; they are the same where Changed is false.
var (
	Before  = os.Getenv("GODEBUG")
	After   = with(Before)
	Changed = Before != After
)

func init() {
	if Changed {
		_ = os.Setenv("GODEBUG", After)
	}
}

// with returns the settings with ours, unless they have a word on it.
func with(settings string) string {
	switch {
	case strings.Contains(settings, name):
		return settings
	case settings == "":
		return name + "1"
	}
	return settings + "," + name + "1"
}
