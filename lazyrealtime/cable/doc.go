// Package cable is the wire grammar of Action Cable: what its clients send, and
// what a server answers them with.
//
// It parses and builds frames and does nothing else: no I/O, no state, no time.
// Whoever owns a connection decides what a command does and in which order the
// answers leave. All functions may be called concurrently.
//
// # Two subprotocols, one grammar
//
// Every frame is one JSON object in a WebSocket text message. Base is spoken by
// all clients. Extended adds positions, history, presence and whispers, and is
// offered by @anycable/core and by this project's own client. Negotiate chooses.
//
// A client sends commands (ParseCommand):
//
//	{"command":"subscribe", "identifier":ID, "history":HISTORY?, "presence":WHO?}
//	{"command":"unsubscribe", "identifier":ID}
//	{"command":"message", "identifier":ID, "data":"JSON text"}
//	{"command":"message", "identifier":ID, "data":"JSON text",
//	 "request":NAME, "behind":NAME?}                               extended, like all below
//	{"command":"whisper", "identifier":ID, "data":any}
//	{"command":"history", "identifier":ID, "history":HISTORY?}
//	{"command":"join", "identifier":ID, "presence":WHO?}
//	{"command":"leave", "identifier":ID}
//	{"command":"presence", "identifier":ID, "data":{"return_records":bool?}?}
//	{"command":"pong"}
//
//	HISTORY = {"since":seconds or false, "streams":{NAME:{"epoch":string, "offset":number}}}
//	WHO     = {"id":string, "info":any?}
//
// and a server answers (the Append functions):
//
//	{"type":"welcome", "sid":string?}
//	{"type":"ping", "message":seconds}
//	{"type":"disconnect", "reason":string, "reconnect":bool}
//	{"type":"confirm_subscription", "identifier":ID}               or reject_subscription
//	{"identifier":ID, "message":any}
//	{"identifier":ID, "message":any, "stream_id":NAME, "epoch":string, "offset":number}  extended, like all below
//	{"type":"confirm_history", "identifier":ID}                    or reject_history
//	{"type":"presence", "identifier":ID, "message":{"type":"join", "id":string, "info":any}}
//	{"type":"presence", "identifier":ID, "message":{"type":"leave", "id":string}}
//	{"type":"presence", "identifier":ID, "message":{"type":"info", "total":number, "records":[WHO]?}}
//	{"type":"presence", "identifier":ID, "message":{"type":"error"}}
//	{"type":"reply", "identifier":ID, "request":NAME, "status":"ok",
//	 "stream_id":NAME?, "epoch":string?, "offset":number?}
//	{"type":"reply", "identifier":ID, "request":NAME, "status":"refused" or "unavailable", "reason":string}
//
// ID is a string that the client has chosen. Both clients make it by writing a
// JSON object, the channel and its parameters, which ParseIdentifier reads; but
// they compare it as a string, so that an answer must bear exactly the one that
// came, and not the same parameters in another order.
//
// A reply comes to messages that bear a request only, which is this project's own: see
// Outcome.
//
// # What the clients force on a server
//
//   - Unasked for, "welcome" is the first frame, and nothing is subscribed before it.
//   - The order of answers to a subscribe is: confirm_subscription, the history
//     from its oldest message, confirm_history, then what is live. Clients deliver
//     in the order of arrival: they neither sort nor remove duplicates.
//   - A client notes the position of the message that came last, not the greatest,
//     and one per stream, whichever of its subscriptions brought it: a stream_id
//     that several subscriptions of a connection share has one position for all.
//   - An empty stream_id or epoch is no position, so offsets start at one, and
//     zero can mean that nothing has been received.
//   - A message that JavaScript takes for false is dropped by @anycable/core, and
//     its position with it: see Truthy.
//   - A base client hands the message of any type that it does not know to the
//     application: nothing extended may be sent to it.
//   - A position arrives as JavaScript kept it: exact up to MaxOffset. Since is the
//     client's clock, in whole seconds, and false when the page has switched it off.
//   - Members whose value would be undefined are left out: a history without
//     HISTORY, a whisper without data and a leave without WHO are all well formed.
//   - A disconnect with the reason token_expired fetches a new token only if
//     reconnect is false. Any disconnect makes the client forget its session.
//
// # What is refused
//
// A frame that is not an object of this grammar is a *SyntaxError, and so is one
// whose members have other types, an identifier that is empty or cannot be
// echoed, and nesting beyond MaxDepth. Names of members are compared exactly,
// upper and lower case apart; of members with the same name the last counts; null
// is the same as none; unknown ones are ignored.
//
// What goes into a frame as JSON (a message, the info of a member) goes in as it
// is. CheckMessage says whether it may: besides JSON it must be UTF-8, because one
// bad byte makes every browser that receives it close its connection with 1007.
package cable
