package wsproto

import (
	"crypto/sha1" //nolint:gosec // RFC 6455 asks for SHA-1; nothing secret rests on it
	"encoding/base64"
)

// keyGUID is the constant that the handshake appends to the key (RFC 6455, 1.3).
const keyGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// AcceptKey returns the Sec-WebSocket-Accept value that answers a
// Sec-WebSocket-Key (RFC 6455, 4.2.2).
func AcceptKey(key string) string {
	sum := sha1.Sum([]byte(key + keyGUID)) //nolint:gosec // see the import
	return base64.StdEncoding.EncodeToString(sum[:])
}

// ValidKey reports whether key is the base64 form of 16 bytes (RFC 6455, 4.1).
// The four spare bits of the last digit may be set: the RFC's own example has
// them so (erratum 3150), and clients in the field send that very key.
func ValidKey(key string) bool {
	b, err := base64.StdEncoding.DecodeString(key)
	return err == nil && len(b) == 16 && len(key) == 24
}
