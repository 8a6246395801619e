package sqlite

import (
	"encoding/binary"
	"hash/maphash"
)

// generations is how many pieces the window is forgotten in. One more is held, so
// that nothing is forgotten early.
const generations = 4

// dedupe remembers the seqs of messages with ids for the window. It is a hint with
// no misses: what it finds is looked at in the file, which has the id and the time.
// It belongs to the writer's goroutine.
type dedupe struct {
	window int64 // ms; 0: nothing is remembered
	limit  int   // ids in all generations
	seed   maphash.Seed

	// gens are the hashes of topic and id with the messages' seqs, the latest
	// generation first. began is when each got its first, in ms.
	gens  [generations + 2]map[uint64]int64
	began [generations + 2]int64
	count int
}

func newDedupe(window int64, limit int) *dedupe {
	return &dedupe{window: window, limit: limit, seed: maphash.MakeSeed()}
}

// key is what a message is remembered by.
func (d *dedupe) key(topic int64, id string) uint64 {
	var h maphash.Hash
	h.SetSeed(d.seed)
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(topic)) //nolint:gosec // bits
	_, _ = h.Write(b[:])                               // neither can fail
	_, _ = h.WriteString(id)
	return h.Sum64()
}

// seq returns the message with a key, or 0.
func (d *dedupe) seq(key uint64) int64 {
	for _, g := range d.gens {
		if s := g[key]; s != 0 {
			return s
		}
	}
	return 0
}

// add remembers a message of the time at, which never falls.
func (d *dedupe) add(key uint64, seq, at int64) {
	if d.gens[0] == nil || at-d.began[0] >= d.window/generations || len(d.gens[0]) >= d.limit/generations {
		d.turn(at)
	}
	if _, was := d.gens[0][key]; !was {
		d.count++
	}
	d.gens[0][key] = seq
}

// turn begins a generation. The oldest goes if it is full of what is behind the
// window, or if there are too many ids.
func (d *dedupe) turn(at int64) {
	last := len(d.gens) - 1
	d.count -= len(d.gens[last])
	copy(d.gens[1:], d.gens[:last])
	copy(d.began[1:], d.began[:last])
	d.gens[0], d.began[0] = make(map[uint64]int64), at
	for i := last; i > 0; i-- {
		old := at-d.began[i-1] >= d.window // all of it came before the next one began
		if d.gens[i] != nil && (old || d.count > d.limit) {
			d.count -= len(d.gens[i])
			d.gens[i] = nil
		}
	}
}
