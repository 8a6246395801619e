package cable

import "unicode/utf8"

const hexDigits = "0123456789abcdef"

// appendQuoted appends s as a JSON string. What is not UTF-8 becomes U+FFFD, a
// byte at a time, as in encoding/json; nothing is escaped that need not be.
func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	plain := 0
	for at := 0; at < len(s); {
		c := s[at]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' {
				at++
				continue
			}
			dst = append(dst, s[plain:at]...)
			dst = appendEscaped(dst, c)
			at++
			plain = at
			continue
		}
		char, size := utf8.DecodeRuneInString(s[at:])
		if char == utf8.RuneError && size == 1 {
			dst = append(dst, s[plain:at]...)
			dst = utf8.AppendRune(dst, utf8.RuneError)
			plain = at + 1
		}
		at += size
	}
	dst = append(dst, s[plain:]...)
	return append(dst, '"')
}

func appendEscaped(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}
