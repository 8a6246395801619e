package lazycontroller

import (
	"iter"
	"strings"
)

// format is a way to show an error to a client.
type format int

// The formats, the one that we prefer first.
const (
	formatText format = iota
	formatHTML
	formatProblem
)

// formats is how many there are.
const formats = int(formatProblem) + 1

// mediaTypes has the media type of each format, and the range that covers its
// kind.
var mediaTypes = [formats]struct{ exact, wide string }{
	formatText:    {"text/plain", "text/*"},
	formatHTML:    {"text/html", "text/*"},
	formatProblem: {"application/problem+json", "application/*"},
}

// How closely a media range fits a format. A closer range overrules a wider
// one, whatever their weights (RFC 9110, 12.5.1).
const (
	fitNone   = iota // not mentioned
	fitAny           // */*
	fitType          // text/*
	fitFamily        // application/json, application/vnd.x+json: JSON is understood
	fitExact         // text/html
)

// preference is what an Accept field says about one format.
type preference struct {
	fit    int // of the closest range
	weight int // of that range, in thousandths; 0 refuses the format
	place  int // of that range in the field
}

// negotiate returns the format that an Accept field prefers: the one with the
// greatest weight; of equal weights the one that is named more closely (axios
// sends "application/json, text/plain, */*"), then the one that is named first,
// then ours. When nothing fits, the Accept field is disregarded as far as it
// can be (RFC 9110, 12.5.1): a format that it does not refuse, else text.
func negotiate(accept string) format {
	var prefs [formats]preference
	place := 0
	for item := range splitUnquoted(accept, ',') {
		mediaRange, weight, ok := parseRange(item)
		if !ok {
			continue
		}
		place++
		for f := range format(formats) {
			p := &prefs[f]
			fit := fitOf(f, mediaRange)
			if fit > p.fit || fit == p.fit && fit != fitNone && weight > p.weight {
				*p = preference{fit: fit, weight: weight, place: place}
			}
		}
	}
	best := formatText
	for f := range format(formats) {
		if better(prefs[f], prefs[best]) {
			best = f
		}
	}
	return best
}

// better tells whether a goes before b, which is ours by default.
func better(a, b preference) bool {
	refusedA, refusedB := a.fit != fitNone && a.weight == 0, b.fit != fitNone && b.weight == 0
	switch {
	case refusedA || refusedB:
		return !refusedA && refusedB
	case a.weight != b.weight:
		return a.weight > b.weight
	case min(a.fit, fitFamily) != min(b.fit, fitFamily): // application/json is as close as text/plain
		return a.fit > b.fit
	default:
		return a.place < b.place
	}
}

// fitOf returns how closely a media range, in lower case, fits a format.
func fitOf(f format, mediaRange string) int {
	switch {
	case mediaRange == "*/*":
		return fitAny
	case mediaRange == mediaTypes[f].exact:
		return fitExact
	case mediaRange == mediaTypes[f].wide:
		return fitType
	case f == formatProblem && isJSON(mediaRange):
		return fitFamily
	}
	return fitNone
}

// isJSON tells whether a media type is JSON (RFC 6839, 3.1). Whoever asks for
// one can read problem details, and can read neither text nor HTML.
func isJSON(mediaType string) bool {
	sub, ok := strings.CutPrefix(mediaType, "application/")
	return ok && (sub == "json" || strings.HasSuffix(sub, "+json"))
}

// parseRange splits one element of an Accept field into its media range, in
// lower case and without parameters, and its weight in thousandths. An element
// with a weight that breaks the grammar is not ok.
func parseRange(item string) (mediaRange string, weight int, ok bool) {
	weight = 1000
	first := true
	for part := range splitUnquoted(item, ';') {
		part = strings.Trim(part, " \t")
		if first {
			first = false
			mediaRange = strings.ToLower(part)
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		if !strings.EqualFold(name, "q") {
			continue // other parameters narrow the type; none of ours has any
		}
		if weight, ok = parseWeight(value); !ok {
			return "", 0, false
		}
	}
	return mediaRange, weight, mediaRange != ""
}

// parseWeight reads a qvalue (RFC 9110, 12.4.2): 0 to 1 with at most three
// decimals. It returns thousandths.
func parseWeight(s string) (weight int, ok bool) {
	whole, decimals, dot := strings.Cut(s, ".")
	if whole != "0" && whole != "1" || dot && len(decimals) > 3 {
		return 0, false
	}
	unit := 100
	for i := range len(decimals) {
		digit := int(decimals[i]) - '0'
		if digit < 0 || digit > 9 {
			return 0, false
		}
		weight += digit * unit
		unit /= 10
	}
	if whole == "1" {
		return 1000, weight == 0
	}
	return weight, true
}

// splitUnquoted yields the parts of s between separators that stand outside
// quoted strings (RFC 9110, 5.6.4).
func splitUnquoted(s string, sep byte) iter.Seq[string] {
	return func(yield func(string) bool) {
		start, quoted := 0, false
		for i := 0; i < len(s); i++ {
			switch {
			case quoted && s[i] == '\\':
				i++
			case s[i] == '"':
				quoted = !quoted
			case s[i] == sep && !quoted:
				if !yield(s[start:i]) {
					return
				}
				start = i + 1
			}
		}
		yield(s[start:])
	}
}
