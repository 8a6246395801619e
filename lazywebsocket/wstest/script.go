package wstest

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// parse returns the bytes of a script. See Peer for the notation.
func parse(script string) ([]byte, error) {
	var out []byte
	for {
		script = strings.TrimLeft(script, " \t\r\n")
		if script == "" {
			return out, nil
		}
		token, rest, err := nextToken(script)
		if err != nil {
			return nil, err
		}
		if out, err = appendToken(out, token, rest[:count(rest)]); err != nil {
			return nil, err
		}
		script = rest[count(rest):]
	}
}

// nextToken cuts a quoted text or a run of hex digits off the script.
func nextToken(script string) (token, rest string, err error) {
	if script[0] == '\'' {
		end := strings.IndexByte(script[1:], '\'')
		if end < 0 {
			return "", "", fmt.Errorf("no closing quote in %s", script)
		}
		return script[:end+2], script[end+2:], nil
	}
	end := strings.IndexAny(script, " \t\r\n*'")
	if end < 0 {
		end = len(script)
	}
	return script[:end], script[end:], nil
}

// count returns the length of the "*n" that rest begins with.
func count(rest string) int {
	if !strings.HasPrefix(rest, "*") {
		return 0
	}
	if end := strings.IndexAny(rest, " \t\r\n"); end >= 0 {
		return end
	}
	return len(rest)
}

func appendToken(out []byte, token, times string) ([]byte, error) {
	b := []byte(strings.Trim(token, "'"))
	if !strings.HasPrefix(token, "'") {
		var err error
		if b, err = hex.DecodeString(token); err != nil || len(b) == 0 {
			return nil, fmt.Errorf("%q is not a run of pairs of hex digits", token)
		}
	}
	n := 1
	if times != "" {
		var err error
		if n, err = strconv.Atoi(times[1:]); err != nil || n < 0 {
			return nil, fmt.Errorf("%q is not a count", times)
		}
	}
	for range n {
		out = append(out, b...)
	}
	return out, nil
}
