package cable

import "strconv"

// Kind is an answer that says nothing but which subscription it is about.
type Kind string

// The kinds of answers. A base client must be sent the first two only.
const (
	ConfirmSubscription Kind = "confirm_subscription"
	RejectSubscription  Kind = "reject_subscription"
	ConfirmHistory      Kind = "confirm_history"
	RejectHistory       Kind = "reject_history"
)

// Why a server disconnects, and whether it lets the client come back.
const (
	ReasonUnauthorized   = "unauthorized"    // may not connect: reconnect is false
	ReasonInvalidRequest = "invalid_request" // speaks something else: reconnect is false
	ReasonTokenExpired   = "token_expired"   // reconnect is false: only then do clients get a new one
	ReasonIdleTimeout    = "idle_timeout"    // said nothing after the handshake: reconnect is false
	ReasonServerRestart  = "server_restart"  // the server goes away: reconnect is true
	ReasonNoPong         = "no_pong"         // does not answer pings: reconnect is true
	ReasonTooSlow        = "too_slow"        // does not read what it is sent: reconnect is true
	ReasonRemote         = "remote"          // the application wants it: reconnect is its choice
)

// AppendWelcome appends the first frame of a connection, which the clients wait
// for before they subscribe. An empty sid, the session's name, is left out.
func AppendWelcome(dst []byte, sid string) []byte {
	dst = append(dst, `{"type":"welcome"`...)
	if sid != "" {
		dst = append(dst, `,"sid":`...)
		dst = appendQuoted(dst, sid)
	}
	return append(dst, '}')
}

// AppendDisconnect appends the last frame of a connection. Without reconnect
// the client stays away for good.
func AppendDisconnect(dst []byte, reason string, reconnect bool) []byte {
	dst = append(dst, `{"type":"disconnect","reason":`...)
	dst = appendQuoted(dst, reason)
	dst = append(dst, `,"reconnect":`...)
	dst = strconv.AppendBool(dst, reconnect)
	return append(dst, '}')
}

// AppendPing appends a heartbeat, with the server's time in seconds.
func AppendPing(dst []byte, unixSeconds int64) []byte {
	dst = append(dst, `{"type":"ping","message":`...)
	dst = strconv.AppendInt(dst, unixSeconds, 10)
	return append(dst, '}')
}

// AppendReply appends an answer about a subscription.
func AppendReply(dst []byte, kind Kind, identifier string) []byte {
	dst = append(dst, `{"type":`...)
	dst = appendQuoted(dst, string(kind))
	dst = append(dst, `,"identifier":`...)
	dst = appendQuoted(dst, identifier)
	return append(dst, '}')
}

// AppendReplyAt is AppendReply that tells an extended client where it stands in a
// stream: what comes next is behind that. Clients that know nothing of it ignore
// it.
func AppendReplyAt(dst []byte, kind Kind, identifier, stream, epoch string, offset uint64) []byte {
	dst = AppendReply(dst, kind, identifier)
	dst = append(dst[:len(dst)-1], `,"streams":{`...)
	dst = appendQuoted(dst, stream)
	dst = append(dst, `:{"epoch":`...)
	dst = appendQuoted(dst, epoch)
	dst = append(dst, `,"offset":`...)
	dst = strconv.AppendUint(dst, offset, 10)
	return append(dst, `}}}`...)
}

// AppendMessage appends a message without a position: all messages of a base
// client, and those of an extended client that are not stored. The message is a
// JSON text that CheckMessage accepts, and goes in as it is.
func AppendMessage(dst []byte, identifier string, message []byte) []byte {
	dst = appendMessage(dst, identifier, message)
	return append(dst, '}')
}

// AppendPositioned appends a message with its position, for extended clients.
// A client takes note of it only if stream and epoch are not empty and the
// message is Truthy, and sends it back exactly up to MaxOffset.
func AppendPositioned(dst []byte, identifier string, message []byte, stream, epoch string, offset uint64) []byte {
	dst = appendMessage(dst, identifier, message)
	dst = append(dst, `,"stream_id":`...)
	dst = appendQuoted(dst, stream)
	return appendPosition(dst, epoch, offset)
}

// appendMessage leaves the object open.
func appendMessage(dst []byte, identifier string, message []byte) []byte {
	dst = append(dst, `{"identifier":`...)
	dst = appendQuoted(dst, identifier)
	dst = append(dst, `,"message":`...)
	return append(dst, message...)
}

// appendPosition closes the object.
func appendPosition(dst []byte, epoch string, offset uint64) []byte {
	dst = append(dst, `,"epoch":`...)
	dst = appendQuoted(dst, epoch)
	dst = append(dst, `,"offset":`...)
	dst = strconv.AppendUint(dst, offset, 10)
	return append(dst, '}')
}
