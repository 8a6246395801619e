package wsproto

import (
	"encoding/binary"
	"unicode/utf8"
)

// The close codes that the protocol itself uses (RFC 6455, 7.4.1).
const (
	CodeNormal          = 1000
	CodeProtocolError   = 1002
	CodeNoStatus        = 1005 // never on the wire: the Close frame was empty
	CodeInvalidPayload  = 1007
	CodePolicyViolation = 1008
	CodeMessageTooBig   = 1009
)

// MaxCloseReason is the largest close reason in bytes: a control payload
// without the two bytes of the code.
const MaxCloseReason = MaxControlPayload - 2

// ValidCode reports whether code may stand in a Close frame: the registered
// codes that are not reserved for local use, and the ranges for libraries
// (3000 to 3999) and applications (4000 to 4999). RFC 6455, 7.4, and IANA's
// registry, which added 1012 to 1014.
func ValidCode(code int) bool {
	switch {
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014:
		return true
	default:
		return code >= 3000 && code <= 4999
	}
}

// ParseClose reads the unmasked payload of a Close frame. An empty payload has
// the code CodeNoStatus. The reason aliases payload. An error is a
// *ProtocolError (RFC 6455, 5.5.1 and 7.4).
func ParseClose(payload []byte) (code int, reason []byte, err error) {
	if len(payload) == 0 {
		return CodeNoStatus, nil, nil
	}
	if len(payload) == 1 {
		return 0, nil, errCloseSize
	}
	code, reason = int(binary.BigEndian.Uint16(payload)), payload[2:]
	if !ValidCode(code) {
		return 0, nil, errCloseCode
	}
	if !utf8.Valid(reason) {
		return 0, nil, errCloseText
	}
	return code, reason, nil
}

// AppendClose appends the payload of a Close frame. CodeNoStatus gives an empty
// one, whatever the reason. The caller has checked the code and the length.
func AppendClose(dst []byte, code int, reason string) []byte {
	if code == CodeNoStatus {
		return dst
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(code)) //nolint:gosec // codes have two bytes
	return append(dst, reason...)
}
