package lazywebsocket_test

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// NextReader plays the scripts too, with reads of several sizes.
func TestWireNextReader(t *testing.T) {
	for _, s := range wireScripts {
		t.Run(s.name, func(t *testing.T) {
			for name, wrap := range map[string]func(io.Reader) io.Reader{
				"whole": func(r io.Reader) io.Reader { return r },
				"one":   iotest.OneByteReader,
				"half":  iotest.HalfReader,
			} {
				for _, r := range []role{server, client} {
					bubble(t, name+"/"+r.String(), func(t *testing.T) {
						conn, p := r.connect(t, wstest.Network{Buffer: -1, Chunk: wstest.RandomChunks(9, 100)}, s.options)
						p.WriteBytes(wire(t, r, s.in))
						if s.hangup {
							must(t, p.Conn.CloseWrite())
						}
						messages, failure := nextAll(t, conn, wrap)
						if got := strings.Join(messages, ", "); got != s.messages {
							t.Errorf("read %s\nwant %s", got, s.messages)
						}
						wantSummary(t, failure, s.err)
						playWire(t, conn, p, wanted{"", s.err, s.out, s.code})
					})
				}
			}
		})
	}
}

// nextAll reads by NextReader until the connection fails.
func nextAll(t *testing.T, conn *lazywebsocket.Conn, wrap func(io.Reader) io.Reader) (messages []string, failure error) {
	t.Helper()
	for {
		messageType, r, err := conn.NextReader()
		if err != nil {
			return messages, err
		}
		data, err := io.ReadAll(wrap(r))
		_, again := r.Read(make([]byte, 1))
		if err != nil {
			if again != err { //nolint:errorlint // it must be the same
				t.Errorf("the reader's next error is %v, want %v", again, err)
			}
			return messages, err
		}
		if again != io.EOF {
			t.Errorf("behind the end: %v", again)
		}
		messages = append(messages, message(messageType, data))
	}
}

// A message whose reader was left is dropped, its control frames are not.
func TestNextReaderDropsTheRest(t *testing.T) {
	for _, read := range []int{0, 1, 3, 5, 6} {
		onNetwork(t, wstest.Network{Chunk: wstest.RandomChunks(uint64(read), 4)}, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
			p.Frame(0x01, []byte("abc"))
			p.Ping("p")
			p.Frame(0x00, []byte("def"))
			p.Frame(0x80, []byte(strings.Repeat("g", 9000)))
			p.Text("next")
			_, old, err := conn.NextReader()
			must(t, err)
			if _, err := io.ReadFull(old, make([]byte, read)); err != nil {
				t.Fatal(err)
			}
			wantRead(t, conn, `text "next"`)
			p.WantPong("p")
			if n, err := old.Read(make([]byte, 9)); n != 0 || err != io.ErrUnexpectedEOF { //nolint:errorlint // programs compare it
				t.Errorf("the old reader: %d, %v", n, err)
			}
			p.Text("later")
			if n, err := old.Read(make([]byte, 9)); n != 0 || err != io.ErrUnexpectedEOF { //nolint:errorlint // programs compare it
				t.Errorf("the old reader: %d, %v", n, err)
			}
			wantRead(t, conn, `text "later"`)
		})
	}
}

// A reader that was kept does not read its successor's message, whether it has
// come to the end of its own or not.
func TestOldReaderDoesNotReadTheNext(t *testing.T) {
	for _, read := range []int{0, 3, 5} {
		bothRoles(t, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
			p.Text("first")
			p.Text("second")
			_, old, err := conn.NextReader()
			must(t, err)
			_, err = io.ReadFull(old, make([]byte, read))
			must(t, err)
			_, r, err := conn.NextReader()
			must(t, err)
			want := io.ErrUnexpectedEOF
			if read == 5 { // it had come to its end
				want = io.EOF
			}
			if n, err := old.Read(make([]byte, 3)); n != 0 || err != want { //nolint:errorlint // programs compare it
				t.Errorf("the old reader: %d, %v, want %v", n, err, want)
			}
			if got, err := io.ReadAll(r); string(got) != "second" || err != nil {
				t.Errorf("read %q, %v", got, err)
			}
		})
	}
}

// What is dropped is judged as well.
func TestNextReaderJudgesTheRest(t *testing.T) {
	bothRoles(t, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		p.Frame(0x01, []byte("abc"))
		p.Frame(0x80, []byte{0xff})
		_, r, err := conn.NextReader()
		must(t, err)
		_, _, err = conn.NextReader()
		wantSummary(t, err, "protocol 1007")
		if _, again := r.Read(make([]byte, 1)); again != err { //nolint:errorlint // it must be the same
			t.Errorf("the old reader: %v", again)
		}
		p.WantClose(1007)
	})
}

func TestMessageReaderReadsNothing(t *testing.T) {
	bothRoles(t, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
		p.Frame(0x01, nil)
		_, r, err := conn.NextReader()
		must(t, err)
		if n, err := r.Read(nil); n != 0 || err != nil { // it does not wait
			t.Errorf("%d, %v", n, err)
		}
		p.Frame(0x80, []byte("x"))
		if got, err := io.ReadAll(r); string(got) != "x" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	})
}
