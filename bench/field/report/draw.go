package report

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// Sizes of the chart, which has panels in two columns.
const (
	columns     = 2
	columnWidth = 450
	labelWidth  = 165
	valueWidth  = 45
	barHeight   = 13
	barStep     = 16
	titleHeight = 22
	lineHeight  = 18
	margin      = 16

	// most is the ratio whose bar is the longest; what is more is cut, and its
	// value says so.
	most  = 1.3
	scale = (columnWidth - 2*margin - labelWidth - valueWidth) / most
)

// Figure says which servers a chart has.
type Figure struct {
	Base   string // whose ratio is 1
	Before []Bar  // of every panel
	Best   []string
	After  []Bar // of every panel, behind the best of Best
}

// Bar is a server in a chart.
type Bar struct {
	Server, Label string
	Class         string // of the style: own, other or empty
}

const chartStyle = `<style>
text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600 }
.small { fill: #57606a }
.bar { fill: #afb8c1 }
.other { fill: #bc8c5a }
.own { fill: #0969da }
.base { stroke: #57606a; stroke-dasharray: 3 3 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .small { fill: #9198a1 }
  .bar { fill: #484f58 }
  .other { fill: #a1703c }
  .own { fill: #4493f8 }
  .base { stroke: #9198a1 }
}
</style>
`

// Draw is a bar chart of the ratios, in SVG that can be read on light and on
// dark.
func Draw(d Data, all Names, f Figure) string {
	n := all.of(d)
	var body strings.Builder
	fmt.Fprintf(&body, `<text x="%d" y="%d" class="title">Server CPU per message, and memory per idle connection; %s = 1, less is better</text>`+"\n",
		margin, margin+barHeight, html.EscapeString(f.Base))
	fmt.Fprintf(&body, `<text x="%d" y="%d" class="small">Second bar: the best other Go library there. %s, one core, loopback, %s, %s.</text>`+"\n",
		margin, margin+barHeight+lineHeight, html.EscapeString(d.About["cpu"]), html.EscapeString(d.About["go"]), html.EscapeString(d.About["date"]))
	y, row := 2*margin+barHeight+lineHeight, 0
	for i, s := range n.Scenarios {
		panel, height := drawPanel(d, s, f, margin+i%columns*columnWidth, y)
		body.WriteString(panel)
		row = max(row, height)
		if i%columns == columns-1 || i == len(n.Scenarios)-1 {
			y, row = y+row, 0
		}
	}
	const width = columns*columnWidth + margin
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">`+"\n",
		width, y, width, y) + chartStyle + body.String() + "</svg>\n"
}

// bars are a panel's.
func (f Figure) bars(d Data, scenario string) []Bar {
	all := slices.Clone(f.Before)
	best, least := "", math.Inf(1)
	for _, name := range f.Best {
		if v, _, _ := d.Ratio(scenario, name, f.Base, d.unit(scenario)); v < least { // not if there is none
			best, least = name, v
		}
	}
	if best != "" {
		all = append(all, Bar{Server: best, Label: best})
	}
	return append(all, f.After...)
}

// drawPanel draws a scenario from x and y on, and returns its height.
func drawPanel(d Data, s Name, f Figure, x, y int) (panel string, height int) {
	left := x + labelWidth
	var b strings.Builder
	fmt.Fprintf(&b, `<text x="%d" y="%d" class="title">%s</text>`+"\n", x, y+barHeight, html.EscapeString(s.Title))
	at := y + titleHeight
	for _, bar := range f.bars(d, s.Name) {
		mid, _, _ := d.Ratio(s.Name, bar.Server, f.Base, d.unit(s.Name))
		if math.IsNaN(mid) {
			continue
		}
		b.WriteString(drawBar(bar, mid, left, at))
		at += barStep
	}
	one := float64(left) + scale
	fmt.Fprintf(&b, `<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" class="base"/>`+"\n", one, one, y+titleHeight-3, at)
	return b.String(), at - y + margin
}

func drawBar(bar Bar, v float64, left, y int) string {
	width := max(min(v, most)*scale, 1)
	text := y + barHeight - 2
	return fmt.Sprintf(`<text x="%d" y="%d" text-anchor="end">%s</text>`, left-6, text, html.EscapeString(bar.Label)) +
		fmt.Sprintf(`<rect x="%d" y="%d" width="%.1f" height="%d" class="bar %s"/>`, left, y, width, barHeight, bar.Class) +
		fmt.Sprintf(`<text x="%d" y="%d" text-anchor="end" class="small">%s</text>`+"\n",
			left+int(scale*most)+valueWidth, text, ratio(v))
}
