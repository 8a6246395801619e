package lazywebsocket_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/klauspost/compress/flate"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// deal is a way to agree on compression, with a peer that plays by hand.
type deal struct {
	name string
	ours lazywebsocket.CompressionOptions
	// peer is what the peer says: it offers in a client's role, and answers in a
	// server's.
	peer [2]string
	// bits and takeover are what it means for the peer's compressor (in) and ours.
	inBits, outBits         int
	inTakeover, outTakeover bool
}

var deals = []deal{
	{
		name: "default", peer: [2]string{server: "permessage-deflate; client_max_window_bits", client: "permessage-deflate; server_max_window_bits=12"},
		inBits: 12, outBits: 15, inTakeover: true, outTakeover: true,
	},
	{
		name: "no takeover", peer: [2]string{
			server: "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
			client: "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
		},
		inBits: 15, outBits: 15,
	},
	{
		name: "takeover out alone", peer: [2]string{server: "permessage-deflate", client: "permessage-deflate; server_no_context_takeover"},
		inBits: 15, outBits: 15, outTakeover: true,
	},
	{
		name: "small windows", ours: lazywebsocket.CompressionOptions{WindowBits: 9},
		peer: [2]string{
			server: "permessage-deflate; server_max_window_bits=9; client_max_window_bits=9",
			client: "permessage-deflate; server_max_window_bits=9; client_max_window_bits=9",
		},
		inBits: 9, outBits: 9, inTakeover: true, outTakeover: true,
	},
	{
		name: "whole windows", ours: lazywebsocket.CompressionOptions{WindowBits: 15, MemoryPerConn: 72 << 10},
		peer:   [2]string{server: "permessage-deflate; client_max_window_bits=15", client: "permessage-deflate"},
		inBits: 15, outBits: 15, inTakeover: true, outTakeover: true,
	},
	{
		name: "level 6, small window", ours: lazywebsocket.CompressionOptions{Level: 6},
		peer: [2]string{
			server: "permessage-deflate; server_max_window_bits=10; client_max_window_bits=10",
			client: "permessage-deflate; server_max_window_bits=10; client_max_window_bits=10",
		},
		inBits: 10, outBits: 10, inTakeover: true, outTakeover: true,
	},
	{
		name: "level 6", ours: lazywebsocket.CompressionOptions{Level: 6},
		peer:   [2]string{server: "permessage-deflate; client_max_window_bits", client: "permessage-deflate; server_max_window_bits=12"},
		inBits: 12, outBits: 15, inTakeover: true, outTakeover: true,
	},
}

// connect makes a connection on which the deal holds. What o says of
// compression does not count.
func (d deal) connect(t testing.TB, r role, n wstest.Network, o options) (*lazywebsocket.Conn, *packer) {
	t.Helper()
	p := &packer{t: t, deal: d}
	var conn *lazywebsocket.Conn
	if r == server {
		u := o.upgrader()
		u.EnableCompression, u.Compression = true, d.ours
		conn, p.Peer, p.header = serverWith(t, n, u, d.peer[server])
	} else {
		dialer := o.dialer()
		dialer.EnableCompression, dialer.Compression = true, d.ours
		conn, p.Peer, p.header = clientWith(t, n, dialer, d.peer[client])
	}
	p.reset()
	return conn, p
}

// serverWith returns a server's end for a client that offers extensions, and the
// answer to it.
func serverWith(t testing.TB, n wstest.Network, u *lazywebsocket.Upgrader, offer string) (*lazywebsocket.Conn, *wstest.Peer, string) {
	t.Helper()
	conns := make(chan *lazywebsocket.Conn, 1)
	p := n.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := u.Upgrade(w, r, nil)
		if err != nil {
			t.Errorf("upgrade: %v", err)
		}
		conns <- conn
	})).Peer()
	p.Request("/", "Sec-WebSocket-Extensions: "+offer)
	resp := p.Response()
	conn := <-conns
	t.Cleanup(func() { _ = conn.Close() })
	return conn, p, resp.Header.Get("Sec-Websocket-Extensions")
}

// clientWith returns a client's end for a server that answers with extensions,
// and what the client has offered.
func clientWith(t testing.TB, n wstest.Network, d *lazywebsocket.Dialer, answer string) (*lazywebsocket.Conn, *wstest.Peer, string) {
	t.Helper()
	l := n.Listen()
	t.Cleanup(func() { _ = l.Close() })
	d.NetDialContext = l.DialContext
	type dialed struct {
		conn *lazywebsocket.Conn
		err  error
	}
	done := result(func() dialed {
		conn, _, err := d.Dial("ws://example.com/", nil) //nolint:bodyclose // the Dialer closes it
		return dialed{conn, err}
	})
	p := l.AcceptPeer(t)
	request := p.ReadRequest()
	p.Accept(request, "Sec-WebSocket-Extensions: "+answer)
	got := <-done
	must(t, got.err)
	t.Cleanup(func() { _ = got.conn.Close() })
	return got.conn, p, request.Header.Get("Sec-Websocket-Extensions")
}

// packer is a peer with a compressor, and a decompressor that holds us to what
// was agreed.
type packer struct {
	*wstest.Peer
	t       testing.TB
	deal    deal
	header  string // our Sec-WebSocket-Extensions
	out     bytes.Buffer
	w       *flate.Writer
	history []byte // what it has received compressed: its window is the end of it
}

// reset makes the peer's compressor, whose window is as large as agreed.
func (p *packer) reset() {
	var err error
	p.w, err = flate.NewWriterWindow(&p.out, 1<<p.deal.inBits)
	if p.deal.inBits == 15 {
		p.w, err = flate.NewWriter(&p.out, 6)
	}
	must(p.t, err)
}

// pack returns the compressed payload of a message.
func (p *packer) pack(s string) []byte {
	p.out.Reset()
	_, err := p.w.Write([]byte(s))
	must(p.t, err)
	must(p.t, p.w.Flush())
	if !p.deal.inTakeover {
		p.reset()
	}
	return bytes.Clone(bytes.TrimSuffix(p.out.Bytes(), []byte("\x00\x00\xff\xff")))
}

// send sends a compressed text message.
func (p *packer) send(s string) {
	p.t.Helper()
	p.Frame(0xc1, p.pack(s))
}

// sendPieces sends a compressed text message in fragments of n bytes, with a
// ping behind each but the last.
func (p *packer) sendPieces(s string, n int) {
	p.t.Helper()
	payload, first := p.pack(s), byte(0x41)
	for len(payload) > n {
		p.Frame(first, payload[:n])
		p.Ping("between")
		payload, first = payload[n:], 0
	}
	p.Frame(first|0x80, payload)
}

// got is a message that the packer has received.
type got struct {
	first  byte   // of the first frame
	wire   int    // payload bytes of all frames
	frames int    // data frames
	text   string // inflated
}

func (g got) compressed() bool { return g.first&0x40 != 0 }

// receive receives a message, pongs in between left out.
func (p *packer) receive() (m got) {
	p.t.Helper()
	var payload []byte
	for fin := false; !fin; {
		first, b := p.Next()
		if first&0x0f == 0x0a {
			continue
		}
		if first&0x0f >= 8 || first&0x30 != 0 || (m.frames > 0) != (first&0x4f == 0) {
			p.t.Fatalf("received a frame %02x as number %d of a message", first, m.frames)
		}
		if m.frames == 0 {
			m.first = first
		}
		m.frames++
		payload = append(payload, b...)
		fin = first&0x80 != 0
	}
	m.wire = len(payload)
	m.text = string(payload)
	if m.compressed() {
		m.text = p.unpack(payload)
	}
	return m
}

// unpack inflates a message, by the letter of the agreement.
func (p *packer) unpack(payload []byte) string {
	p.t.Helper()
	ref := reference{in: append(bytes.Clone(payload), 0, 0, 0xff, 0xff), out: p.history, window: 1 << p.deal.outBits}
	if err := ref.inflate(); err != nil {
		p.t.Fatalf("cannot inflate a message of %d bytes: %v", len(payload), err)
	}
	text := string(ref.out[len(p.history):])
	if p.deal.outTakeover {
		p.history = ref.out
	}
	return text
}

// want receives a message and compares it.
func (p *packer) want(text string) got {
	p.t.Helper()
	m := p.receive()
	if m.text != text {
		p.t.Fatalf("received %s, want %s", message(1, []byte(m.text)), message(1, []byte(text)))
	}
	return m
}

// everyDeal runs f in a bubble for all deals and both roles.
func everyDeal(t *testing.T, n wstest.Network, o options, f func(t *testing.T, conn *lazywebsocket.Conn, p *packer)) {
	t.Helper()
	theseDeals(t, deals, n, o, f)
}

// twoDeals is everyDeal with takeover, by default, and without.
func twoDeals(t *testing.T, n wstest.Network, o options, f func(t *testing.T, conn *lazywebsocket.Conn, p *packer)) {
	t.Helper()
	theseDeals(t, deals[:2], n, o, f)
}

func theseDeals(t *testing.T, deals []deal, n wstest.Network, o options, f func(t *testing.T, conn *lazywebsocket.Conn, p *packer)) {
	t.Helper()
	for _, d := range deals {
		for _, r := range []role{server, client} {
			bubble(t, d.name+"/"+r.String(), func(t *testing.T) {
				conn, p := d.connect(t, r, n, o)
				f(t, conn, p)
			})
		}
	}
}

// chat returns a message of a chat, different for each i.
func chat(i int) string {
	return fmt.Sprintf(`{"type":"message","id":%d,"room":"general","user":{"id":"u%06d","name":"user %d"},"text":"message number %d of this room"}`,
		i*7919, i*31%997, i%13, i)
}

// chats returns n bytes of chat.
func chats(from, n int) string {
	var b []byte
	for i := from; len(b) < n; i++ {
		b = append(b, chat(i)...)
	}
	return string(b[:n])
}

// Nothing is negotiated unless it is asked for; without it a compressed message is
// a breach, and the switches do nothing but judge.
func TestCompressionIsOffByDefault(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		conn, p, answer := serverWith(t, wstest.Network{}, &lazywebsocket.Upgrader{}, "permessage-deflate; client_max_window_bits")
		if answer != "" {
			t.Errorf("negotiated %q", answer)
		}
		p.Frame(0xc1, []byte{0x4a, 0x04, 0x00})
		_, _, err := conn.ReadMessage()
		wantSummary(t, err, "protocol 1002")
		p.WantClose(1002)
	})
	bothRoles(t, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		conn.EnableWriteCompression(true)
		for level := -2; level <= 9; level++ {
			must(t, conn.SetCompressionLevel(level))
		}
		for _, level := range []int{-3, 10} {
			var op *lazywebsocket.OpError
			if err := conn.SetCompressionLevel(level); !errors.As(err, &op) {
				t.Errorf("level %d: %v", level, err)
			}
		}
		must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte(chats(0, 1000))))
		p.WantText(chats(0, 1000))
	})
}

// What the options say in a handshake.
func TestCompressionHandshake(t *testing.T) {
	type o = lazywebsocket.CompressionOptions
	const chromium = "permessage-deflate; client_max_window_bits"
	for name, tc := range map[string]struct {
		o              o
		offer          string
		answer, offers string
	}{
		"default":       {o{}, chromium, "permessage-deflate; client_max_window_bits=12", "permessage-deflate; server_max_window_bits=12; client_max_window_bits, permessage-deflate; server_no_context_takeover; client_max_window_bits"},
		"fixed windows": {o{}, "permessage-deflate", "permessage-deflate; client_no_context_takeover", "permessage-deflate; server_max_window_bits=12; client_max_window_bits, permessage-deflate; server_no_context_takeover; client_max_window_bits"},
		"no takeover":   {o{DisableTakeover: true}, chromium, "permessage-deflate; server_no_context_takeover; client_no_context_takeover", "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits"},
		"all memory":    {o{MemoryPerConn: 72 << 10}, chromium, "permessage-deflate", "permessage-deflate; client_max_window_bits"},
		"no memory":     {o{MemoryPerConn: 1}, chromium, "permessage-deflate; server_no_context_takeover; client_no_context_takeover", "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits"},
		"small windows": {o{WindowBits: 10}, chromium, "permessage-deflate; client_max_window_bits=10", "permessage-deflate; server_max_window_bits=10; client_max_window_bits=10, permessage-deflate; server_no_context_takeover; client_max_window_bits=10"},
		"declined":      {o{}, "permessage-deflate; server_max_window_bits=7", "", "permessage-deflate; server_max_window_bits=12; client_max_window_bits, permessage-deflate; server_no_context_takeover; client_max_window_bits"},
	} {
		bubble(t, name, func(t *testing.T) {
			_, _, answer := serverWith(t, wstest.Network{}, &lazywebsocket.Upgrader{EnableCompression: true, Compression: tc.o}, tc.offer)
			if answer != tc.answer {
				t.Errorf("answered %q\nwant     %q", answer, tc.answer)
			}
			_, _, offers := clientWith(t, wstest.Network{}, &lazywebsocket.Dialer{EnableCompression: true, Compression: tc.o}, "permessage-deflate; server_no_context_takeover; server_max_window_bits=9; client_no_context_takeover")
			if offers != tc.offers {
				t.Errorf("offered %q\nwant    %q", offers, tc.offers)
			}
		})
	}
}

// A long conversation in every way of sending, on every deal: each side reads
// what the other wrote, and the windows stay right.
func TestCompressedConversation(t *testing.T) {
	for name, chunk := range fewChunkings() {
		t.Run(name, func(t *testing.T) {
			everyDeal(t, wstest.Network{Chunk: chunk()}, options{writeBuffer: 600}, func(t *testing.T, conn *lazywebsocket.Conn, p *packer) {
				for i := range 48 {
					text := chats(i, 1+i*i)
					peerSends(p, i, text)
					if i%11 == 6 { // begun, and left in the middle
						_, r, err := conn.NextReader()
						must(t, err)
						_, err = r.Read(make([]byte, 1+i))
						must(t, err)
						peerSends(p, 0, text)
					}
					wantRead(t, conn, message(1, []byte(text)))
					weSend(t, conn, i, text)
					p.want(text)
				}
				most := max(p.deal.ours.MemoryPerConn, 8<<10)
				if !p.deal.inTakeover && !p.deal.outTakeover {
					most = 0
				}
				if held := conn.CompressionHeld(); held > most {
					t.Errorf("%d bytes are held, want at most %d", held, most)
				}
			})
		})
	}
}

// fewChunkings are those of chunkings that differ most.
func fewChunkings() map[string]func() func() int {
	few := chunkings()
	delete(few, "random0") // as good as bytewise
	delete(few, "random1")
	return few
}

// peerSends sends a message in the i-th way.
func peerSends(p *packer, i int, text string) {
	p.t.Helper()
	switch i % 4 {
	case 1:
		p.Text(text) // not compressed, and in no window
	case 2:
		p.sendPieces(text, 1+i)
	default:
		p.send(text)
	}
}

// weSend sends a message in the i-th way.
func weSend(t testing.TB, conn *lazywebsocket.Conn, i int, text string) {
	t.Helper()
	switch i % 6 {
	case 1:
		conn.EnableWriteCompression(false)
		must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte(text)))
		conn.EnableWriteCompression(true)
	case 2:
		stream(t, conn, text, 1+i*3)
	case 3:
		pm, err := lazywebsocket.NewPreparedMessage(lazywebsocket.TextMessage, []byte(text))
		must(t, err)
		must(t, conn.WritePreparedMessage(pm))
	case 4:
		must(t, conn.SetCompressionLevel(i%12-2))
		must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte(text)))
		must(t, conn.SetCompressionLevel(1))
	default:
		must(t, conn.WriteMessage(lazywebsocket.TextMessage, []byte(text)))
	}
}

// stream writes a message by NextWriter, n bytes at a time.
func stream(t testing.TB, conn *lazywebsocket.Conn, text string, n int) {
	t.Helper()
	w, err := conn.NextWriter(lazywebsocket.TextMessage)
	must(t, err)
	for b := []byte(text); len(b) > 0; b = b[min(n, len(b)):] {
		_, err := w.Write(b[:min(n, len(b))])
		must(t, err)
	}
	must(t, w.Close())
}
