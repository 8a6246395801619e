package lazywebsocket

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"

	"golazy.dev/lazywebsocket/internal/wsproto"
)

// ProtocolError says that we found the peer at fault: which close code it was
// told (RFC 6455, 7.4.1) and which rule it broke. It is not a [CloseError],
// which is the peer's own goodbye.
//
// Reads return it; match it with errors.As. The connection is ending by then:
// the Close frame with Code was sent if the peer could still be reached.
type ProtocolError struct {
	Code   int
	Reason string
}

func (e *ProtocolError) Error() string { return "websocket: " + e.Reason }

// CloseError is a Close frame from the peer (RFC 6455, 5.5.1), or the lack of
// one: Code is CloseNoStatusReceived when the frame was empty, and
// CloseAbnormalClosure when the connection ended without a Close frame.
type CloseError struct {
	// Code is the close code (RFC 6455, 7.4).
	Code int
	// Text is the reason, valid UTF-8 of at most 123 bytes, or empty.
	Text string
}

// Error has the form "websocket: close 1000 (normal): text", which programs
// that come from gorilla/websocket look for in their logs.
func (e *CloseError) Error() string {
	s := "websocket: close " + strconv.Itoa(e.Code)
	if name := closeName(e.Code); name != "" {
		s += " (" + name + ")"
	}
	if e.Text != "" {
		s += ": " + e.Text
	}
	return s
}

func closeName(code int) string {
	switch code {
	case CloseNormalClosure:
		return "normal"
	case CloseGoingAway:
		return "going away"
	case CloseProtocolError:
		return "protocol error"
	case CloseUnsupportedData:
		return "unsupported data"
	case CloseNoStatusReceived:
		return "no status"
	case CloseAbnormalClosure:
		return "abnormal closure"
	case CloseInvalidFramePayloadData:
		return "invalid payload data"
	case ClosePolicyViolation:
		return "policy violation"
	case CloseMessageTooBig:
		return "message too big"
	case CloseMandatoryExtension:
		return "mandatory extension missing"
	case CloseInternalServerErr:
		return "internal server error"
	case CloseTLSHandshake:
		return "TLS handshake error"
	}
	return ""
}

// errNoClose is what a connection that ends without a Close frame reads as.
var errNoClose = &CloseError{Code: CloseAbnormalClosure, Text: io.ErrUnexpectedEOF.Error()}

// OpError is a failure of the network, of a deadline, of a context, or of the
// caller: Op is the operation ("read", "write", "shutdown", ...), Err the
// cause, which errors.Is and errors.As find. It is a net.Error.
type OpError struct {
	Op  string
	Err error
}

func (e *OpError) Error() string { return "lazywebsocket: " + e.Op + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *OpError) Unwrap() error { return e.Err }

// Timeout reports whether a deadline passed.
func (e *OpError) Timeout() bool {
	var ne net.Error
	return errors.As(e.Err, &ne) && ne.Timeout()
}

// Temporary is false: a direction that failed stays failed.
//
// Deprecated: it is here because net.Error asks for it.
func (e *OpError) Temporary() bool { return false }

// The values and texts that programs written for gorilla/websocket compare, by
// == and by string, are kept to the letter; that is why they have its prefix.
var (
	// ErrCloseSent is returned by writes after a Close frame was sent
	// (RFC 6455, 5.5.1).
	ErrCloseSent = errors.New("websocket: close sent")

	// ErrReadLimit is returned by reads when a message is larger than the read
	// limit. It is a *ProtocolError with the code CloseMessageTooBig, which the
	// peer was told.
	ErrReadLimit error = &ProtocolError{Code: CloseMessageTooBig, Reason: wsproto.ErrTooBig.Reason}

	// ErrBadHandshake is returned by a dial when the server's answer is not a
	// valid WebSocket handshake. The response is returned beside it.
	ErrBadHandshake = errors.New("websocket: bad handshake")
)

// What a caller did wrong; none of them is sent to the peer.
var (
	errMessageType    = errors.New("message type is not text, binary, close, ping or pong")
	errNotData        = errors.New("message type is neither text nor binary")
	errControlTooLong = errors.New("control message of more than 125 bytes")
	errBadClose       = errors.New("close message with a code or a reason that must not be sent")
	errWriterClosed   = errors.New("message is finished")
	errWriterOpen     = fmt.Errorf("another writer's message is still open: %w", os.ErrDeadlineExceeded)
	errNoPong         = fmt.Errorf("no sign of life after a ping: %w", os.ErrDeadlineExceeded)
)

// errReadClosed is what a read finds after our own Close.
var errReadClosed = &OpError{Op: "read", Err: net.ErrClosed}

// readFailure turns what stopped a read into the error that the application
// sees, and sees again on every later read.
func readFailure(err error) error {
	switch e := err.(type) { //nolint:errorlint // the reader's own errors, not wrapped yet
	case handlerError:
		return e.error
	case *CloseError:
		return e
	case *wsproto.ProtocolError:
		if e == wsproto.ErrTooBig {
			return ErrReadLimit
		}
		return &ProtocolError{Code: e.Code, Reason: e.Reason}
	case networkError:
		if errors.Is(e.error, io.EOF) {
			return errNoClose
		}
		err = e.error
	}
	return &OpError{Op: "read", Err: err}
}

// networkError marks what the net.Conn returned, which may be any error, of this
// package too when it tunnels through another connection.
type networkError struct{ error }

func (e networkError) Unwrap() error { return e.error }

// IsCloseError reports whether err is, or wraps, a *[CloseError] with one of
// the codes.
func IsCloseError(err error, codes ...int) bool {
	var e *CloseError
	if !errors.As(err, &e) {
		return false
	}
	for _, code := range codes {
		if e.Code == code {
			return true
		}
	}
	return false
}

// IsUnexpectedCloseError reports whether err is, or wraps, a *[CloseError] with
// none of the codes. It is false for every other error.
func IsUnexpectedCloseError(err error, expectedCodes ...int) bool {
	var e *CloseError
	return errors.As(err, &e) && !IsCloseError(err, expectedCodes...)
}
