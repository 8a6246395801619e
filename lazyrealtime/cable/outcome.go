package cable

// Status is what became of a message that bore a request.
type Status string

// A message has been taken, has been refused for good, or could not be served now: the
// client may send it again.
const (
	StatusOK          Status = "ok"
	StatusRefused     Status = "refused"
	StatusUnavailable Status = "unavailable"
)

// Why a message was refused, and why it could not be served.
const (
	RefusedDenied         = "denied"          // the client may not
	RefusedInvalid        = "invalid"         // it is not what it must be
	RefusedTooLarge       = "too_large"       //
	RefusedNoSubscription = "no_subscription" // there is no subscription of that identifier
	RefusedUnsupported    = "unsupported"     // the channel takes no messages
	RefusedFailed         = "failed"          // the application says no, in its own words
	UnavailableOutage     = "outage"          // the log cannot be reached: nobody knows whether the message is in it
	UnavailableTooFast    = "rate_limited"    // the client sends more than is served; nothing was done
	UnavailableBehind     = "behind"          // the message before it was not taken; nothing was done
)

// Outcome is the answer to a message that bore a request, for extended clients.
type Outcome struct {
	Identifier string
	Request    string
	Status     Status
	// Reason is one of the words above, and empty for StatusOK: an error's text could
	// tell what is none of the client's business.
	Reason string
	// Stream, Epoch and Offset say where the message is, as in AppendPositioned. An
	// empty Stream is nowhere, and the three are left out.
	Stream, Epoch string
	Offset        uint64
}

// AppendOutcome appends the answer to a message that bore a request.
func AppendOutcome(dst []byte, o *Outcome) []byte {
	dst = AppendReply(dst, "reply", o.Identifier)
	dst = append(dst[:len(dst)-1], `,"request":`...)
	dst = appendQuoted(dst, o.Request)
	dst = append(dst, `,"status":`...)
	dst = appendQuoted(dst, string(o.Status))
	if o.Reason != "" {
		dst = append(dst, `,"reason":`...)
		dst = appendQuoted(dst, o.Reason)
	}
	if o.Stream == "" {
		return append(dst, '}')
	}
	dst = append(dst, `,"stream_id":`...)
	dst = appendQuoted(dst, o.Stream)
	return appendPosition(dst, o.Epoch, o.Offset)
}
