package wsdeflate

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// free takes whatever the other side wants.
var free = Policy{
	SendTakeover: true, ReceiveTakeover: true,
	SendWindowBits: 15, ReceiveWindowBits: 15, ReceiveBudget: 32 << 10,
}

// but returns free with a change.
func but(change func(*Policy)) Policy {
	p := free
	change(&p)
	return p
}

// small holds 4 KiB of what it receives.
var small = but(func(p *Policy) { p.ReceiveBudget = 4 << 10 })

// The offers of clients, and what a server answers. An empty answer means that
// the connection goes on without compression.
var acceptTests = []struct {
	name   string
	lines  []string
	want   Policy
	answer string
}{
	{"Chromium", []string{"permessage-deflate; client_max_window_bits"}, free, "permessage-deflate"},
	{"Chromium, 4 KiB", []string{"permessage-deflate; client_max_window_bits"}, small, "permessage-deflate; client_max_window_bits=12"},
	{"Firefox", []string{"permessage-deflate"}, free, "permessage-deflate"},
	{"Firefox cannot be bounded", []string{"permessage-deflate"}, small, "permessage-deflate; client_no_context_takeover"},
	{"Safari", []string{"permessage-deflate"}, free, "permessage-deflate"},
	{"older Safari", []string{"x-webkit-deflate-frame"}, free, ""},
	{"older Safari, both", []string{"x-webkit-deflate-frame; no_context_takeover, permessage-deflate"}, free, "permessage-deflate"},
	{"Python's websockets", []string{"permessage-deflate; client_max_window_bits"}, free, "permessage-deflate"},
	{
		"Python's websockets, sized", []string{"permessage-deflate; server_max_window_bits=12; client_max_window_bits=12"}, free, "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12",
	},
	{"Node's ws", []string{"permessage-deflate; client_max_window_bits"}, free, "permessage-deflate"},
	{
		"Node's ws, all options", []string{"permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10; client_max_window_bits=11"}, free, "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10; client_max_window_bits=11",
	},
	{"Autobahn 13.1", []string{"permessage-deflate; client_max_window_bits"}, free, "permessage-deflate"},
	{"Autobahn 13.2", []string{"permessage-deflate; server_no_context_takeover; client_max_window_bits"}, free, "permessage-deflate; server_no_context_takeover"},
	{"Autobahn 13.3", []string{"permessage-deflate; server_max_window_bits=9; client_max_window_bits"}, free, "permessage-deflate; server_max_window_bits=9"},
	{"Autobahn 13.4", []string{"permessage-deflate; server_max_window_bits=15; client_max_window_bits"}, free, "permessage-deflate; server_max_window_bits=15"},
	{
		"Autobahn 13.5", []string{"permessage-deflate; server_no_context_takeover; server_max_window_bits=9; client_max_window_bits"}, free, "permessage-deflate; server_no_context_takeover; server_max_window_bits=9",
	},
	{
		"Autobahn 13.7", []string{"permessage-deflate; server_no_context_takeover; server_max_window_bits=9; client_max_window_bits, permessage-deflate; server_no_context_takeover; client_max_window_bits, permessage-deflate; client_max_window_bits"}, free, "permessage-deflate; server_no_context_takeover; server_max_window_bits=9",
	},

	{"none", nil, free, ""},
	{"empty line", []string{""}, free, ""},
	{"blank and empty elements", []string{" , ,\tpermessage-deflate ,, "}, free, "permessage-deflate"},
	{"second line", []string{"foo; bar=1", "", "permessage-deflate"}, free, "permessage-deflate"},
	{
		"no spaces", []string{"a,permessage-deflate;server_max_window_bits=9;client_no_context_takeover"}, free, "permessage-deflate; client_no_context_takeover; server_max_window_bits=9",
	},
	{
		"spaces everywhere", []string{"permessage-deflate \t;  server_max_window_bits = 9 ; client_no_context_takeover "}, free, "permessage-deflate; client_no_context_takeover; server_max_window_bits=9",
	},
	{"quoted", []string{`permessage-deflate; server_max_window_bits="10"`}, free, "permessage-deflate; server_max_window_bits=10"},
	{"quoted and escaped", []string{`permessage-deflate; server_max_window_bits="1\0"`}, free, "permessage-deflate; server_max_window_bits=10"},
	{"comma in a quoted value", []string{`foo; a="1,permessage-deflate"`}, free, ""},

	{
		"smallest window", []string{"permessage-deflate; server_max_window_bits=8; client_max_window_bits=8"}, free, "permessage-deflate; server_max_window_bits=8; client_max_window_bits=8",
	},
	{
		"a smaller window than asked for",
		[]string{"permessage-deflate; server_max_window_bits=14; client_max_window_bits=13"},
		but(func(p *Policy) { p.SendWindowBits, p.ReceiveWindowBits = 10, 11 }),
		"permessage-deflate; server_max_window_bits=10; client_max_window_bits=11",
	},
	{
		"our small windows, nothing asked",
		[]string{"permessage-deflate"},
		but(func(p *Policy) { p.SendWindowBits, p.ReceiveWindowBits = 10, 11 }), "permessage-deflate",
	},
	{"client window of 15", []string{"permessage-deflate; client_max_window_bits=15"}, free, "permessage-deflate"},
	{"client window of 15, 4 KiB", []string{"permessage-deflate; client_max_window_bits=15"}, small, "permessage-deflate; client_max_window_bits=12"},
	{"client window within the budget", []string{"permessage-deflate; client_max_window_bits=9"}, small, "permessage-deflate; client_max_window_bits=9"},
	{
		"one byte short", []string{"permessage-deflate; client_max_window_bits"}, but(func(p *Policy) { p.ReceiveBudget = 4<<10 - 1 }), "permessage-deflate; client_max_window_bits=11",
	},
	{
		"no budget", []string{"permessage-deflate; client_max_window_bits"}, but(func(p *Policy) { p.ReceiveBudget = 0 }), "permessage-deflate; client_no_context_takeover",
	},
	// The window of 8 bits is held as one of 9.
	{
		"a budget for less than 9 bits", []string{"permessage-deflate; client_max_window_bits=8"}, but(func(p *Policy) { p.ReceiveBudget = 511 }), "permessage-deflate; client_no_context_takeover; client_max_window_bits=8",
	},
	{
		"a budget for 8 and 9 bits", []string{"permessage-deflate; client_max_window_bits=8"}, but(func(p *Policy) { p.ReceiveBudget = 512 }), "permessage-deflate; client_max_window_bits=8",
	},
	{
		"no takeover wanted",
		[]string{"permessage-deflate; client_max_window_bits"},
		but(func(p *Policy) { p.SendTakeover, p.ReceiveTakeover, p.ReceiveBudget = false, false, 0 }),
		"permessage-deflate; server_no_context_takeover; client_no_context_takeover",
	},
	{
		"the client goes without", []string{"permessage-deflate; client_no_context_takeover; client_max_window_bits"}, small, "permessage-deflate; client_no_context_takeover",
	},

	{"unknown parameter", []string{"permessage-deflate; foo"}, free, ""},
	{"other case", []string{"permessage-deflate; Client_Max_Window_Bits"}, free, ""},
	{"other extension with our parameters", []string{"permessage-bzip2; client_max_window_bits"}, free, ""},
	{"next offer after an unknown parameter", []string{"permessage-deflate; foo=1; server_no_context_takeover, permessage-deflate"}, free, "permessage-deflate"},
	{
		"next line after a bad value", []string{"permessage-deflate; server_max_window_bits=7", "permessage-deflate; server_max_window_bits=9"}, free, "permessage-deflate; server_max_window_bits=9",
	},
	{"first of several", []string{"permessage-deflate; server_max_window_bits=9, permessage-deflate"}, free, "permessage-deflate; server_max_window_bits=9"},
	{"nothing of a declined offer", []string{"permessage-deflate; server_no_context_takeover; foo, permessage-deflate"}, free, "permessage-deflate"},
}

// declined are offers that a server takes none of, and answers that a client
// does not take.
var declined = []string{
	"permessage-deflate; server_no_context_takeover=1",
	"permessage-deflate; client_no_context_takeover=true",
	`permessage-deflate; client_no_context_takeover="1"`,
	"permessage-deflate; server_no_context_takeover; server_no_context_takeover",
	"permessage-deflate; client_no_context_takeover; client_no_context_takeover",
	"permessage-deflate; server_max_window_bits",
	"permessage-deflate; server_max_window_bits=7",
	"permessage-deflate; server_max_window_bits=16",
	"permessage-deflate; server_max_window_bits=0",
	"permessage-deflate; server_max_window_bits=-9",
	"permessage-deflate; server_max_window_bits=+9",
	"permessage-deflate; server_max_window_bits=09",
	"permessage-deflate; server_max_window_bits=015",
	"permessage-deflate; server_max_window_bits=9.0",
	"permessage-deflate; server_max_window_bits=0x9",
	"permessage-deflate; server_max_window_bits=1_0",
	"permessage-deflate; server_max_window_bits=99999999999999999999",
	"permessage-deflate; server_max_window_bits=9; server_max_window_bits=9",
	"permessage-deflate; server_max_window_bits=10; server_max_window_bits=9",
	"permessage-deflate; client_max_window_bits=7",
	"permessage-deflate; client_max_window_bits=16",
	"permessage-deflate; client_max_window_bits=010",
	"permessage-deflate; client_max_window_bits=9; client_max_window_bits=9",
	"permessage-deflate; client_max_window_bits=9; client_max_window_bits",
	"permessage-deflate; foo",
	"permessage-deflate; foo=bar",
	"permessage-deflate; server_no_context_takeover; foo",
	"x-webkit-deflate-frame",
	"PERMESSAGE-DEFLATE",
}

// malformed do not have the header's grammar. Nothing in them counts, also what
// stands in front of the fault.
var malformed = []string{
	"permessage-deflate;",
	"permessage-deflate; ;",
	"permessage-deflate; =9",
	"permessage-deflate; server_max_window_bits=",
	`permessage-deflate; server_max_window_bits=""`,
	`permessage-deflate; server_max_window_bits="9`,
	`permessage-deflate; server_max_window_bits="9\`,
	`permessage-deflate; server_max_window_bits="9 "`,
	`permessage-deflate; server_max_window_bits="9"9`,
	"permessage-deflate; server_max_window_bits=9 10",
	"permessage-deflate server_no_context_takeover",
	"permessage-deflate=1",
	"permessage-deflate: a",
	";",
	"permessage-deflate, \x00",
	"permessage-deflate, ;a",
	"permessage-deflate\r\n",
	"permessage-deflate; server_no_context_takeover, a/b",
	`"permessage-deflate"`,
	"permessage-deflaté",
}

func TestAccept(t *testing.T) {
	for _, test := range acceptTests {
		answer, agreed, ok := Accept(test.lines, test.want)
		got := ""
		if ok {
			got = answer.String()
		}
		if got != test.answer {
			t.Errorf("%s: %q is answered with %q, not %q", test.name, test.lines, got, test.answer)
		}
		checkAnswer(t, test.lines, test.want, answer, agreed, ok)
	}
	for _, line := range slices.Concat(declined, malformed) {
		if answer, _, ok := Accept([]string{line}, free); ok {
			t.Errorf("%q is answered with %q", line, answer)
		}
	}
	for _, line := range declined {
		answer, _, ok := Accept([]string{line + ", permessage-deflate; server_max_window_bits=11"}, free)
		if !ok || answer.String() != "permessage-deflate; server_max_window_bits=11" {
			t.Errorf("behind %q the next offer is answered with %q, %v", line, answer, ok)
		}
	}
	for _, line := range malformed {
		if answer, agreed, ok := Accept([]string{Name, line}, free); ok || answer != (Params{}) || agreed != (Agreement{}) {
			t.Errorf("in front of %q an offer is answered with %q, %v", line, answer, ok)
		}
	}
}

func TestAcceptAgrees(t *testing.T) {
	for _, test := range []struct {
		offer string
		want  Policy
		Agreement
	}{
		{"permessage-deflate", free, Agreement{true, true, 15, 15}},
		{"permessage-deflate", small, Agreement{true, false, 15, 15}},
		{"permessage-deflate; client_max_window_bits", small, Agreement{true, true, 15, 12}},
		{"permessage-deflate; client_max_window_bits=10; server_max_window_bits=9", free, Agreement{true, true, 9, 10}},
		{"permessage-deflate; server_no_context_takeover", free, Agreement{false, true, 15, 15}},
		{"permessage-deflate; client_no_context_takeover", free, Agreement{true, false, 15, 15}},
		{"permessage-deflate", but(func(p *Policy) { p.SendWindowBits = 11 }), Agreement{true, true, 11, 15}},
		{"permessage-deflate", but(func(p *Policy) { p.SendTakeover = false }), Agreement{false, true, 15, 15}},
	} {
		if _, agreed, ok := Accept([]string{test.offer}, test.want); !ok || agreed != test.Agreement {
			t.Errorf("%q, %+v: agreed to %+v, %v", test.offer, test.want, agreed, ok)
		}
	}
}

func TestOffers(t *testing.T) {
	for _, test := range []struct {
		want   Policy
		offers []string
	}{
		{free, []string{"permessage-deflate; client_max_window_bits"}},
		{but(func(p *Policy) { p.SendWindowBits = 9 }), []string{"permessage-deflate; client_max_window_bits=9"}},
		{but(func(p *Policy) { p.SendTakeover = false }), []string{"permessage-deflate; client_no_context_takeover; client_max_window_bits"}},
		{
			but(func(p *Policy) { p.ReceiveTakeover, p.ReceiveBudget, p.ReceiveWindowBits = false, 0, 9 }),
			[]string{"permessage-deflate; server_no_context_takeover; client_max_window_bits"},
		},
		{but(func(p *Policy) { p.ReceiveWindowBits = 10 }), []string{
			"permessage-deflate; server_max_window_bits=10; client_max_window_bits",
			"permessage-deflate; server_no_context_takeover; client_max_window_bits",
		}},
		{small, []string{
			"permessage-deflate; server_max_window_bits=12; client_max_window_bits",
			"permessage-deflate; server_no_context_takeover; client_max_window_bits",
		}},
		{but(func(p *Policy) { p.ReceiveBudget = 511 }), []string{"permessage-deflate; server_no_context_takeover; client_max_window_bits"}},
	} {
		var got []string
		for _, o := range test.want.Offers() {
			got = append(got, o.String())
		}
		if !slices.Equal(got, test.offers) {
			t.Errorf("%+v offers %q", test.want, got)
		}
	}
}

func TestConfirm(t *testing.T) {
	var (
		plain  = free.Offers()
		sized  = but(func(p *Policy) { p.SendWindowBits, p.ReceiveWindowBits = 10, 12 }).Offers()
		alone  = []Params{{}}
		strict = []Params{{ServerNoTakeover: true, ClientNoTakeover: true, ServerWindowBits: 9, ClientWindowBits: 9}}
	)
	for _, test := range []struct {
		offered []Params
		lines   []string
		agreed  Agreement
		ok      bool
	}{
		{plain, []string{"permessage-deflate"}, Agreement{true, true, 15, 15}, true},
		{plain, []string{"", "permessage-deflate ,"}, Agreement{true, true, 15, 15}, true},
		{plain, []string{"permessage-deflate; server_max_window_bits=8; client_max_window_bits=8"}, Agreement{true, true, 8, 8}, true},
		{plain, []string{`permessage-deflate; client_max_window_bits="9"`}, Agreement{true, true, 9, 15}, true},
		{plain, []string{"permessage-deflate; server_no_context_takeover; client_no_context_takeover"}, Agreement{false, false, 15, 15}, true},
		{sized, []string{"permessage-deflate; server_max_window_bits=12"}, Agreement{true, true, 10, 12}, true},
		{sized, []string{"permessage-deflate; server_max_window_bits=11; client_max_window_bits=9"}, Agreement{true, true, 9, 11}, true},
		{sized, []string{"permessage-deflate; server_no_context_takeover"}, Agreement{true, false, 10, 15}, true},
		{alone, []string{"permessage-deflate; server_max_window_bits=9; client_no_context_takeover"}, Agreement{false, true, 15, 9}, true},
		{strict, []string{"permessage-deflate; server_no_context_takeover; server_max_window_bits=9"}, Agreement{false, false, 9, 9}, true},

		{sized, []string{"permessage-deflate"}, Agreement{}, false},
		{sized, []string{"permessage-deflate; server_max_window_bits=13"}, Agreement{}, false},
		{sized, []string{"permessage-deflate; server_max_window_bits=12; client_max_window_bits=11"}, Agreement{}, false},
		{alone, []string{"permessage-deflate; client_max_window_bits=15"}, Agreement{}, false},
		{strict, []string{"permessage-deflate; server_max_window_bits=9"}, Agreement{}, false},
		{strict, []string{"permessage-deflate; server_no_context_takeover"}, Agreement{}, false},
		{plain, []string{"permessage-deflate; client_max_window_bits"}, Agreement{}, false},
		{plain, []string{"permessage-deflate, permessage-deflate"}, Agreement{}, false},
		{plain, []string{"permessage-deflate", "permessage-deflate"}, Agreement{}, false},
		{plain, []string{"permessage-deflate, foo"}, Agreement{}, false},
		{plain, []string{"foo"}, Agreement{}, false},
		{nil, []string{"permessage-deflate"}, Agreement{}, false},
	} {
		agreed, used, ok := Confirm(test.lines, test.offered)
		if agreed != test.agreed || used != test.ok || ok != test.ok {
			t.Errorf("%q to %v: %+v, %v, %v", test.lines, test.offered, agreed, used, ok)
		}
	}
	for _, line := range slices.Concat(declined, malformed) {
		if agreed, used, ok := Confirm([]string{line}, plain); ok || used || agreed != (Agreement{}) {
			t.Errorf("%q is taken: %+v", line, agreed)
		}
		if _, _, ok := Confirm([]string{Name, line}, plain); ok {
			t.Errorf("%q is taken beside an answer", line)
		}
	}
	for _, lines := range [][]string{nil, {""}, {" ", ","}} {
		if _, used, ok := Confirm(lines, plain); used || !ok {
			t.Errorf("%q: %v, %v, though it says nothing", lines, used, ok)
		}
	}
}

// Our client takes what our server answers, whatever the two want, and both
// then know of windows that fit together and into their budgets.
func TestNegotiateWithOurselves(t *testing.T) {
	all := policies()
	for _, client := range all {
		offers := client.Offers()
		var lines []string
		for _, o := range offers {
			lines = append(lines, o.String())
		}
		for _, server := range all {
			answer, s, ok := Accept(lines, server)
			if !ok {
				t.Fatalf("%+v declines %q", server, lines)
			}
			checkAnswer(t, lines, server, answer, s, ok)
			c, used, ok := Confirm([]string{answer.String()}, offers)
			if !used || !ok {
				t.Fatalf("to %q %+v answers %q, which the client refuses", lines, server, answer)
			}
			if c.SendTakeover != s.ReceiveTakeover || c.ReceiveTakeover != s.SendTakeover ||
				c.SendWindowBits > s.ReceiveWindowBits || s.SendWindowBits > c.ReceiveWindowBits ||
				c.SendWindowBits > client.SendWindowBits || c.ReceiveTakeover && receivedBytes(c.ReceiveWindowBits) > client.ReceiveBudget {
				t.Fatalf("%q, %q: the client has %+v, the server %+v", lines, answer, c, s)
			}
		}
	}
}

func policies() (all []Policy) {
	for i := range 4 {
		for _, send := range []int{8, 15} {
			for _, receive := range []int{8, 12, 15} {
				for _, budget := range []int{0, 511, 512, 8 << 10, 1 << 20} {
					all = append(all, Policy{i&1 > 0, i&2 > 0, send, receive, budget})
				}
			}
		}
	}
	return all
}

// The grammar of RFC 6455, 9.1, once more, in another notation.
var (
	tokenRE   = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
	valueRE   = `(?:` + tokenRE + `|"(?:\\?[!#$%&'*+.^_` + "`" + `|~0-9A-Za-z-])+")`
	paramRE   = `[ \t]*;[ \t]*(` + tokenRE + `)(?:[ \t]*=[ \t]*(` + valueRE + `))?`
	elementRE = tokenRE + `(?:` + paramRE + `)*`
	lineRE    = regexp.MustCompile(`^[ \t]*(?:` + elementRE + `)?[ \t]*(?:,[ \t]*(?:` + elementRE + `)?[ \t]*)*$`)
	offerRE   = regexp.MustCompile(elementRE)
	nameRE    = regexp.MustCompile("^" + tokenRE)
	paramsRE  = regexp.MustCompile(paramRE)
	bitsRE    = regexp.MustCompile(`^([89]|1[0-5])$`)
)

// offersOf returns, by its parameters, each acceptable offer of a header, and
// false when the header is malformed.
func offersOf(lines []string) (offers []map[string]string, ok bool) {
	for _, line := range lines {
		if !lineRE.MatchString(line) {
			return nil, false
		}
		for _, e := range offerRE.FindAllString(line, -1) {
			if nameRE.FindString(e) != "permessage-deflate" {
				continue
			}
			o, valid := map[string]string{}, true
			for _, m := range paramsRE.FindAllStringSubmatch(e, -1) {
				name, value := m[1], strings.NewReplacer(`"`, "", `\`, "").Replace(m[2])
				_, seen := o[name]
				known := slices.Contains([]string{serverNoTakeover, clientNoTakeover, serverWindowBits, clientWindowBits}, name)
				bare := strings.HasSuffix(name, "takeover") || name == "client_max_window_bits" && value == ""
				if seen || !known || bare && value != "" || !bare && !bitsRE.MatchString(value) {
					valid = false
				}
				o[name] = value
			}
			if valid {
				offers = append(offers, o)
			}
		}
	}
	return offers, true
}

// checkAnswer judges an answer by RFC 7692, 7.1, and by what a server wants.
func checkAnswer(t testing.TB, lines []string, want Policy, answer Params, agreed Agreement, ok bool) {
	t.Helper()
	fault := func(format string, args ...any) {
		t.Helper()
		t.Fatalf("%q to %+v is answered with %q, %+v: %s", lines, want, answer, agreed, fmt.Sprintf(format, args...))
	}
	offers, wellFormed := offersOf(lines)
	if ok != (wellFormed && len(offers) > 0) {
		fault("%v, though there are %d offers (well-formed: %v)", ok, len(offers), wellFormed)
	}
	if !ok {
		return
	}
	offer := offers[0]
	bits := func(name string) (n int) {
		_, _ = fmt.Sscan(offer[name], &n)
		return n
	}
	has := func(name string) bool { _, ok := offer[name]; return ok }
	if has(serverNoTakeover) && !answer.ServerNoTakeover {
		fault("server_no_context_takeover is missing")
	}
	if has(serverWindowBits) != (answer.ServerWindowBits != 0) || answer.ServerWindowBits > bits(serverWindowBits) {
		fault("server_max_window_bits")
	}
	if answer.ClientWindowBits != 0 && (!has(clientWindowBits) || answer.ClientWindowBits < 8 || answer.ClientWindowBits > 15) {
		fault("client_max_window_bits was not offered")
	}
	if n := bits(clientWindowBits); n > 0 && answer.ClientWindowBits > n {
		fault("client_max_window_bits is larger than offered")
	}
	// What the client may send is what we are prepared for.
	received := 15
	if answer.ClientWindowBits > 0 {
		received = answer.ClientWindowBits
	}
	switch {
	case agreed.ReceiveWindowBits != received, agreed.ReceiveTakeover == answer.ClientNoTakeover, agreed.SendTakeover == answer.ServerNoTakeover:
		fault("the agreement is another")
	case answer.ServerWindowBits > 0 && agreed.SendWindowBits > answer.ServerWindowBits, agreed.SendWindowBits > want.SendWindowBits:
		fault("we would send with too large a window")
	case agreed.SendTakeover && !want.SendTakeover, agreed.ReceiveTakeover && !want.ReceiveTakeover:
		fault("takeover was not wanted")
	case agreed.ReceiveTakeover && NewInflater(true, agreed.ReceiveWindowBits).win.size > want.ReceiveBudget:
		fault("over budget")
	case has(clientWindowBits) && agreed.ReceiveWindowBits > want.ReceiveWindowBits:
		fault("the client was not held to our window")
	case want.ReceiveTakeover && has(clientWindowBits) && !has(clientNoTakeover) && want.ReceiveBudget >= 512 && !agreed.ReceiveTakeover:
		fault("a window would fit")
	}
}

// Reading a header takes time in proportion to its length, and no memory.
func TestNegotiateLinear(t *testing.T) {
	const n = 1 << 20
	for name, unit := range map[string]string{
		"commas":     ",",
		"elements":   "a,",
		"offers":     "permessage-deflate; foo,",
		"parameters": "a;",
		"spaces":     " ",
		"quotes":     `a;b="\c",`,
		"long token": "a",
		"repeated":   "permessage-deflate; server_max_window_bits=9; server_max_window_bits=9,",
	} {
		long := strings.Repeat(unit, n/len(unit))
		if unit == "a;" {
			long += "a"
		}
		if !strings.HasSuffix(long, ",") {
			long += ","
		}
		lines := []string{long + Name}
		start := time.Now()
		if _, _, ok := Accept(lines, free); !ok {
			t.Errorf("%s: the offer at the end is not taken", name)
		}
		if d := time.Since(start); d > 20*time.Second { // some 10 ms; minutes if it were quadratic
			t.Errorf("%s: a mebibyte takes %v", name, d)
		}
		if unit == `a;b="\c",` {
			continue // unquoting takes memory, in proportion
		}
		if n := testing.AllocsPerRun(1, func() { Accept(lines, free) }); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func FuzzNegotiate(f *testing.F) {
	for _, test := range acceptTests {
		f.Add(strings.Join(test.lines, "\n"), uint16(0))
	}
	for i, line := range slices.Concat(declined, malformed) {
		f.Add(line+", "+Name, uint16(i))
	}
	all := append(policies(), free, small)
	f.Fuzz(func(t *testing.T, header string, which uint16) {
		lines := strings.Split(header, "\n")
		want := all[int(which)%len(all)]
		answer, agreed, ok := Accept(lines, want)
		checkAnswer(t, lines, want, answer, agreed, ok)
		if ok {
			// An answer is one that a client which offered just this can read.
			s := scanner{lines: []string{answer.String()}, answer: true}
			if e, _ := s.next(); !e.deflate || !e.valid || e.params != answer {
				t.Fatalf("%q reads back as %+v", answer, e)
			}
		}
		// A client never takes what it would not have offered.
		offers := want.Offers()
		if got, used, _ := Confirm(lines, offers); used {
			if got.SendWindowBits > want.SendWindowBits || got.SendTakeover && !want.SendTakeover ||
				got.ReceiveTakeover && receivedBytes(got.ReceiveWindowBits) > want.ReceiveBudget {
				t.Fatalf("%q to %v: %+v", lines, offers, got)
			}
		}
	})
}
