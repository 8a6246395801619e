package cable

import (
	"bytes"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// unquote decodes a JSON string that the scanner has judged; the result owns
// its memory. whole is false if the string holds half of a surrogate pair,
// which no UTF-8 can carry: U+FFFD then stands in its place.
func unquote(quoted []byte) (text string, whole bool) {
	inner := quoted[1 : len(quoted)-1]
	next := bytes.IndexByte(inner, '\\')
	if next < 0 {
		return string(inner), true
	}
	var out strings.Builder
	out.Grow(len(inner))
	whole = true
	for next >= 0 {
		out.Write(inner[:next])
		char, used := unescape(inner[next:])
		if char < 0 {
			whole, char = false, utf8.RuneError
		}
		out.WriteRune(char)
		inner = inner[next+used:]
		next = bytes.IndexByte(inner, '\\')
	}
	out.Write(inner)
	return out.String(), whole
}

// unescape decodes the escape sequence that text begins with, and both of a
// surrogate pair. A surrogate without its other half is -1.
func unescape(text []byte) (char rune, used int) {
	switch text[1] {
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		return unescapeUnicode(text)
	}
	return rune(text[1]), 2
}

func unescapeUnicode(text []byte) (char rune, used int) {
	char = hex4(text[2:])
	if !utf16.IsSurrogate(char) {
		return char, 6
	}
	if len(text) >= 12 && text[6] == '\\' && text[7] == 'u' {
		if pair := utf16.DecodeRune(char, hex4(text[8:])); pair != utf8.RuneError {
			return pair, 12
		}
	}
	return -1, 6
}

// hex4 reads four hexadecimal digits; -1 if they are not.
func hex4(text []byte) rune {
	var value rune
	for i := range 4 {
		c := text[i]
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		value = value<<4 | rune(c)
	}
	return value
}

// is reports whether a string, as it is written, says word, which is ASCII.
func is(quoted []byte, word string) bool {
	if len(quoted) > len(`\u0000`)*len(word)+2 {
		return false // longer than word with each letter escaped
	}
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1:len(quoted)-1]) == word
	}
	text, _ := unquote(quoted)
	return text == word
}
