package report

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"golazy.dev/bench/field/load"
)

// runs are three rounds of an echo by a and b, whose ratios are 0.5, 0.25 and
// 0.4, and one of memory.
func runs() string {
	raw := Header(Machine{Date: "2030-01-02", CPU: "a <b>", Cores: 2, Go: "go9", Kernel: "8.1"})
	for _, cpu := range [][2]time.Duration{{1000, 500}, {4000, 1000}, {2000, 800}} {
		for i, server := range []string{"a", "b"} {
			raw += Line("echo", server, load.Result{
				Messages: 10, Elapsed: time.Second, CPU: 10 * cpu[i],
				User: 10 * time.Millisecond, System: 30 * time.Millisecond,
				P50: time.Millisecond, P99: 2 * time.Millisecond, P999: 3 * time.Millisecond,
			})
		}
	}
	raw += Line("echo", "b", load.Result{
		Messages: 1000, CPU: time.Hour, // of a server that is slowed
		Calls: map[string]int{"read": 5, "recvfrom": 1000, "sendto": 1500, "futex": 1},
	})
	raw += Line("idle", "a", load.Result{Conns: 100, RSS: 4096, Heap: 2048, Stack: 1024})
	return raw + Line("idle", "b", load.Result{Conns: 100, RSS: 1024})
}

var names = Names{
	Scenarios: []Name{{"none", "nothing"}, {"echo", "an <echo>"}, {"idle", "memory"}},
	Servers:   []Name{{"a", "the first"}, {"b", "the second"}, {"c", "the third"}},
}

func parsed(t *testing.T) Data {
	t.Helper()
	d, err := Parse(runs())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// What is written is read again.
func TestParse(t *testing.T) {
	d := parsed(t)
	if d.About["cpu"] != "a <b>" || d.About["date"] != "2030-01-02" || len(d.Runs) != 4 {
		t.Errorf("%+v", d)
	}
	first := d.Runs[Key{"echo", "a"}][0]
	for unit, want := range map[string]float64{
		CPU: 1000, User: 1e6, System: 3e6, Rate: 10, P50: 1e6, P99: 2e6, P999: 3e6,
	} {
		if first[unit] != want {
			t.Errorf("%s is %v, not %v", unit, first[unit], want)
		}
	}
	if got := d.Runs[Key{"idle", "a"}][0]; got[Resident] != 4096 || got[Heap] != 2048 || got[Stack] != 1024 || got[Conns] != 100 {
		t.Errorf("%v", got)
	}
	for _, bad := range []string{
		"BenchmarkField/scenario=a 1 2 x", "BenchmarkField/scenario=a/server=b 1 2", "BenchmarkField/scenario=a/server=b 1 x y",
	} {
		if _, err := Parse(bad); err == nil {
			t.Errorf("accepted %q", bad)
		}
	}
}

// Ratios are those of the same round.
func TestRatio(t *testing.T) {
	d := parsed(t)
	mid, least, most := d.Ratio("echo", "b", "a", CPU)
	if mid != 0.4 || least != 0.25 || most != 0.5 {
		t.Errorf("%v, %v to %v", mid, least, most)
	}
	if mid, _, _ := d.Ratio("echo", "a", "a", CPU); mid != 1 {
		t.Errorf("to itself %v", mid)
	}
	if mid, _, _ := d.Ratio("echo", "c", "a", CPU); !math.IsNaN(mid) {
		t.Errorf("of nothing %v", mid)
	}
	if got := d.Median("echo", "b", CPU); got != 800 {
		t.Errorf("the median is %v", got)
	}
	if user, system := d.Split("echo", "b"); user != 200 || system != 600 {
		t.Errorf("800 ns are %v and %v", user, system)
	}
}

func TestMarkdown(t *testing.T) {
	got := Markdown(parsed(t), names, "a")
	for _, want := range []string{
		"2030-01-02, a <b>, 2 cores, go9, Linux 8.1\n",
		"| scenario | a | b |\n",
		"| an <echo> | 1.00 | 0.40 |\n",
		"| memory | 1.00 | 0.25 |\n",
		"| b | 0.40 | 0.25 to 0.50 | 0.800 | 0.200 | 0.600 | 10 | 0 % | 1ms | 2ms | 3ms | 2.51 (sendto 1.50, recvfrom 1.00, read 0.005) |\n",
		" | 1ms | 2ms | 3ms | - |\n",
		"| a | 100 | 4.00 | 1.00 | 2.00 | 1.00 |\n",
		"| b | 100 | 1.00 | 0.25 | - | - |\n",
		"- `b`: the second\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	for _, no := range []string{"nothing", "the third", "NaN"} {
		if strings.Contains(got, no) {
			t.Errorf("%q in\n%s", no, got)
		}
	}
}

// The chart is well-formed, and has a bar for each server that it shows, of those
// that the scenario has.
func TestDraw(t *testing.T) {
	svg := Draw(parsed(t), names, Figure{
		Base: "a", Before: []Bar{{Server: "a", Label: "first"}}, Best: []string{"c", "b", "a"}, After: []Bar{{Server: "c", Label: "none", Class: "own"}},
	})
	decoder := xml.NewDecoder(strings.NewReader(svg))
	bars := 0
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, svg)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "rect" {
			bars++
		}
	}
	if bars != 4 {
		t.Errorf("%d bars", bars)
	}
	for _, want := range []string{">0.40<", ">0.25<", ">first<", ">b<", "an &lt;echo&gt;", "prefers-color-scheme: dark"} {
		if !strings.Contains(svg, want) {
			t.Errorf("no %q in\n%s", want, svg)
		}
	}
}

func TestNumbers(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{ratio(0.0312), "0.031"},
		{ratio(0.0951), "0.10"},
		{ratio(1.234), "1.23"},
		{ratio(math.NaN()), "-"},
		{micros(1234), "1.234"},
		{micros(12345), "12.35"},
		{micros(1234567), "1235"},
		{duration(1234), "1.23µs"},
		{duration(123456), "123µs"},
		{duration(12345678), "12.35ms"},
	} {
		if c.got != c.want {
			t.Errorf("%q, not %q", c.got, c.want)
		}
	}
}
