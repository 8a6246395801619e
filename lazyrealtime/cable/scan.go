package cable

// MaxDepth is how many arrays and objects may stand inside each other in a JSON
// text that this package accepts. It is the limit that Ruby's parser has by
// default, so that whatever passes can be read on the other side too.
const MaxDepth = 100

// scanner walks over one JSON text (RFC 8259). It judges every byte once and
// allocates nothing; what it returns are parts of the text.
type scanner struct {
	text  []byte
	at    int
	depth int
}

var (
	errNotJSON   = syntaxError("not a JSON text")
	errTrailing  = syntaxError("more than one JSON text")
	errDepth     = syntaxError("JSON text nested too deeply")
	errNotUTF8   = syntaxError("text is not UTF-8")
	errNotObject = syntaxError("not a JSON object")
)

func (s *scanner) space() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

// peek returns the next byte that is not white space, and 0 at the end: a NUL
// is no token of JSON either.
func (s *scanner) peek() byte {
	s.space()
	if s.at == len(s.text) {
		return 0
	}
	return s.text[s.at]
}

// accept steps over c if it is next, after white space.
func (s *scanner) accept(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.at++
	return true
}

// end reports whether nothing but white space is left.
func (s *scanner) end() error {
	s.space()
	if s.at != len(s.text) {
		return errTrailing
	}
	return nil
}

// value returns the next value as it is written, without the space around it.
func (s *scanner) value() ([]byte, error) {
	c := s.peek()
	start := s.at
	var err error
	switch {
	case c == '{':
		err = s.object(func(_, _ []byte) error { return nil })
	case c == '[':
		err = s.array()
	case c == '"':
		err = s.str()
	case c == '-' || '0' <= c && c <= '9':
		err = s.number()
	default:
		err = s.literal()
	}
	if err != nil {
		return nil, err
	}
	return s.text[start:s.at], nil
}

// object walks over an object and calls member with each key, as it is written
// and in its quotation marks, and the value.
func (s *scanner) object(member func(key, value []byte) error) error {
	if !s.accept('{') {
		return errNotObject
	}
	if s.depth++; s.depth > MaxDepth {
		return errDepth
	}
	for n := 0; !s.accept('}'); n++ {
		if n > 0 && !s.accept(',') {
			return errNotJSON
		}
		key, value, err := s.member()
		if err != nil {
			return err
		}
		if err := member(key, value); err != nil {
			return err
		}
	}
	s.depth--
	return nil
}

func (s *scanner) member() (key, value []byte, err error) {
	if s.peek() != '"' {
		return nil, nil, errNotJSON
	}
	if key, err = s.value(); err != nil {
		return nil, nil, err
	}
	if !s.accept(':') {
		return nil, nil, errNotJSON
	}
	value, err = s.value()
	return key, value, err
}

func (s *scanner) array() error {
	s.at++
	if s.depth++; s.depth > MaxDepth {
		return errDepth
	}
	for n := 0; !s.accept(']'); n++ {
		if n > 0 && !s.accept(',') {
			return errNotJSON
		}
		if _, err := s.value(); err != nil {
			return err
		}
	}
	s.depth--
	return nil
}

func (s *scanner) literal() error {
	for _, word := range [...]string{"true", "false", "null"} {
		if rest := s.text[s.at:]; len(rest) >= len(word) && string(rest[:len(word)]) == word {
			s.at += len(word)
			return nil
		}
	}
	return errNotJSON
}

func (s *scanner) number() error {
	if s.text[s.at] == '-' {
		s.at++
	}
	switch {
	case s.at < len(s.text) && s.text[s.at] == '0':
		s.at++
	case s.digits() == 0:
		return errNotJSON
	}
	if s.at < len(s.text) && s.text[s.at] == '.' {
		s.at++
		if s.digits() == 0 {
			return errNotJSON
		}
	}
	if s.at < len(s.text) && (s.text[s.at] == 'e' || s.text[s.at] == 'E') {
		s.at++
		if s.at < len(s.text) && (s.text[s.at] == '+' || s.text[s.at] == '-') {
			s.at++
		}
		if s.digits() == 0 {
			return errNotJSON
		}
	}
	return nil
}

func (s *scanner) digits() int {
	start := s.at
	for s.at < len(s.text) && '0' <= s.text[s.at] && s.text[s.at] <= '9' {
		s.at++
	}
	return s.at - start
}

// str steps over a string. Whether its bytes are UTF-8 is not asked here.
func (s *scanner) str() error {
	for s.at++; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; {
		case c == '"':
			s.at++
			return nil
		case c < ' ':
			return errNotJSON
		case c == '\\':
			if err := s.escape(); err != nil {
				return err
			}
		}
	}
	return errNotJSON
}

// escape leaves s on the last byte of an escape sequence.
func (s *scanner) escape() error {
	if s.at++; s.at >= len(s.text) {
		return errNotJSON
	}
	switch s.text[s.at] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return nil
	case 'u':
		if len(s.text)-s.at <= 4 || hex4(s.text[s.at+1:]) < 0 {
			return errNotJSON
		}
		s.at += 4
		return nil
	}
	return errNotJSON
}
