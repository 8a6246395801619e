package poll

import (
	"sync"
	"sync/atomic"
)

// sockets finds the Socket of an event. There is one table for the process, as
// there is one for descriptors.
var sockets table

// table holds sockets by descriptor, eight bytes each, in chunks that are never
// moved: only the list of chunks is copied when it grows.
type table struct {
	mu     sync.Mutex // guards growth
	chunks atomic.Pointer[[]*chunk]
}

const chunkSize = 512

type chunk [chunkSize]atomic.Pointer[Socket]

// generations numbers the sockets, so that an event that was fetched before its
// descriptor was closed and used again is known to be stale.
var generations atomic.Uint32

// get returns the socket of an event, nil when it is gone.
func (t *table) get(fd, gen int32) *Socket {
	chunks := t.chunks.Load()
	if chunks == nil || int(fd)/chunkSize >= len(*chunks) {
		return nil
	}
	c := (*chunks)[int(fd)/chunkSize]
	if c == nil {
		return nil
	}
	if s := c[int(fd)%chunkSize].Load(); s != nil && s.gen == gen {
		return s
	}
	return nil
}

// put enters s, or nothing when s is nil, under its descriptor.
func (t *table) put(fd int32, s *Socket) {
	t.chunk(int(fd) / chunkSize)[int(fd)%chunkSize].Store(s)
}

func (t *table) chunk(i int) *chunk {
	if chunks := t.chunks.Load(); chunks != nil && i < len(*chunks) && (*chunks)[i] != nil {
		return (*chunks)[i]
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var old []*chunk
	if chunks := t.chunks.Load(); chunks != nil {
		old = *chunks
	}
	grown := make([]*chunk, max(len(old), i+1))
	copy(grown, old)
	if grown[i] == nil {
		grown[i] = new(chunk)
	}
	t.chunks.Store(&grown)
	return grown[i]
}

// of returns the open sockets of p.
func (t *table) of(p *Poller) []*Socket {
	chunks := t.chunks.Load()
	if chunks == nil {
		return nil
	}
	var found []*Socket
	for _, c := range *chunks {
		if c == nil {
			continue
		}
		for i := range c {
			if s := c[i].Load(); s != nil && s.loop.poller == p {
				found = append(found, s)
			}
		}
	}
	return found
}
