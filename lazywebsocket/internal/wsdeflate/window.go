package wsdeflate

// window is the end of what a direction has carried: the text that the next
// message may refer back to. Its memory grows with what it has to hold, up to
// its size, and never beyond it.
type window struct {
	b    []byte
	size int // zero or negative: nothing is kept
}

// add appends p and forgets what does not fit any more.
func (w *window) add(p []byte) {
	if w.size <= 0 {
		return
	}
	if len(p) > w.size {
		p = p[len(p)-w.size:]
	}
	if over := len(w.b) + len(p) - w.size; over > 0 {
		w.b = w.b[:copy(w.b, w.b[over:])]
	}
	if need := len(w.b) + len(p); need > cap(w.b) {
		// Doubling, but never beyond the size: append would round up past it.
		grown := make([]byte, len(w.b), min(max(need, 2*cap(w.b), 256), w.size))
		copy(grown, w.b)
		w.b = grown
	}
	w.b = append(w.b, p...)
}

// drop forgets everything and lets go of the memory.
func (w *window) drop() { w.b = nil }
