package api

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestGorilla holds lazywebsocket against gorilla/websocket, symbol by symbol.
// With -v it lists what lazywebsocket has beyond it.
func TestGorilla(t *testing.T) {
	pkg, err := Load("../../lazywebsocket")
	if err != nil {
		t.Fatal(err)
	}
	broken, extra := Diff(golden(t), Describe(pkg))
	for _, line := range broken {
		t.Error(line)
	}
	t.Logf("beyond gorilla:\n%s", strings.Join(extra, "\n"))
}

// TestGolden looks at the committed description itself: in order, nothing twice,
// and a sample of every kind of symbol, so that a file that was cut short or
// made by a broken generator does not pass for an API that is kept.
func TestGolden(t *testing.T) {
	want := golden(t)
	subjects := make([]string, len(want))
	for i, e := range want {
		subjects[i] = e.Subject
	}
	if !slices.IsSorted(subjects) || len(slices.Compact(slices.Clone(subjects))) != len(subjects) {
		t.Error("the entries are not sorted, or one stands twice")
	}
	for _, line := range []string{
		"const CloseTLSHandshake: untyped int = 1015",
		"field Upgrader.Error: func(net/http.ResponseWriter, *net/http.Request, int, error)",
		"func IsUnexpectedCloseError: func(error, ...int) bool",
		"method (*Conn).WritePreparedMessage: func(*PreparedMessage) error",
		"method HandshakeError.Error: func() string",
		"type BufferPool: interface{ Get() any; Put(any) }",
		"var DefaultDialer: *Dialer",
		// Values that programs compare with ==.
		"var ErrBadHandshake: error",
		"var ErrCloseSent: error",
		"var ErrReadLimit: error",
	} {
		if !slices.ContainsFunc(want, func(e Entry) bool { return e.String() == line }) {
			t.Errorf("the file lacks %q", line)
		}
	}
}

func golden(t *testing.T) []Entry {
	t.Helper()
	f, err := os.Open("gorilla-v1.5.3.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	entries, err := Read(f)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

// sample has one symbol of every kind that a description knows.
const sample = `package sample

const Limit = 7
const Typed Kind = "k"

type Kind string
type Same = Kind
type Pool interface{ Get() interface{}; Put(interface{}) }
type Value struct{ Text string; hidden int }
type Doer struct {
	Call func(name string, more ...int) (n int, err error)
	Pipe <-chan map[string][4]byte
	mu   []byte
}

func (v Value) Error() string        { return v.Text }
func (d *Doer) Do(code int) error    { return nil }
func Make(p Pool, kinds ...Kind) *Doer { return nil }

var Err error
`

func TestDiff(t *testing.T) {
	for _, c := range []struct {
		name, old, new string
		broken         []string
	}{
		{"nothing", "", "", nil},
		{"any for interface{}", "Get() interface{}", "Get() any", nil},
		{"parameter renamed", "Do(code int)", "Do(c int)", nil},
		{"parameter of a field renamed", "name string, more", "s string, rest", nil},
		{"unexported field", "hidden int", "hidden string", nil},
		{"symbol added", "var Err error", "var Err, More error", nil},
		{"field added", "Call func", "More int; Call func", nil},
		{"pointer receiver to value", "(d *Doer)", "(d Doer)", nil},
		{
			"constant changed", "Limit = 7", "Limit = 8",
			[]string{"changed: const Limit: want untyped int = 7, have untyped int = 8"},
		},
		{
			"constant typed", "Limit = 7", "Limit int = 7",
			[]string{"changed: const Limit: want untyped int = 7, have int = 7"},
		},
		{"constant missing", "const Limit = 7", "", []string{"missing: const Limit: untyped int = 7"}},
		{"variable missing", "var Err error", "", []string{"missing: var Err: error"}},
		{
			"variable changed", "Err error", "Err Value",
			[]string{"changed: var Err: want error, have Value"},
		},
		{
			"function missing", "func Make", "func make_",
			[]string{"missing: func Make: func(Pool, ...Kind) *Doer"},
		},
		{
			"function changed", "kinds ...Kind", "kinds []Kind",
			[]string{"changed: func Make: want func(Pool, ...Kind) *Doer, have func(Pool, []Kind) *Doer"},
		},
		{
			"method changed", "Do(code int)", "Do(code int64)",
			[]string{"changed: method (*Doer).Do: want func(int) error, have func(int64) error"},
		},
		{
			"value receiver to pointer", "(v Value) Error", "(v *Value) Error",
			[]string{"missing: method Value.Error: func() string"},
		},
		{
			"field missing", "Text string", "Txt string",
			[]string{"missing: field Value.Text: string"},
		},
		{
			"field changed", "n int, err error", "int64, error",
			[]string{"changed: field Doer.Call: want func(string, ...int) (int, error), have func(string, ...int) (int64, error)"},
		},
		{
			"channel turned", "<-chan map", "chan map",
			[]string{"changed: field Doer.Pipe: want <-chan (map[string][4]byte), have chan (map[string][4]byte)"},
		},
		{
			"no longer comparable", "hidden int", "hidden []int",
			[]string{"missing: property Value: comparable"},
		},
		{
			"interface grows", "Put(interface{})", "Put(interface{}); Len() int",
			[]string{"changed: type Pool: want interface{ Get() any; Put(any) }, have interface{ Get() any; Len() int; Put(any) }"},
		},
		{
			"alias to a type of its own", "Same = Kind", "Same Kind",
			[]string{"changed: type Same: want = Kind, have string"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(sample, c.old) {
				t.Fatalf("%q is not in the sample", c.old)
			}
			changed := strings.ReplaceAll(strings.Replace(sample, c.old, c.new, 1), "v.Text", `""`)
			broken, _ := Diff(describe(t, sample), describe(t, changed))
			if !slices.Equal(broken, c.broken) {
				t.Errorf("have %q\nwant %q", broken, c.broken)
			}
		})
	}
}

func TestDiffExtra(t *testing.T) {
	_, extra := Diff(describe(t, sample), describe(t, sample+"\nfunc New() Pool { return nil }\n"))
	if want := []string{"func New: func() Pool"}; !slices.Equal(extra, want) {
		t.Errorf("have %q, want %q", extra, want)
	}
}

func TestReadWrite(t *testing.T) {
	want := describe(t, sample)
	var file strings.Builder
	if err := Write(&file, "one\ntwo", want); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(file.String(), "# one\n# two\nconst Limit: ") {
		t.Errorf("the file starts with %.40q", file.String())
	}
	have, err := Read(strings.NewReader(file.String()))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(have, want) {
		t.Errorf("read back %v, wrote %v", have, want)
	}
	if _, err := Read(strings.NewReader("# fine\nfunc Upgrade\n")); err == nil {
		t.Error("a line without a type was read without an error")
	}
}

// describe type-checks one file that imports nothing.
func describe(t *testing.T, src string) []Entry {
	t.Helper()
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "sample.go", src, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	pkg, err := new(types.Config).Check("sample", fset, []*ast.File{f}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return Describe(pkg)
}
