package servers

import (
	"slices"
	"sync"
)

// room is who gets what is published.
type room[C comparable] struct {
	mu      sync.Mutex
	members []C
}

// join adds a member, until leave.
func (r *room[C]) join(c C) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.members = append(r.members, c)
}

func (r *room[C]) leave(c C) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.Index(r.members, c); i >= 0 {
		r.members = slices.Delete(r.members, i, i+1)
	}
}

// each calls send for every member, whatever it returns.
func (r *room[C]) each(send func(C) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.members {
		_ = send(c) // a member that has gone leaves by itself
	}
}
