package lazywebsocket_test

import (
	"io"
	"testing"
	"testing/iotest"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

func TestJoinMessages(t *testing.T) {
	for _, term := range []string{"", "\n", "--"} {
		for name, wrap := range map[string]func(io.Reader) io.Reader{
			"whole": func(r io.Reader) io.Reader { return r },
			"one":   iotest.OneByteReader,
		} {
			t.Run(name+term, func(t *testing.T) {
				bothRoles(t, options{}, func(t *testing.T, conn *lazywebsocket.Conn, p *wstest.Peer) {
					p.Text("one")
					p.Text("")
					p.Frame(0x02, []byte("t"))
					p.Frame(0x80, []byte("wo"))
					p.Close(1000, "")
					r := lazywebsocket.JoinMessages(conn, term)
					if n, err := r.Read(nil); n != 0 || err != nil {
						t.Errorf("an empty read: %d, %v", n, err)
					}
					got, err := io.ReadAll(wrap(r))
					if want := "one" + term + term + "two" + term; string(got) != want {
						t.Errorf("read %q, want %q", got, want)
					}
					wantSummary(t, err, "close 1000")
				})
			})
		}
	}
}
