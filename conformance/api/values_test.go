package api_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golazy.dev/lazywebsocket"
)

// What the types do not say and programs rely on all the same: the texts of
// errors, which they look for in logs and compare, and the contents of
// variables. All of it was observed on gorilla/websocket v1.5.3.

func TestErrorValues(t *testing.T) {
	for err, text := range map[error]string{
		lazywebsocket.ErrBadHandshake: "websocket: bad handshake",
		lazywebsocket.ErrCloseSent:    "websocket: close sent",
		lazywebsocket.ErrReadLimit:    "websocket: read limit exceeded",
	} {
		if err.Error() != text {
			t.Errorf("have %q, want %q", err, text)
		}
	}
}

func TestCloseErrorText(t *testing.T) {
	for code, want := range map[int]string{
		lazywebsocket.CloseNormalClosure:           "websocket: close 1000 (normal)",
		lazywebsocket.CloseGoingAway:               "websocket: close 1001 (going away)",
		lazywebsocket.CloseProtocolError:           "websocket: close 1002 (protocol error)",
		lazywebsocket.CloseUnsupportedData:         "websocket: close 1003 (unsupported data)",
		1004:                                       "websocket: close 1004",
		lazywebsocket.CloseNoStatusReceived:        "websocket: close 1005 (no status)",
		lazywebsocket.CloseAbnormalClosure:         "websocket: close 1006 (abnormal closure)",
		lazywebsocket.CloseInvalidFramePayloadData: "websocket: close 1007 (invalid payload data)",
		lazywebsocket.ClosePolicyViolation:         "websocket: close 1008 (policy violation)",
		lazywebsocket.CloseMessageTooBig:           "websocket: close 1009 (message too big)",
		lazywebsocket.CloseMandatoryExtension:      "websocket: close 1010 (mandatory extension missing)",
		lazywebsocket.CloseInternalServerErr:       "websocket: close 1011 (internal server error)",
		lazywebsocket.CloseServiceRestart:          "websocket: close 1012",
		lazywebsocket.CloseTryAgainLater:           "websocket: close 1013",
		lazywebsocket.CloseTLSHandshake:            "websocket: close 1015 (TLS handshake error)",
		3000:                                       "websocket: close 3000",
	} {
		if have := (&lazywebsocket.CloseError{Code: code}).Error(); have != want {
			t.Errorf("have %q, want %q", have, want)
		}
		if have := (&lazywebsocket.CloseError{Code: code, Text: "bye"}).Error(); have != want+": bye" {
			t.Errorf("have %q, want %q", have, want+": bye")
		}
	}
}

func TestCloseErrorPredicates(t *testing.T) {
	closed := &lazywebsocket.CloseError{Code: lazywebsocket.CloseGoingAway}
	for _, c := range []struct {
		err               error
		codes             []int
		close, unexpected bool
	}{
		{closed, []int{1000, 1001}, true, false},
		{closed, []int{1000}, false, true},
		{closed, nil, false, true},
		{io.EOF, []int{1000}, false, false},
		{nil, []int{1000}, false, false},
	} {
		if have := lazywebsocket.IsCloseError(c.err, c.codes...); have != c.close {
			t.Errorf("IsCloseError(%v, %v) = %v", c.err, c.codes, have)
		}
		if have := lazywebsocket.IsUnexpectedCloseError(c.err, c.codes...); have != c.unexpected {
			t.Errorf("IsUnexpectedCloseError(%v, %v) = %v", c.err, c.codes, have)
		}
	}
}

func TestFormatCloseMessage(t *testing.T) {
	for _, c := range []struct {
		code       int
		text, want string
	}{
		{lazywebsocket.CloseNormalClosure, "bye", "\x03\xe8bye"},
		{lazywebsocket.CloseGoingAway, "", "\x03\xe9"},
		{lazywebsocket.CloseNoStatusReceived, "dropped", ""},
	} {
		if have := string(lazywebsocket.FormatCloseMessage(c.code, c.text)); have != c.want {
			t.Errorf("FormatCloseMessage(%d, %q) = %q, want %q", c.code, c.text, have, c.want)
		}
	}
}

func TestDefaultDialer(t *testing.T) {
	d := lazywebsocket.DefaultDialer
	if d.HandshakeTimeout != 45*time.Second {
		t.Errorf("HandshakeTimeout is %v", d.HandshakeTimeout)
	}
	// That of http.ProxyFromEnvironment: programs lend it to dialers of their own.
	if d.Proxy == nil {
		t.Error("Proxy is nil")
	}
}

// TestRefusals looks at what a refused upgrade gives the application and the
// client: a HandshakeError value with a text that programs search, and a status.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*http.Request)
		status int
		text   string
	}{
		{"no upgrade", func(r *http.Request) { r.Header.Del("Connection") }, 400, "the client is not using the websocket protocol"},
		{"another protocol", func(r *http.Request) { r.Header.Set("Upgrade", "h2c") }, 400, "the client is not using the websocket protocol"},
		{"POST", func(r *http.Request) { r.Method = http.MethodPost }, 405, "the client is not using the websocket protocol"},
		{"no key", func(r *http.Request) { r.Header.Del("Sec-WebSocket-Key") }, 400, "Sec-WebSocket-Key"},
		{"foreign origin", func(r *http.Request) { r.Header.Set("Origin", "http://elsewhere.example") }, 403, "request origin not allowed by Upgrader.CheckOrigin"},
		{"no hijacking", func(*http.Request) {}, 500, "websocket: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "http://example.com/", nil)
			r.Header.Set("Connection", "Upgrade")
			r.Header.Set("Upgrade", "websocket")
			r.Header.Set("Sec-WebSocket-Version", "13")
			r.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
			c.change(r)
			w := httptest.NewRecorder()
			_, err := new(lazywebsocket.Upgrader).Upgrade(w, r, nil)
			//nolint:errorlint // programs assert the type, so that it must not be wrapped
			if _, ok := err.(lazywebsocket.HandshakeError); !ok {
				t.Fatalf("the error is a %T, not a HandshakeError: %v", err, err)
			}
			if !strings.HasPrefix(err.Error(), "websocket: ") || !strings.Contains(err.Error(), c.text) {
				t.Errorf("the error is %q, want %q in it", err, c.text)
			}
			if want := http.StatusText(c.status) + "\n"; w.Code != c.status || w.Body.String() != want {
				t.Errorf("the answer is %d %q, want %d %q", w.Code, w.Body, c.status, want)
			}
		})
	}
}

// TestBadHandshake looks at what a refused dial gives the application: the error
// value itself, and the response with a body that can still be read.
func TestBadHandshake(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, strings.Repeat("x", 2000))
	}))
	defer s.Close()
	_, resp, err := lazywebsocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.URL, "http"), nil)
	//nolint:errorlint // programs compare the value, so that it must not be wrapped
	if err != lazywebsocket.ErrBadHandshake {
		t.Fatalf("the error is %v", err)
	}
	if resp == nil || resp.Status != "403 Forbidden" {
		t.Fatalf("the response is %v", resp)
	}
	body, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil || len(body) != 1024 {
		t.Errorf("read %d bytes of the body, error %v", len(body), err)
	}
}
