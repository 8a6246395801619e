package wstest

import (
	"errors"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for script, want := range map[string]string{
		"":                               "",
		" \t\n":                          "",
		"81 05 'hello'":                  "\x81\x05hello",
		"8105'hello'":                    "\x81\x05hello",
		"'a b'62":                        "a bb",
		"61*3 62":                        "aaab",
		"6162*2":                         "abab",
		"'xy'*2 'z'":                     "xyxyz",
		"61*0 62":                        "b",
		"''":                             "",
		"FF fE":                          "\xff\xfe",
		"82 85 00000000\n\t68 65 6c6c6f": "\x82\x85\x00\x00\x00\x00hello",
	} {
		got, err := parse(script)
		if string(got) != want || err != nil {
			t.Errorf("%q: %q, %v, want %q", script, got, err, want)
		}
	}
	for _, script := range []string{"8", "8g", "'open", "61*", "61*x", "61*-1", "*3", "61 *3"} {
		if got, err := parse(script); err == nil {
			t.Errorf("%q: %q, want an error", script, got)
		}
	}
	if got, err := parse("61*70000"); string(got) != strings.Repeat("a", 70000) || err != nil {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestUnmasker(t *testing.T) {
	const masked = "81 85 37fa213d 7f9f4d5158 80 80 01020304 82 fe 0100 00000000 61*256 82 ff 0000000000010000 ffffffff 00*65536"
	const plain = "81 05 'Hello' 80 00 82 7e 0100 61*256 82 7f 0000000000010000 ff*65536"
	in, err := parse(masked)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := parse(plain)
	for _, size := range []int{1, 2, 3, 7, len(in)} {
		var u unmasker
		var got []byte
		for rest := in; len(rest) > 0 && err == nil; {
			n := min(size, len(rest))
			got, err = u.add(got, rest[:n])
			rest = rest[n:]
		}
		if err != nil || string(got) != string(want) {
			t.Errorf("in pieces of %d: %d bytes, %v, want %d", size, len(got), err, len(want))
		}
	}
	var u unmasker
	if got, err := u.add(nil, []byte{0x81, 0x05}); !errors.Is(err, errNotMasked) || len(got) != 0 {
		t.Errorf("an unmasked frame: % x, %v", got, err)
	}
}
