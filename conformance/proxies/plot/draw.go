package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// The picture, in units of SVG.
const (
	width, height = 900, 560
	left, right   = 60, 880
	upperTop      = 70 // who is connected
	upperBottom   = 290
	lowerTop      = 350 // who goes and who comes
	lowerBottom   = 500

	bin = 0.25 // seconds of a bar
)

const (
	colourA, colourB    = "#4e79a7", "#f28e2b"
	colourTold          = "#b07aa1"
	colourBack          = "#59a14f"
	colourText          = "#333"
	colourDrain, colour = "#e7e7e7", "#c9c9c9"
)

// picture has the scale of time.
type picture struct {
	w        io.Writer
	from, to float64 // seconds
}

func (p *picture) x(seconds float64) float64 {
	return left + (seconds-p.from)/(p.to-p.from)*(right-left)
}

func (p *picture) put(format string, args ...any) { _, _ = fmt.Fprintf(p.w, format+"\n", args...) } // bufio keeps the error

func (p *picture) text(x, y float64, anchor, s string) {
	p.put(`<text x="%.1f" y="%.1f" text-anchor="%s" fill="%s">%s</text>`, x, y, anchor, colourText, s)
}

// draw draws all.
func draw(w io.Writer, r *recording) {
	r.untilTheLastIsBack()
	p := &picture{w: w, from: r.Restarts[0][0] - 1, to: r.Events[len(r.Events)-1].Seconds + 1}
	p.put(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="13">`, width, height)
	p.put(`<rect width="%d" height="%d" fill="white"/>`, width, height)
	p.put(`<text x="%d" y="26" font-size="16" fill="%s">Two hubs behind haproxy, restarted one after the other: %d clients, drain %g s</text>`,
		left, colourText, r.Clients, r.Drain)
	names := []string{"a", "b"}
	for i, restart := range r.Restarts {
		p.restart(names[i%2], restart)
	}
	p.connected(r)
	p.bars(r)
	p.times()
	p.put(`</svg>`)
}

// untilTheLastIsBack forgets how the clients left in the end.
func (r *recording) untilTheLastIsBack() {
	for i, e := range slices.Backward(r.Events) {
		if e.What == "back" {
			r.Events = r.Events[:i+1]
			return
		}
	}
}

// restart shades the time in which a server drains, and in which it is away.
func (p *picture) restart(name string, at [3]float64) {
	shade := func(from, to float64, colour string) {
		p.put(`<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>`, p.x(from), upperTop, p.x(to)-p.x(from), lowerBottom-upperTop, colour)
	}
	shade(at[0], at[1], colourDrain)
	shade(at[1], at[2], colour)
	p.text(p.x(at[0])+4, upperTop-18, "start", "SIGTERM to "+name+": it drains")
	p.text(p.x(at[2])+2, upperTop-4, "start", name+" is ready again")
}

// connected draws how many clients each server has.
func (p *picture) connected(r *recording) {
	y := func(n int) float64 { return upperBottom - float64(n)/float64(r.Clients)*(upperBottom-upperTop) }
	p.axis(upperBottom, upperTop, r.Clients, "clients connected")
	counts := make(map[string]int)
	paths := map[string]*strings.Builder{"a": {}, "b": {}, "": {}}
	point := func(server string, at float64, n int) {
		b := paths[server]
		if b.Len() == 0 {
			fmt.Fprintf(b, "M%.1f %.1f", p.x(p.from), y(n))
			return
		}
		fmt.Fprintf(b, "H%.1fV%.1f", p.x(min(max(at, p.from), p.to)), y(n))
	}
	start := false
	for _, e := range r.Events {
		if !start && e.Seconds >= p.from {
			start = true
			point("a", e.Seconds, counts["a"])
			point("b", e.Seconds, counts["b"])
			point("", e.Seconds, counts["a"]+counts["b"])
		}
		switch e.What {
		case "back":
			counts[e.Server]++
		case "lost":
			counts[e.Server]--
		default:
			continue
		}
		if start && e.Seconds < p.to {
			point(e.Server, e.Seconds, counts[e.Server])
			point("", e.Seconds, counts["a"]+counts["b"])
		}
	}
	for i, line := range []struct{ server, colour, label string }{
		{"", "#999", "all"}, {"a", colourA, "at a"}, {"b", colourB, "at b"},
	} {
		p.put(`<path d="%sH%d" fill="none" stroke="%s" stroke-width="2"/>`, paths[line.server], right, line.colour)
		p.legend(i, upperBottom+22, line.colour, line.label)
	}
}

// bars draws who is sent away and who comes back, by time.
func (p *picture) bars(r *recording) {
	bins := int(math.Ceil((p.to - p.from) / bin))
	told, back := make([]int, bins), make([]int, bins)
	most := 0
	for _, e := range r.Events {
		i := int((e.Seconds - p.from) / bin)
		if e.Seconds < r.Restarts[0][0] || i >= bins {
			continue // it came for the first time
		}
		switch e.What {
		case "told":
			told[i]++
		case "back":
			back[i]++
		}
		most = max(most, told[i], back[i])
	}
	p.axis(lowerBottom, lowerTop, most, fmt.Sprintf("clients in each %g s", bin))
	half := (p.x(p.from+bin) - p.x(p.from)) / 2
	for i := range bins {
		x := p.x(p.from + float64(i)*bin)
		for j, n := range []int{told[i], back[i]} {
			h := float64(n) / float64(max(most, 1)) * (lowerBottom - lowerTop)
			p.put(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`,
				x+float64(j)*half, lowerBottom-h, half-0.5, h, []string{colourTold, colourBack}[j])
		}
	}
	p.legend(0, lowerBottom+44, colourTold, "told to come back")
	p.legend(2, lowerBottom+44, colourBack, "connected again")
}

// axis draws a panel's frame and its scale.
func (p *picture) axis(bottom, top float64, most int, label string) {
	p.put(`<path d="M%d %gV%gH%d" fill="none" stroke="%s"/>`, left, top, bottom, right, colourText)
	p.text(left-6, top+5, "end", fmt.Sprint(most))
	p.text(left-6, bottom+4, "end", "0")
	p.put(`<text transform="translate(%d %g) rotate(-90)" text-anchor="middle" fill="%s">%s</text>`, left-36, (top+bottom)/2, colourText, label)
}

// legend names a colour.
func (p *picture) legend(i int, y float64, colour, label string) {
	x := float64(left + 10 + i*90)
	p.put(`<rect x="%g" y="%g" width="14" height="4" fill="%s"/>`, x, y-6, colour)
	p.text(x+20, y, "start", label)
}

// times draws the scale of time, which begins with the first SIGTERM.
func (p *picture) times() {
	zero := p.from + 1
	for s := 0.0; zero+s < p.to; s += 5 {
		x := p.x(zero + s)
		p.put(`<path d="M%.1f %dv5" stroke="%s"/>`, x, lowerBottom, colourText)
		p.text(x, lowerBottom+20, "middle", fmt.Sprintf("%g s", s))
	}
}
