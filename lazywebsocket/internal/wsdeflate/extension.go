package wsdeflate

import (
	"strconv"
	"strings"
)

// Name is the extension's token (RFC 7692, 7).
const Name = "permessage-deflate"

// The parameters of RFC 7692, 7.1.
const (
	serverNoTakeover = "server_no_context_takeover"
	clientNoTakeover = "client_no_context_takeover"
	serverWindowBits = "server_max_window_bits"
	clientWindowBits = "client_max_window_bits"
)

// MinWindowBits and MaxWindowBits bound the base-two logarithm of a window's
// size in bytes.
const (
	MinWindowBits = 8
	MaxWindowBits = 15
)

// Params are the parameters of one permessage-deflate element: an offer of a
// client, or the answer of a server. The zero value has none.
type Params struct {
	ServerNoTakeover bool
	ClientNoTakeover bool
	// ServerWindowBits is zero when the parameter is absent.
	ServerWindowBits int
	// ClientWindowBits is zero when the parameter is absent, and unsized when an
	// offer names it without a value: the client can take one.
	ClientWindowBits int
}

// unsized is the value of a client_max_window_bits that has none.
const unsized = -1

// String is p as an element of the header.
func (p Params) String() string {
	s := Name
	if p.ServerNoTakeover {
		s += "; " + serverNoTakeover
	}
	if p.ClientNoTakeover {
		s += "; " + clientNoTakeover
	}
	if p.ServerWindowBits > 0 {
		s += "; " + serverWindowBits + "=" + strconv.Itoa(p.ServerWindowBits)
	}
	switch {
	case p.ClientWindowBits == unsized:
		s += "; " + clientWindowBits
	case p.ClientWindowBits > 0:
		s += "; " + clientWindowBits + "=" + strconv.Itoa(p.ClientWindowBits)
	}
	return s
}

// set takes in one parameter of an offer, or of an answer. It returns false for
// an unknown or repeated one and for a value that the parameter does not have:
// such an offer is declined, such an answer fails the connection (RFC 7692, 7.1).
func (p *Params) set(q param, answer bool) (ok bool) {
	switch q.name {
	case serverNoTakeover:
		ok = !p.ServerNoTakeover && !q.hasValue
		p.ServerNoTakeover = true
	case clientNoTakeover:
		ok = !p.ClientNoTakeover && !q.hasValue
		p.ClientNoTakeover = true
	case serverWindowBits:
		ok = p.ServerWindowBits == 0
		p.ServerWindowBits = windowBits(q.value)
		ok = ok && p.ServerWindowBits > 0
	case clientWindowBits:
		ok = p.ClientWindowBits == 0
		p.ClientWindowBits = windowBits(q.value)
		if !q.hasValue && !answer {
			p.ClientWindowBits = unsized
		}
		ok = ok && p.ClientWindowBits != 0
	}
	return ok
}

// windowBits reads 8 to 15 without leading zeros; zero is anything else.
func windowBits(value string) int {
	n, err := strconv.Atoi(value)
	if err != nil || n < MinWindowBits || n > MaxWindowBits || strconv.Itoa(n) != value {
		return 0
	}
	return n
}

// element is one extension of a header.
type element struct {
	deflate bool // it is permessage-deflate
	valid   bool // its parameters are some that permessage-deflate has
	params  Params
}

type param struct {
	name, value string
	hasValue    bool
}

// scanner reads Sec-WebSocket-Extensions header lines (RFC 6455, 9.1), element
// by element. It takes time in proportion to their length, and keeps nothing.
type scanner struct {
	rest      string // of the current line
	lines     []string
	answer    bool // they are a server's
	malformed bool // they do not have the grammar; nothing in them counts
}

// next takes the next element. ok is false at the end and where the grammar is
// broken.
func (s *scanner) next() (e element, ok bool) {
	for !s.malformed {
		s.space()
		switch {
		case s.take(','): // an empty element (RFC 9110, 5.6.1.2)
		case s.rest != "":
			e, ok = s.element()
			s.malformed = !ok
			return e, ok
		case len(s.lines) == 0:
			return e, false
		default:
			s.rest, s.lines = s.lines[0], s.lines[1:]
		}
	}
	return e, false
}

func (s *scanner) space() { s.rest = strings.TrimLeft(s.rest, " \t") }

// take takes c if it comes next.
func (s *scanner) take(c byte) bool {
	if s.rest == "" || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

// token takes a token; it is empty if none comes next.
func (s *scanner) token() string {
	n := 0
	for n < len(s.rest) && tokenByte(s.rest[n]) {
		n++
	}
	t := s.rest[:n]
	s.rest = s.rest[n:]
	return t
}

func tokenByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

// element takes an extension with its parameters, up to the comma behind it.
func (s *scanner) element() (e element, ok bool) {
	name := s.token()
	if name == "" {
		return e, false
	}
	e.deflate, e.valid = name == Name, true
	for s.space(); s.take(';'); s.space() {
		s.space()
		q, ok := s.param()
		if !ok {
			return e, false
		}
		e.valid = e.valid && e.params.set(q, s.answer)
	}
	return e, s.rest == "" || s.rest[0] == ','
}

// param takes a parameter; a quoted value must be a token once unquoted.
func (s *scanner) param() (p param, ok bool) {
	p.name = s.token()
	s.space()
	if p.name == "" || !s.take('=') {
		return p, p.name != ""
	}
	s.space()
	p.hasValue = true
	if !s.take('"') {
		p.value = s.token()
		return p, p.value != ""
	}
	p.value, ok = s.quoted()
	return p, ok
}

// quoted takes the rest of a quoted string.
func (s *scanner) quoted() (string, bool) {
	var b strings.Builder
	for s.rest != "" {
		c := s.rest[0]
		s.rest = s.rest[1:]
		if c == '"' {
			return b.String(), b.Len() > 0
		}
		if c == '\\' && s.rest != "" {
			c, s.rest = s.rest[0], s.rest[1:]
		}
		if !tokenByte(c) {
			return "", false
		}
		b.WriteByte(c)
	}
	return "", false
}
