package main

import (
	"fmt"
	"slices"
	"strings"

	"golazy.dev/lazywebsocket"
)

// closeTrials are goodbyes: RFC 6455 5.5.1 and 7.4.
func closeTrials() []trial {
	all := []trial{
		// The answer to an empty Close frame may be an empty one.
		ends("close/without a code", "RFC 6455 5.5.1", []int{lazywebsocket.CloseNoStatusReceived, lazywebsocket.CloseNormalClosure}, framed(fin|closeFrame, "")),
		ends("close/the longest reason", "RFC 6455 5.5.1", answers(1000), framed(fin|closeFrame, string(closing(1000, strings.Repeat("r", 123))))),
		ends("close/what follows is not for reading", "RFC 6455 5.5.1", answers(1000), goodbye(1000), framed(fin|text, "too late")),
		ends("close/a ping behind it", "RFC 6455 5.5.1", answers(1000), goodbye(1000), framed(fin|ping, "too late")),
		breaks("close/one byte", "RFC 6455 5.5.1", breach, framed(fin|closeFrame, "\x03")),
		breaks("close/126 bytes", "RFC 6455 5.5", breach, framed(fin|closeFrame, string(closing(1000, strings.Repeat("r", 124))))),
		breaks("close/in fragments", "RFC 6455 5.5", breach, framed(closeFrame, "\x03"), framed(fin|continuation, "\xe8")),
		breaks("close/a reason that is not UTF-8", "RFC 6455 5.5.1", badReason, framed(fin|closeFrame, string(closing(1000, "\xff")))),
		{"close/behind a message", "RFC 6455 7.1.2", exchange{
			send: slices.Concat(framed(fin|text, "first"), goodbye(1000)), back: []message{textMessage("first")}, closes: answers(1000),
		}.run},
		ends("close/in the midst of a message", "RFC 6455 5.4", answers(1000), framed(text, "not "), goodbye(1000)),
	}
	for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999} {
		all = append(all, ends(fmt.Sprintf("close/%d", code), "RFC 6455 7.4", answers(code), goodbye(code)))
	}
	for _, code := range []int{0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		all = append(all, breaks(fmt.Sprintf("close/%d must not be sent", code), "RFC 6455 7.4", breach, goodbye(code)))
	}
	return all
}

// ends is a trial of frames with a Close frame among them, which is answered.
func ends(name, section string, codes []int, frames ...[]byte) trial {
	return trial{name, section, exchange{send: slices.Concat(frames...), closes: codes}.run}
}

// goodbye is a client's Close frame.
func goodbye(code int) []byte { return framed(fin|closeFrame, string(closing(code, ""))) }

// answers are the codes that a server may answer a Close frame with: typically the
// same, as RFC 6455 5.5.1 says, or that all is well.
func answers(code int) []int { return []int{code, lazywebsocket.CloseNormalClosure} }
