package lazywebsocket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"

	"golazy.dev/lazywebsocket"
)

// The texts that programs compare.
func TestErrorTexts(t *testing.T) {
	for want, err := range map[string]error{
		"websocket: close sent":                                    lazywebsocket.ErrCloseSent,
		"websocket: bad handshake":                                 lazywebsocket.ErrBadHandshake,
		"websocket: read limit exceeded":                           lazywebsocket.ErrReadLimit,
		"websocket: close 1000 (normal)":                           &lazywebsocket.CloseError{Code: 1000},
		"websocket: close 1000 (normal): bye":                      &lazywebsocket.CloseError{Code: 1000, Text: "bye"},
		"websocket: close 1001 (going away)":                       &lazywebsocket.CloseError{Code: 1001},
		"websocket: close 1002 (protocol error)":                   &lazywebsocket.CloseError{Code: 1002},
		"websocket: close 1003 (unsupported data)":                 &lazywebsocket.CloseError{Code: 1003},
		"websocket: close 1004":                                    &lazywebsocket.CloseError{Code: 1004},
		"websocket: close 1005 (no status)":                        &lazywebsocket.CloseError{Code: 1005},
		"websocket: close 1006 (abnormal closure): unexpected EOF": &lazywebsocket.CloseError{Code: 1006, Text: io.ErrUnexpectedEOF.Error()},
		"websocket: close 1007 (invalid payload data)":             &lazywebsocket.CloseError{Code: 1007},
		"websocket: close 1008 (policy violation)":                 &lazywebsocket.CloseError{Code: 1008},
		"websocket: close 1009 (message too big)":                  &lazywebsocket.CloseError{Code: 1009},
		"websocket: close 1010 (mandatory extension missing)":      &lazywebsocket.CloseError{Code: 1010},
		"websocket: close 1011 (internal server error)":            &lazywebsocket.CloseError{Code: 1011},
		"websocket: close 1012":                                    &lazywebsocket.CloseError{Code: 1012},
		"websocket: close 1015 (TLS handshake error)":              &lazywebsocket.CloseError{Code: 1015},
		"websocket: close 4000: mine":                              &lazywebsocket.CloseError{Code: 4000, Text: "mine"},
		"websocket: why":                                           &lazywebsocket.ProtocolError{Code: 1002, Reason: "why"},
		"lazywebsocket: read: use of closed network connection":    &lazywebsocket.OpError{Op: "read", Err: net.ErrClosed},
	} {
		if err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
	}
}

func TestOpError(t *testing.T) {
	for _, tc := range []struct {
		err     error
		timeout bool
	}{
		{os.ErrDeadlineExceeded, true},
		{context.DeadlineExceeded, true},
		{fmt.Errorf("wrapped: %w", os.ErrDeadlineExceeded), true},
		{context.Canceled, false},
		{net.ErrClosed, false},
	} {
		var err error = &lazywebsocket.OpError{Op: "read", Err: tc.err}
		ne, ok := err.(net.Error) //nolint:errorlint // programs assert it
		if !ok || ne.Timeout() != tc.timeout || !errors.Is(err, tc.err) {
			t.Errorf("%v: net.Error %v, time-out %v", err, ok, ok && ne.Timeout())
		}
		if temporary, ok := err.(interface{ Temporary() bool }); !ok || temporary.Temporary() {
			t.Errorf("%v is temporary", err)
		}
	}
}

func TestIsCloseError(t *testing.T) {
	err := error(&lazywebsocket.CloseError{Code: 1000})
	wrapped := fmt.Errorf("read chat socket: %w", err)
	for _, tc := range []struct {
		err            error
		codes          []int
		is, unexpected bool
	}{
		{nil, []int{1000}, false, false},
		{io.EOF, []int{1000}, false, false},
		{err, []int{1000}, true, false},
		{err, []int{1001, 1000}, true, false},
		{err, []int{1001}, false, true},
		{err, nil, false, true},
		{wrapped, []int{1000}, true, false},
		{wrapped, []int{1001}, false, true},
		{lazywebsocket.ErrReadLimit, []int{1009}, false, false},
	} {
		if got := lazywebsocket.IsCloseError(tc.err, tc.codes...); got != tc.is {
			t.Errorf("IsCloseError(%v, %v) is %v", tc.err, tc.codes, got)
		}
		if got := lazywebsocket.IsUnexpectedCloseError(tc.err, tc.codes...); got != tc.unexpected {
			t.Errorf("IsUnexpectedCloseError(%v, %v) is %v", tc.err, tc.codes, got)
		}
	}
}

func TestErrReadLimitIsAProtocolError(t *testing.T) {
	var protocol *lazywebsocket.ProtocolError
	if !errors.As(lazywebsocket.ErrReadLimit, &protocol) || protocol.Code != lazywebsocket.CloseMessageTooBig {
		t.Errorf("%#v", lazywebsocket.ErrReadLimit)
	}
}
