package chat

import (
	"fmt"
	"strings"
)

// writer is how a person writes in a room.
type writer struct {
	*random
	trade  []string
	people []person
	tongue []string // of a person who does not write English; nil for the others
}

// patterns are the sentences. Letters in capitals are slots, see slot; all else
// stands as it is.
var patterns = list(`S P D A N|S M V D N T|S P D N L S P D A N|can you V D N T ?|D N is A|D N is still G
|S X P D N R D N|did you V D N ?|I think S M V D A N|S P R D N T|D A N of D N R D A N P X
|who M V D N ?|let's V D N X|please V D N R D N L S V D A N|S will V it T|why is D N X G ?
|what about D A N R D N ?|D N P T L D N is A|the problem is that D N M X V D N
|S M V D N L V D A N , L S P D N R D A N|W , D N is A|W ! S P D N|W , S M V it T
|there is D A N R D N , see N and N|S was G R D N T|N first , then D N|A N , A N , and D N L S P it
|when S P D N , D N was A|it says "D A N" R D N|S M X V D N L D N is A , X|any N on D N ?
|K is A , K M V T|I P K L it X P K|has anyone P D N ? K P T|D N R K M V D N|F|W|W E|X G|not A|A N
|the N N is in D N , D N is R D N|S P about D N R T|if S V D N T , S M V D N R D A N`)

// text writes about n characters.
func (w *writer) text(n int) string {
	var b strings.Builder
	for b.Len() < n {
		if b.Len() > 0 {
			b.WriteString(w.any([]string{" ", " ", " ", " ", "\n", "\n\n"}))
		}
		if w.tongue != nil && w.chance(85) {
			w.foreign(&b)
		} else {
			w.sentence(&b)
		}
	}
	return b.String()
}

// sentence writes one, with the habits of chat: few capitals and full stops, a
// typo now and then.
func (w *writer) sentence(b *strings.Builder) {
	start := b.Len()
	for _, token := range strings.Fields(w.any(patterns)) {
		if b.Len() > start && !strings.Contains(",!?", token[:1]) {
			b.WriteByte(' ')
		}
		s := token
		if c := strings.Trim(token, `"`); len(c) == 1 && c[0] >= 'A' && c[0] <= 'Z' && c != "I" {
			s = strings.Replace(token, c, w.slot(c[0]), 1)
		}
		if b.Len() == start && w.chance(60) && token != "F" && s[0] >= 'a' && s[0] <= 'z' {
			s = string(s[0]-'a'+'A') + s[1:]
		}
		b.WriteString(s)
	}
	if w.chance(45) {
		b.WriteByte('.')
	}
	if w.chance(9) {
		b.WriteString(" " + w.word(emoji))
	}
}

// slot fills a slot of a pattern.
func (w *writer) slot(c byte) string {
	switch c {
	case 'N':
		return w.noun()
	case 'V':
		return w.typo(w.word(verbs))
	case 'P':
		return w.typo(w.word(pasts))
	case 'G':
		return w.word(gerunds)
	case 'A':
		return w.word(adjectives)
	case 'X':
		return w.word(adverbs)
	case 'S':
		return w.subject()
	case 'M':
		return strings.ReplaceAll(w.word(modals), "_", " ")
	case 'D':
		return w.word(dets)
	case 'R':
		return w.word(preps)
	case 'T':
		return w.word(times)
	case 'L':
		return w.word(links)
	case 'W':
		return w.word(openers)
	case 'E':
		return w.word(emoji)
	case 'F':
		return w.url()
	default: // K
		return w.technical()
	}
}

func (w *writer) noun() string {
	if w.chance(22) {
		return w.word(w.trade)
	}
	n := w.word(nouns)
	if w.chance(25) {
		n += "s"
	}
	return w.typo(n)
}

func (w *writer) subject() string {
	if w.chance(12) {
		first, _, _ := strings.Cut(w.people[w.zipf(len(w.people))].Name, " ")
		return first
	}
	return w.word(subjects)
}

// typo swaps two letters of a long word, rarely.
func (w *writer) typo(s string) string {
	if len(s) < 5 || !w.chance(2) {
		return s
	}
	i := w.between(1, len(s)-3)
	return s[:i] + string(s[i+1]) + string(s[i]) + s[i+2:]
}

// technical is what no dictionary has: names of code, numbers, hashes.
func (w *writer) technical() string {
	switch w.below(8) {
	case 0:
		return fmt.Sprintf("#%d", w.between(100, 9999))
	case 1:
		return "`" + w.word(verbs) + "_" + w.noun() + "`"
	case 2:
		return w.text62(7)
	case 3:
		return fmt.Sprintf("v%d.%d.%d", w.below(5), w.below(30), w.below(12))
	case 4:
		return fmt.Sprintf("%d ms", w.between(2, 9000))
	case 5:
		return "`" + w.noun() + "/" + w.word(nouns) + ".go:" + fmt.Sprint(w.between(5, 900)) + "`"
	case 6:
		return fmt.Sprintf("%d.%d %%", w.below(100), w.below(10))
	default:
		return strings.ToUpper(w.word(nouns)) + "-" + fmt.Sprint(w.between(10, 4000))
	}
}

func (w *writer) text62(n int) string { return w.random.text(hexDigits, n) }

func (w *writer) url() string {
	u := "https://" + w.word(hosts) + "/" + w.word(w.trade) + "/" + w.noun()
	switch w.below(4) {
	case 0:
		return u + "/" + fmt.Sprint(w.between(100, 99999))
	case 1:
		return u + "?id=" + w.uuid()
	case 2:
		return u + "#" + w.noun() + "-" + w.word(adjectives)
	default:
		return u + "/" + w.random.text(base64URL, 11) + "?utm_source=chat"
	}
}

// foreign writes a few words of another language.
func (w *writer) foreign(b *strings.Builder) {
	join := " "
	if w.tongue[0] == japanese[0] {
		join = ""
	}
	for i := range w.between(3, 14) {
		if i > 0 {
			b.WriteString(join)
		}
		b.WriteString(w.word(w.tongue))
	}
	if join == "" {
		b.WriteString("。")
	}
}

// paste writes n characters of a log, which people put between other text.
func (w *writer) paste(n int, ms int64) string {
	var b strings.Builder
	b.WriteString("```\n")
	service := w.word(w.trade)
	for b.Len() < n {
		ms += int64(w.between(1, 900))
		fmt.Fprintf(&b, "%s %s %s/%s: %s %s %s=%d %s=%s\n", stamp(ms),
			w.word([]string{"INFO", "WARN", "ERROR", "DEBUG"}), service, w.word(nouns),
			w.word(gerunds), w.noun(), w.word(nouns), w.between(0, 50000), w.word(nouns), w.text62(w.between(4, 16)))
	}
	b.WriteString("```")
	return b.String()
}
