package wsdeflate

// Policy is what one side wants of the extension.
type Policy struct {
	// SendTakeover and ReceiveTakeover allow windows that live on between
	// messages, in the direction that this side sends or receives in.
	SendTakeover, ReceiveTakeover bool
	// SendWindowBits and ReceiveWindowBits are the largest windows that this side
	// wants, 8 to 15.
	SendWindowBits, ReceiveWindowBits int
	// ReceiveBudget is the most bytes that a receiving window may hold between
	// messages. A window that is larger is asked to be smaller; a peer that
	// cannot be held to that gets no takeover.
	ReceiveBudget int
}

// Agreement is the outcome for one side.
type Agreement struct {
	SendTakeover, ReceiveTakeover     bool
	SendWindowBits, ReceiveWindowBits int
}

// receivedBytes is what the receiver of a window of so many bits has to hold. A
// peer that agreed to 8 bits gets the window of 9 all the same: zlib, which
// cannot do 8, silently uses that.
func receivedBytes(bits int) int { return 1 << max(bits, MinWindowBits+1) }

// receiveBits returns the largest window that this side wants and can hold, and
// zero when it cannot hold even the smallest.
func (want Policy) receiveBits() int {
	bits := want.ReceiveWindowBits
	for bits >= MinWindowBits && receivedBytes(bits) > want.ReceiveBudget {
		bits--
	}
	if bits < MinWindowBits {
		return 0
	}
	return bits
}

// Accept chooses, for a server, the first offer that it can take from the
// client's Sec-WebSocket-Extensions lines, and the answer to it. ok is false
// when there is none, or when the lines do not have the header's grammar: the
// connection goes on without compression. Other extensions are passed over
// (RFC 7692, 5 and 7.1).
func Accept(lines []string, want Policy) (answer Params, agreed Agreement, ok bool) {
	s := scanner{lines: lines}
	for e, more := s.next(); more; e, more = s.next() {
		if e.deflate && e.valid && !ok {
			answer, agreed = want.answer(e.params)
			ok = true
		}
	}
	if s.malformed {
		return Params{}, Agreement{}, false
	}
	return answer, agreed, ok
}

// answer answers an offer. It never says what the offer does not allow: a
// server window larger than asked for, or a client window that was not offered.
func (want Policy) answer(offer Params) (Params, Agreement) {
	a := Params{
		ServerNoTakeover: offer.ServerNoTakeover || !want.SendTakeover,
		ClientNoTakeover: offer.ClientNoTakeover || !want.ReceiveTakeover,
	}
	send := want.SendWindowBits
	if offer.ServerWindowBits > 0 {
		send = min(send, offer.ServerWindowBits)
		a.ServerWindowBits = send // must be answered (7.1.2.1)
	}
	receive := want.ReceiveWindowBits
	if fits := want.receiveBits(); fits > 0 && !a.ClientNoTakeover {
		receive = fits
	}
	switch {
	case offer.ClientWindowBits == 0:
		receive = MaxWindowBits // may not be answered (7.1.2.2)
	case offer.ClientWindowBits > 0:
		receive = min(receive, offer.ClientWindowBits)
	}
	if receive < MaxWindowBits {
		a.ClientWindowBits = receive
	}
	if receivedBytes(receive) > want.ReceiveBudget {
		a.ClientNoTakeover = true // may be said without having been offered (7.1.1.2)
	}
	return a, Agreement{
		SendTakeover: !a.ServerNoTakeover, ReceiveTakeover: !a.ClientNoTakeover,
		SendWindowBits: send, ReceiveWindowBits: receive,
	}
}

// Offers returns what a client offers, in order of preference. A server that
// cannot keep its window small is asked, second, to go without takeover.
func (want Policy) Offers() []Params {
	first := Params{
		ServerNoTakeover: !want.ReceiveTakeover,
		ClientNoTakeover: !want.SendTakeover,
		ClientWindowBits: unsized,
	}
	if want.SendWindowBits < MaxWindowBits {
		first.ClientWindowBits = want.SendWindowBits
	}
	without := first
	without.ServerNoTakeover = true
	switch fits := want.receiveBits(); {
	case first.ServerNoTakeover, fits == MaxWindowBits:
		return []Params{first}
	case fits == 0:
		return []Params{without}
	default:
		first.ServerWindowBits = fits
		return []Params{first, without}
	}
}

// Confirm judges, for a client, the server's Sec-WebSocket-Extensions lines
// against what it offered. ok is false when the connection must fail: an
// answer that no offer allows, or more than one (RFC 7692, 7.1, and RFC 6455,
// 4.1). No lines at all mean no compression: used is false.
func Confirm(lines []string, offered []Params) (agreed Agreement, used, ok bool) {
	s := scanner{lines: lines, answer: true}
	e, used := s.next()
	_, more := s.next()
	if !used || more || s.malformed {
		return Agreement{}, false, !used && !s.malformed
	}
	if e.deflate && e.valid {
		for _, offer := range offered {
			if agreed, ok := offer.confirm(e.params); ok {
				return agreed, true, true
			}
		}
	}
	return Agreement{}, false, false
}

// confirm judges an answer to one offer.
func (offer Params) confirm(answer Params) (Agreement, bool) {
	switch {
	case offer.ServerNoTakeover && !answer.ServerNoTakeover,
		offer.ServerWindowBits > 0 && (answer.ServerWindowBits == 0 || answer.ServerWindowBits > offer.ServerWindowBits),
		answer.ClientWindowBits > 0 && offer.ClientWindowBits == 0,
		offer.ClientWindowBits > 0 && answer.ClientWindowBits > offer.ClientWindowBits:
		return Agreement{}, false
	}
	a := Agreement{
		SendTakeover:      !answer.ClientNoTakeover && !offer.ClientNoTakeover,
		ReceiveTakeover:   !answer.ServerNoTakeover,
		SendWindowBits:    MaxWindowBits,
		ReceiveWindowBits: MaxWindowBits,
	}
	if offer.ClientWindowBits > 0 {
		a.SendWindowBits = offer.ClientWindowBits // we said that we use no more
	}
	if answer.ClientWindowBits > 0 {
		a.SendWindowBits = answer.ClientWindowBits
	}
	if answer.ServerWindowBits > 0 {
		a.ReceiveWindowBits = answer.ServerWindowBits
	}
	return a, true
}
