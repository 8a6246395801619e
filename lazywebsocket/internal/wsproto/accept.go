package wsproto

import (
	"crypto/sha1" //nolint:gosec // RFC 6455 asks for SHA-1; nothing secret rests on it
	"encoding/base64"
)

// keyGUID is the constant that the handshake appends to the key (RFC 6455, 1.3).
const keyGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// keyLength is the length of the base64 form of 16 bytes.
const keyLength = 24

// AcceptKey returns the Sec-WebSocket-Accept value that answers a
// Sec-WebSocket-Key (RFC 6455, 4.2.2).
func AcceptKey(key string) string {
	return string(AppendAcceptKey(nil, key))
}

// AppendAcceptKey appends the AcceptKey of key. With room in dst it allocates
// nothing for a key that is valid.
func AppendAcceptKey(dst []byte, key string) []byte {
	var mem [keyLength + len(keyGUID)]byte
	sum := sha1.Sum(append(append(mem[:0], key...), keyGUID...)) //nolint:gosec // see the import
	return base64.StdEncoding.AppendEncode(dst, sum[:])
}

// ValidKey reports whether key is the base64 form of 16 bytes (RFC 6455, 4.1).
// The four spare bits of the last digit may be set: the RFC's own example has
// them so (erratum 3150), and clients in the field send that very key.
func ValidKey(key string) bool {
	if len(key) != keyLength {
		return false
	}
	var b [keyLength / 4 * 3]byte
	n, err := base64.StdEncoding.Decode(b[:], []byte(key))
	return err == nil && n == 16
}
