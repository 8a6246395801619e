package load

import (
	"encoding/binary"
	"sync"

	"golazy.dev/bench/deflate/chat"
	"golazy.dev/bench/deflate/wire"
)

// script is what a connection sends, compressed as the server has asked for.
// Connections with the same script and parameters share it.
type script struct {
	plain, frames [][]byte
}

// scripts makes them, each once.
type scripts struct {
	sessions [][][]byte
	length   int // messages of a script

	mu   sync.Mutex
	made map[scriptKey]*script
}

type scriptKey struct {
	session, start int
	params         wire.Params
}

// starts is how many places in a session a script may begin at.
const starts = 8

func newScripts(length int) (*scripts, error) {
	sessions, err := chat.Load()
	return &scripts{sessions: sessions, length: length, made: map[scriptKey]*script{}}, err
}

// of returns the script of connection i.
func (s *scripts) of(i int, params wire.Params) (*script, error) {
	key := scriptKey{
		session: i % len(s.sessions),
		start:   i / len(s.sessions) % starts * (chat.PerSession / starts),
		params:  params,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if made := s.made[key]; made != nil {
		return made, nil
	}
	made, err := newScript(s.sessions[key.session], key.start, s.length, params)
	s.made[key] = made
	return made, err
}

// newScript goes round and round a session, which is longer than any window.
func newScript(session [][]byte, start, length int, params wire.Params) (*script, error) {
	var d *wire.Deflater
	if params.Deflate {
		var err error
		if d, err = wire.NewWindowDeflater(params.ClientBits, !params.ClientNoTakeover); err != nil {
			return nil, err
		}
	}
	s := new(script)
	var key [4]byte
	for i := range length {
		m := session[(start+i)%len(session)]
		payload := m
		if d != nil {
			var err error
			if payload, err = d.Deflate(m); err != nil {
				return nil, err
			}
		}
		binary.LittleEndian.PutUint32(key[:], uint32(i)*2654435761) // any key does on loopback
		s.plain = append(s.plain, m)
		s.frames = append(s.frames, wire.AppendFrame(nil, payload, d != nil, key[:]))
	}
	return s, nil
}
