package wsproto

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// Every rule, with the close code that RFC 6455 gives it (7.4.1).
func TestProtocolErrors(t *testing.T) {
	seen := map[string]bool{}
	for _, row := range []struct {
		rule *ProtocolError
		code int
	}{
		{errNotMinimal, 1002},
		{errLengthSign, 1002},
		{errRSV, 1002},
		{errOpcode, 1002},
		{errNotMasked, 1002},
		{errMasked, 1002},
		{errControlSize, 1002},
		{errControlSplit, 1002},
		{errNoMessage, 1002},
		{errInsideMessage, 1002},
		{errAfterClose, 1002},
		{errCloseSize, 1002},
		{errCloseCode, 1002},
		{errCloseText, 1007},
		{errText, 1007},
		{errFragments, 1008},
		{ErrTooBig, 1009},
	} {
		reason := row.rule.Reason
		if row.rule.Code != row.code {
			t.Errorf("%q has code %d, want %d", reason, row.rule.Code, row.code)
		}
		if reason == "" || len(reason) > MaxCloseReason || !utf8.ValidString(reason) || reason != strings.ToLower(reason[:1])+reason[1:] {
			t.Errorf("reason %q does not fit into a Close frame", reason)
		}
		if seen[reason] {
			t.Errorf("two rules say %q", reason)
		}
		seen[reason] = true
	}
}

func TestProtocolErrorText(t *testing.T) {
	err := &ProtocolError{Code: 1002, Reason: "reserved opcode"}
	if got, want := err.Error(), "reserved opcode (close code 1002)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
