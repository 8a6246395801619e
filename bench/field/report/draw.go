package report

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// Sizes of the chart, which has panels in two columns.
const (
	columns     = 2
	columnWidth = 450
	labelWidth  = 150
	valueWidth  = 45
	barHeight   = 13
	barStep     = 16
	titleHeight = 26
	margin      = 16

	// most is the ratio whose bar is the longest; what is more is cut, and its
	// value says so.
	most  = 1.5
	scale = (columnWidth - 2*margin - labelWidth - valueWidth) / most
)

// own is how the names of this project's servers begin.
const own = "lazywebsocket"

const chartStyle = `<style>
text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600 }
.small { fill: #57606a }
.bar { fill: #afb8c1 }
.own { fill: #0969da }
.base { stroke: #57606a; stroke-dasharray: 3 3 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .small { fill: #9198a1 }
  .bar { fill: #484f58 }
  .own { fill: #4493f8 }
  .base { stroke: #9198a1 }
}
</style>
`

// Draw is a bar chart of the ratios, in SVG that can be read on light and on
// dark.
func Draw(d Data, all Names, base string) string {
	n := all.of(d)
	var body strings.Builder
	fmt.Fprintf(&body, `<text x="%d" y="%d" class="small">Server CPU per message, delivery or handshake; memory per idle connection. `+
		"%s = 1, less is better. %s, %s.</text>\n",
		margin, margin+barHeight, html.EscapeString(base), html.EscapeString(d.About["cpu"]), html.EscapeString(d.About["date"]))
	y, row := 2*margin+barHeight, 0
	for i, s := range n.Scenarios {
		panel, height := drawPanel(d, s, n.Servers, base, margin+i%columns*columnWidth, y)
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

// drawPanel draws a scenario from x and y on, and returns its height.
func drawPanel(d Data, s Name, all []Name, base string, x, y int) (panel string, height int) {
	left := x + labelWidth
	var b strings.Builder
	fmt.Fprintf(&b, `<text x="%d" y="%d" class="title">%s</text>`+"\n", x, y+barHeight, html.EscapeString(s.Title))
	at := y + titleHeight
	for _, server := range all {
		mid, _, _ := d.Ratio(s.Name, server.Name, base, d.unit(s.Name))
		if math.IsNaN(mid) {
			continue
		}
		b.WriteString(drawBar(server.Name, mid, left, at))
		at += barStep
	}
	one := float64(left) + scale
	fmt.Fprintf(&b, `<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" class="base"/>`+"\n", one, one, y+titleHeight-3, at)
	return b.String(), at - y + margin
}

func drawBar(name string, v float64, left, y int) string {
	class := "bar"
	if strings.HasPrefix(name, own) {
		class = "own"
	}
	text := y + barHeight - 2
	return fmt.Sprintf(`<text x="%d" y="%d" text-anchor="end">%s</text>`, left-6, text, html.EscapeString(name)) +
		fmt.Sprintf(`<rect x="%d" y="%d" width="%.1f" height="%d" class="%s"/>`,
			left, y, max(min(v, most)*scale, 1), barHeight, class) +
		fmt.Sprintf(`<text x="%d" y="%d" text-anchor="end" class="small">%s</text>`+"\n",
			left+int(scale*most)+valueWidth, text, ratio(v))
}
