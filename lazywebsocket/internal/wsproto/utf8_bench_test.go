package wsproto

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"unicode/utf8"
)

// words returns 256 KiB of words of random letters and lengths: text that
// repeats itself is learnt by the processor, which then guesses every branch
// right. One letter in rareEvery comes out of rare.
func words(meanLength int, letters, rare []rune, rareEvery int) []byte {
	random := rand.New(rand.NewPCG(1, 2))
	var text []byte
	for len(text) < 256<<10 {
		for range 1 + random.IntN(2*meanLength) {
			from := letters
			if len(rare) > 0 && random.IntN(rareEvery) == 0 {
				from = rare
			}
			text = utf8.AppendRune(text, from[random.IntN(len(from))])
		}
		text = append(text, ' ')
	}
	return text
}

func runes(first, last rune) (all []rune) {
	for r := first; r <= last; r++ {
		all = append(all, r)
	}
	return all
}

// messages divides text into messages of size bytes, or up to three more.
func messages(text []byte, size int) (all [][]byte) {
	for len(text) > size+3 {
		n := size
		for !utf8.RuneStart(text[n]) {
			n++
		}
		all, text = append(all, text[:n]), text[n:]
	}
	return all
}

func libraryValid(p []byte) bool { return utf8.Valid(p) }

func oursValid(p []byte) bool {
	var u UTF8
	return u.Valid(p)
}

func BenchmarkUTF8(b *testing.B) {
	latin, emoji := runes('a', 'z'), runes('😀', '😿')
	for _, text := range []struct {
		name  string
		bytes []byte
	}{
		{"ascii", words(5, latin, nil, 0)},
		{"latin", words(5, latin, []rune("äöüßéèàçñ"), 16)},
		{"cyrillic", words(5, runes('а', 'я'), nil, 0)},
		{"cjk", words(25, runes('一', '耀'), runes('0', '9'), 32)},
		{"hangul", words(4, runes('가', '힣'), nil, 0)},
		{"emoji", words(6, latin, emoji, 20)},
	} {
		for _, size := range []int{5, 12, 20, 45, 125, 1 << 10, 16 << 10} {
			all := messages(text.bytes, size)
			for _, check := range []struct {
				name  string
				valid func([]byte) bool
			}{{"ours", oursValid}, {"library", libraryValid}} {
				b.Run(fmt.Sprintf("%s/%d/%s", text.name, size, check.name), func(b *testing.B) {
					b.SetBytes(int64(size))
					i := 0
					for b.Loop() {
						if !check.valid(all[i]) {
							b.Fatal("refused")
						}
						if i++; i == len(all) {
							i = 0
						}
					}
				})
			}
		}
	}
}
