package cable

// Envelope is what all messages of a stream to the subscriptions of an
// identifier have in common, encoded once. It never changes after NewEnvelope
// and may be used by several goroutines.
type Envelope struct {
	before   []byte // up to the message
	position []byte // after it, up to the epoch's name; nil for a base client
}

// NewEnvelope returns the envelope of messages that stream brings to
// identifier, for extended clients or base ones.
func NewEnvelope(identifier, stream string, extended bool) *Envelope {
	e := &Envelope{before: appendMessage(nil, identifier, nil)}
	if extended {
		e.position = append(e.position, `,"stream_id":`...)
		e.position = appendQuoted(e.position, stream)
	}
	return e
}

// Append appends what AppendPositioned does, or AppendMessage for a base client
// or an offset of zero, which is a message that is not stored.
func (e *Envelope) Append(dst, message []byte, epoch string, offset uint64) []byte {
	dst = append(dst, e.before...)
	dst = append(dst, message...)
	if e.position == nil || offset == 0 {
		return append(dst, '}')
	}
	dst = append(dst, e.position...)
	return appendPosition(dst, epoch, offset)
}
