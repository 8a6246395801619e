package chat

import (
	"math/bits"
	"strings"
)

// list splits a list of the vocabulary: by bars if it has any, else by space.
func list(s string) []string {
	if !strings.Contains(s, "|") {
		return strings.Fields(s)
	}
	var l []string
	for _, e := range strings.Split(s, "|") {
		l = append(l, strings.Join(strings.Fields(e), " "))
	}
	return l
}

// random is the source of the corpus, splitmix64: of our own, so that no
// release of Go changes what it draws.
type random struct{ state uint64 }

func (r *random) uint64() uint64 {
	r.state += 0x9e3779b97f4a7c15
	z := r.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below returns a number from 0 to n-1.
func (r *random) below(n int) int {
	hi, _ := bits.Mul64(r.uint64(), uint64(max(n, 0)))
	return int(hi) //nolint:gosec // hi is below n, which is an int
}

// between returns a number from a to b, both included.
func (r *random) between(a, b int) int { return a + r.below(b-a+1) }

// chance is true in percent of 100 cases.
func (r *random) chance(percent int) bool { return r.below(100) < percent }

// zipf returns a number from 0 to n-1; k has a weight of 1/(k+2).
//
// Only integers take part: floating point may differ between machines.
func (r *random) zipf(n int) int {
	const unit = 1 << 20
	total := 0
	for k := range n {
		total += unit / (k + 2)
	}
	at := r.below(total)
	for k := range n {
		if at -= unit / (k + 2); at < 0 {
			return k
		}
	}
	return n - 1
}

// word draws from a list with Zipf's law.
func (r *random) word(l []string) string { return l[r.zipf(len(l))] }

// any draws from a list with equal chances.
func (r *random) any(l []string) string { return l[r.below(len(l))] }

// text returns n characters of an alphabet.
func (r *random) text(alphabet string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[r.below(len(alphabet))]
	}
	return string(b)
}

const (
	hexDigits = "0123456789abcdef"
	crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	base64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
)

func (r *random) uuid() string {
	return r.text(hexDigits, 8) + "-" + r.text(hexDigits, 4) + "-4" + r.text(hexDigits, 3) +
		"-" + r.text("89ab", 1) + r.text(hexDigits, 3) + "-" + r.text(hexDigits, 12)
}

// ulid returns an identifier whose first ten characters tell the time.
func (r *random) ulid(ms int64) string {
	var t [10]byte
	for i := len(t) - 1; i >= 0; i-- {
		t[i] = crockford[ms&31]
		ms >>= 5
	}
	return string(t[:]) + r.text(crockford, 16)
}
