// Package wsproto is the WebSocket protocol of RFC 6455 without I/O.
//
// It parses and builds frame headers, judges every header against the rules of
// the protocol, unmasks payloads, checks text for UTF-8 while it arrives, and
// knows the close codes. It never reads, writes, waits or keeps a buffer: a
// driver owns the bytes and the connection, feeds what it has, and does what
// the answer says. The blocking connection is one driver; an HTTP/2 stream or
// an event loop can be others, under the same rules.
//
// Nothing here is safe for concurrent use; a driver owns its values.
package wsproto
