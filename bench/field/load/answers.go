package load

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Opcodes and bits of RFC 6455, 5.2.
const (
	opContinuation = 0
	opText         = 1
	opBinary       = 2
	opClose        = 8

	fin  = 0x80
	mask = 0x80
)

// answers compares a stream of a server's frames with the messages that must
// come, over and over again.
type answers struct {
	want   [][]byte
	opcode byte

	next  int // index of the message
	at    int // bytes of it that have come
	begun bool

	head  [10]byte
	heads int // bytes of head
	left  int // bytes of the frame's payload that have not come
	last  bool
}

var errDiffers = errors.New("load: an answer differs")

// feed takes bytes that have arrived and returns how many messages they
// complete.
func (a *answers) feed(b []byte) (complete int, err error) {
	for len(b) > 0 {
		if !a.whole() {
			n, err := a.header(b)
			if err != nil {
				return complete, err
			}
			b = b[n:]
			if !a.whole() {
				return complete, nil
			}
		}
		n := min(a.left, len(b))
		want := a.want[a.next]
		if a.at+n > len(want) || !bytes.Equal(b[:n], want[a.at:a.at+n]) {
			return complete, errDiffers
		}
		a.at, a.left, b = a.at+n, a.left-n, b[n:]
		if a.left > 0 {
			return complete, nil
		}
		done, err := a.endFrame()
		if err != nil {
			return complete, err
		}
		complete += done
	}
	return complete, nil
}

// endFrame ends a frame, and the message if it is its last.
func (a *answers) endFrame() (messages int, err error) {
	a.heads = 0
	if !a.last {
		return 0, nil
	}
	if a.at != len(a.want[a.next]) {
		return 0, errDiffers
	}
	a.at, a.begun = 0, false
	a.next++
	if a.next == len(a.want) {
		a.next = 0
	}
	return 1, nil
}

// whole reports whether the header has come.
func (a *answers) whole() bool { return a.heads >= 2 && a.heads == headSize(a.head[1]) }

func headSize(second byte) int {
	switch second & 0x7f {
	case 126:
		return 4
	case 127:
		return 10
	}
	return 2
}

// header takes bytes of the header, and judges it when it is whole.
func (a *answers) header(b []byte) (n int, err error) {
	if a.heads < 2 {
		n = copy(a.head[a.heads:2], b)
		a.heads += n
		if a.heads < 2 {
			return n, nil
		}
	}
	more := copy(a.head[a.heads:headSize(a.head[1])], b[n:])
	a.heads += more
	n += more
	if !a.whole() {
		return n, nil
	}
	want := a.opcode
	if a.begun {
		want = opContinuation
	}
	a.begun = true
	if a.head[0]&^fin != want || a.head[1]&mask != 0 {
		return n, fmt.Errorf("load: a frame begins with % x", a.head[:2])
	}
	a.last = a.head[0]&fin != 0
	switch a.heads {
	case 4:
		a.left = int(binary.BigEndian.Uint16(a.head[2:]))
	case 10:
		a.left = int(binary.BigEndian.Uint64(a.head[2:])) //nolint:gosec // compared with what is wanted
	default:
		a.left = int(a.head[1])
	}
	return n, nil
}
