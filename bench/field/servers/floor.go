package servers

import (
	"bufio"
	"encoding/binary"
	"net"
	"net/http"
)

// floor is no library: it checks nothing and keeps a goroutine and two buffers
// for each connection. Less is hard to do on net.Conn.
func floor() Server {
	f := new(floorServer)
	return Server{
		Name:    "floor",
		Setting: "no library: un-masks, and answers all complete frames of one read with one write; checks nothing",
		Start:   accept(f.serve),
	}
}

type floorServer struct{ room room[net.Conn] }

func (f *floorServer) serve(nc net.Conn) {
	defer nc.Close() //nolint:errcheck // the end of the connection
	path, err := shakeHands(nc)
	if err != nil {
		return
	}
	f.serveFrames(nc, path)
}

// shakeHands answers a handshake, and returns its path.
func shakeHands(nc net.Conn) (string, error) {
	r, err := http.ReadRequest(bufio.NewReaderSize(nc, 2048))
	if err != nil {
		return "", err
	}
	_, err = nc.Write(appendAnswer(nil, r.Header.Get("Sec-WebSocket-Key")))
	return r.URL.Path, err
}

// writer is where the answers of one read go.
type writer interface{ Write([]byte) (int, error) }

// opClose is the opcode of a Close frame; a connection's last read begins with
// it.
const opClose = 8

const (
	floorBuffer = 4 << 10  // at first
	floorMost   = 64 << 10 // grown to, unless a frame needs more
)

// answerReads writes the frames of each read, un-masked, at once.
func answerReads(nc net.Conn, w writer) {
	in := make([]byte, floorBuffer)
	have := 0
	var out []byte
	for {
		n, err := nc.Read(in[have:])
		if err != nil {
			return
		}
		have += n
		full := have == len(in)
		var used, need int
		bye := in[0]&0x0f == opClose
		out, used, need = unmaskFrames(out[:0], in[:have])
		if len(out) > 0 {
			if _, err := w.Write(out); err != nil {
				return
			}
		}
		if bye {
			return
		}
		have = copy(in, in[used:have])
		if size := max(need, min(2*len(in), floorMost)); full && size > len(in) {
			in = append(make([]byte, 0, size), in[:have]...)[:size]
		}
	}
}

// unmaskFrames appends the complete frames of in to out as a server sends them.
// It returns how many bytes they had, and how many the next one has.
func unmaskFrames(out, in []byte) (grown []byte, used, need int) {
	for {
		b := in[used:]
		head, size := frameSize(b)
		if head == 0 || len(b) < head+size {
			return out, used, head + size
		}
		out = append(out, b[0], b[1]&0x7f)
		out = append(out, b[2:head-4]...)
		out = appendXOR(out, b[head:head+size], b[head-4:head])
		used += head + size
	}
}

// frameSize returns the size of a client's header, zero if it is incomplete, and
// of its payload.
func frameSize(b []byte) (head, size int) {
	if len(b) < 6 {
		return 0, 0
	}
	head, size = 6, int(b[1]&0x7f)
	switch size {
	case 126:
		return 8, int(binary.BigEndian.Uint16(b[2:]))
	case 127:
		if len(b) < 14 {
			return 0, 0
		}
		return 14, int(binary.BigEndian.Uint64(b[2:])) //nolint:gosec // our own client's
	}
	return head, size
}
