package wsproto

import "strconv"

// ProtocolError says which rule the peer broke, and the close code that it is
// told (RFC 6455, 7.4.1).
type ProtocolError struct {
	Code   int
	Reason string // at most 123 bytes, so that it fits into a Close frame
}

func (e *ProtocolError) Error() string {
	return e.Reason + " (close code " + strconv.Itoa(e.Code) + ")"
}

// What the decoder finds, each with the section that forbids it. They are
// values, so that judging allocates nothing.
var (
	errNotMinimal    = &ProtocolError{CodeProtocolError, "length is not in its shortest form"}         // 5.2
	errLengthSign    = &ProtocolError{CodeProtocolError, "length has its top bit set"}                 // 5.2
	errRSV           = &ProtocolError{CodeProtocolError, "reserved bit set without an extension"}      // 5.2
	errOpcode        = &ProtocolError{CodeProtocolError, "reserved opcode"}                            // 5.2
	errNotMasked     = &ProtocolError{CodeProtocolError, "frame from a client is not masked"}          // 5.1
	errMasked        = &ProtocolError{CodeProtocolError, "frame from a server is masked"}              // 5.1
	errControlSize   = &ProtocolError{CodeProtocolError, "control frame of more than 125 bytes"}       // 5.5
	errControlSplit  = &ProtocolError{CodeProtocolError, "fragmented control frame"}                   // 5.5
	errNoMessage     = &ProtocolError{CodeProtocolError, "continuation frame outside a message"}       // 5.4
	errInsideMessage = &ProtocolError{CodeProtocolError, "new message inside a fragmented one"}        // 5.4
	errAfterClose    = &ProtocolError{CodeProtocolError, "frame after the close frame"}                // 5.5.1
	errCloseSize     = &ProtocolError{CodeProtocolError, "close frame with a payload of one byte"}     // 5.5.1
	errCloseCode     = &ProtocolError{CodeProtocolError, "close code must not appear on the wire"}     // 7.4
	errCloseText     = &ProtocolError{CodeInvalidPayload, "close reason is not UTF-8"}                 // 5.5.1
	errText          = &ProtocolError{CodeInvalidPayload, "text message is not UTF-8"}                 // 8.1
	errFragments     = &ProtocolError{CodePolicyViolation, "message of more fragments than the limit"} // 10.4
	ErrTooBig        = &ProtocolError{CodeMessageTooBig, "read limit exceeded"}                        // 10.4
)
