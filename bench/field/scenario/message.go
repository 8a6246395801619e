package scenario

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// countDigits is how many digits the count of a publication has.
const countDigits = 4

// Publication is a message of size bytes which says that it is to be published
// so many times.
func Publication(copies, sequence, size int) []byte {
	s := fmt.Sprintf("%0*d %08d ", countDigits, copies, sequence)
	return []byte(s + strings.Repeat(".", max(size-len(s), 0)))
}

// Copies is how often a publication is to be published, whole. What is no
// publication is published once.
func Copies(m []byte) int {
	if len(m) < countDigits {
		return 1
	}
	n, err := strconv.Atoi(string(m[:countDigits]))
	if err != nil {
		return 1
	}
	return n
}

// Messages returns n different messages of size bytes, always the same: JSON of
// mostly ASCII, cut at the end, which is valid UTF-8; or, binary, random bytes.
func Messages(n, size int, binary bool) [][]byte {
	random := rand.New(rand.NewPCG(uint64(size), uint64(n))) //nolint:gosec // not for secrets
	all := make([][]byte, n)
	for i := range all {
		if binary {
			all[i] = randomBytes(random, size)
		} else {
			all[i] = text(random, size)
		}
	}
	return all
}

func randomBytes(random *rand.Rand, size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(random.Uint32()) //nolint:gosec // the low bits
	}
	return b
}

var names = []string{"Zoë", "Ana", "Jürgen", "Mia", "Tom", "Lee", "Noor", "Sam"} //nolint:gochecknoglobals // a table

// text is one record after another, filled up with dots where the next would not
// fit, so that no character is cut.
func text(random *rand.Rand, size int) []byte {
	var b strings.Builder
	for {
		record := fmt.Sprintf(`{"id":%d,"user":"%s","ok":%t,"v":%.3f},`,
			random.IntN(1e6), names[random.IntN(len(names))], random.IntN(2) == 0, random.Float64()*100)
		if b.Len()+len(record) > size {
			break
		}
		b.WriteString(record)
	}
	for b.Len() < size {
		b.WriteByte('0' + byte(random.IntN(10))) //nolint:gosec // a digit
	}
	return []byte(b.String())
}
