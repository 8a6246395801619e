package lazywebsocket_test

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// answerWays are the ways to write an answer, and what the peer receives then.
var answerWays = map[string]struct {
	write func(c *lazywebsocket.Conn, text string) error
	want  string // with %s for the text
}{
	"WriteMessage": {func(c *lazywebsocket.Conn, text string) error {
		return c.WriteMessage(lazywebsocket.TextMessage, []byte(text))
	}, "81 02 '%s'"},
	"WriteMessageContext": {func(c *lazywebsocket.Conn, text string) error {
		return c.WriteMessageContext(patientContext, lazywebsocket.TextMessage, []byte(text))
	}, "81 02 '%s'"},
	"WriteJSON": {func(c *lazywebsocket.Conn, text string) error {
		return c.WriteJSON(text)
	}, `81 05 '"%s"' 0a`},
	"NextWriter": {func(c *lazywebsocket.Conn, text string) error {
		w, err := c.NextWriter(lazywebsocket.TextMessage)
		if err == nil {
			_, err = io.WriteString(w, text)
		}
		if err == nil {
			err = w.Close()
		}
		return err
	}, "81 02 '%s'"},
	"WritePreparedMessage": {func(c *lazywebsocket.Conn, text string) error {
		pm, err := lazywebsocket.NewPreparedMessage(lazywebsocket.TextMessage, []byte(text))
		if err == nil {
			err = c.WritePreparedMessage(pm)
		}
		return err
	}, "81 02 '%s'"},
}

// patientContext can be cancelled, as far as anybody can see, and never is.
var patientContext = neverDone{}

type neverDone struct{}

var never = make(chan struct{})

func (neverDone) Deadline() (time.Time, bool) { return time.Time{}, false }
func (neverDone) Done() <-chan struct{}       { return never }
func (neverDone) Err() error                  { return nil }
func (neverDone) Value(any) any               { return nil }

// The answers to what arrived in one piece leave in one write, with the pongs
// between them.
func TestHoldAnswersLeaveTogether(t *testing.T) {
	for name, way := range answerWays {
		t.Run(name, func(t *testing.T) {
			onTapped(t, wstest.Network{}, tappedOptions{}, func(t *testing.T, c tapped) {
				start := time.Now()
				for range 3 { // bursts
					c.p.WriteBytes(wire(t, c.r, "81 02|'aa' / 89 01|'p' / 81 02|'bb' / 01 01|'c' / 89 01|'q' / 80 01|'c' / 82 02|'dd'"))
					synctest.Wait()
					served := result(func() error { return answer(c.Conn, 4, way.write) })
					must(t, <-served)
					idle := result(func() error { return answer(c.Conn, 1, way.write) })
					for _, frame := range []string{"aa", "8a 01 'p'", "bb", "8a 01 'q'", "cc", "dd"} {
						if len(frame) == 2 {
							frame = strings.ReplaceAll(way.want, "%s", frame)
						}
						c.p.Want(frame)
					}
					if writes := c.tap.taken(); len(writes) != 1 {
						t.Errorf("writes of %v bytes, want one", writes)
					}
					c.p.Text("ee")
					must(t, <-idle)
					c.p.Want(strings.ReplaceAll(way.want, "%s", "ee"))
					if writes := c.tap.taken(); len(writes) != 1 {
						t.Errorf("the message alone: writes of %v bytes, want one", writes)
					}
				}
				wantAt(t, "all answers", start, 0)
			})
		})
	}
}

// answer reads n messages and answers each.
func answer(c *lazywebsocket.Conn, n int, write func(*lazywebsocket.Conn, string) error) error {
	for range n {
		_, data, err := c.ReadMessage()
		if err == nil {
			err = write(c, string(data))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Messages that are read with NextReader, and the replies of a handler of pings.
func TestHoldReadersAndHandlers(t *testing.T) {
	onTapped(t, wstest.Network{}, tappedOptions{}, func(t *testing.T, c tapped) {
		c.SetPingHandler(func(data string) error {
			return c.WriteControl(lazywebsocket.PongMessage, []byte("my "+data), time.Now().Add(time.Second))
		})
		c.p.WriteBytes(wire(t, c.r, "81 01|'a' / 89 01|'p' / 81 00 / 89 01|'q' / 81 01|'b'"))
		synctest.Wait()
		go func() {
			for {
				_, r, err := c.NextReader()
				if err != nil {
					return
				}
				data, _ := io.ReadAll(r)
				_ = c.WriteMessage(lazywebsocket.TextMessage, data)
			}
		}()
		c.p.Want("81 01 'a' 8a 04 'my p' 81 00 8a 04 'my q' 81 01 'b'")
		if writes := c.tap.taken(); len(writes) != 1 {
			t.Errorf("writes of %v bytes, want one", writes)
		}
	})
}

// In whatever pieces the network delivers, the answers are the same, and none
// waits for the guard.
func TestHoldAnyChunking(t *testing.T) {
	for name, chunk := range chunkings() {
		t.Run(name, func(t *testing.T) {
			onTapped(t, wstest.Network{Chunk: chunk(), Buffer: -1}, tappedOptions{}, func(t *testing.T, c tapped) {
				start := time.Now()
				c.burst(t, 50)
				go c.echo(t, 51)
				c.wantEchoes(0, 50)
				wantAt(t, "the answers", start, 0)
				c.p.Text("end")
				c.p.WantText("end")
			})
		})
	}
}

// One message at a time is answered at once, in a write of its own.
func TestHoldOneInFlight(t *testing.T) {
	onTapped(t, wstest.Network{}, tappedOptions{}, func(t *testing.T, c tapped) {
		for range 20 {
			c.burst(t, 1)
			c.echo(t, 1) // no read follows that could send it
			c.p.WantText("m0")
			if writes := c.tap.taken(); len(writes) != 1 || c.Held() != 0 {
				t.Errorf("writes of %v bytes, %d held", writes, c.Held())
			}
		}
		// A part of the next message does not count.
		start := time.Now()
		c.p.WriteBytes(wire(t, c.r, "81 01|'a' / 81 05|'b'"))
		synctest.Wait()
		c.echo(t, 1)
		c.p.WantText("a")
		wantAt(t, "the answer before half a message", start, 0)
	})
}

// What is held, and so what leaves in one write, has a bound.
func TestHoldLimit(t *testing.T) {
	for _, tc := range []struct {
		limit, answer, messages int
		fewest, most            int // writes
		largest                 int // bytes in one
	}{
		{limit: 0, answer: 4000, messages: 40, fewest: 3, most: 3, largest: 64 << 10},
		{limit: 1 << 30, answer: 4000, messages: 40, fewest: 3, most: 3, largest: 64 << 10},
		{limit: 1000, answer: 100, messages: 40, fewest: 4, most: 5, largest: 1100 + 14},
		{limit: 1, answer: 100, messages: 40, fewest: 40, most: 40, largest: 114},
		{limit: -1, answer: 100, messages: 40, fewest: 40, most: 40, largest: 114},
	} {
		t.Run(fmt.Sprint(tc.limit), func(t *testing.T) {
			onTapped(t, wstest.Network{Buffer: -1}, tappedOptions{hold: tc.limit}, func(t *testing.T, c tapped) {
				start := time.Now()
				c.burst(t, tc.messages)
				go answer(c.Conn, tc.messages+1, func(conn *lazywebsocket.Conn, text string) error {
					return conn.WriteMessage(lazywebsocket.BinaryMessage, padded(text, tc.answer))
				})
				for i := range tc.messages {
					c.p.WantBinary(padded(fmt.Sprint("m", i), tc.answer))
				}
				writes := c.tap.taken()
				if n := len(writes); n < tc.fewest || n > tc.most || slices.Max(writes) > tc.largest {
					t.Errorf("writes of %v bytes, want %d to %d of at most %d", writes, tc.fewest, tc.most, tc.largest)
				}
				wantAt(t, "the answers", start, 0)
			})
		})
	}
}

// padded returns the text with dots behind it.
func padded(text string, n int) []byte {
	return append([]byte(text), bytes.Repeat([]byte("."), max(0, n-len(text)))...)
}

// Messages of all sizes behind each other keep their order, and their bytes.
func TestHoldSizes(t *testing.T) {
	sizes := []int{0, 10, 65400, 10, 10, 65522, 65523, 65536, 0, 70000, 3, 30000, 30000, 30000, 200000, 5}
	for name, way := range answerWays {
		t.Run(name, func(t *testing.T) {
			onTapped(t, wstest.Network{Buffer: 5000}, tappedOptions{}, func(t *testing.T, c tapped) {
				c.burst(t, len(sizes))
				go func() {
					_, _, _ = c.ReadMessage()
					for i, n := range sizes {
						must(t, way.write(c.Conn, string(padded(fmt.Sprint(i), n))))
						if i < len(sizes)-1 {
							_, _, _ = c.ReadMessage()
						}
					}
					_ = c.Close()
				}()
				for i, n := range sizes {
					wantMessage(t, c.p, string(padded(fmt.Sprint(i), n)))
				}
				c.p.WantClose(1000)
				c.p.WantEOF()
			})
		})
	}
}

// wantMessage takes a text message, which may come in several frames or as JSON.
func wantMessage(t *testing.T, p *wstest.Peer, want string) {
	t.Helper()
	var data []byte
	for first := true; ; first = false {
		head, payload := p.Next()
		data = append(data, payload...)
		if op := head & 0x0f; (op == 1) != first || op > 1 {
			t.Fatalf("a frame %02x, first is %v", head, first)
		}
		if head&0x80 != 0 {
			break
		}
	}
	got := strings.Trim(string(data), "\"\n")
	if got != want {
		t.Fatalf("received %d bytes %.20q, want %d %.20q", len(got), got, len(want), want)
	}
}

// sentence does not compress, but for being said again.
const sentence = "Ky3#vB8q!Lz0@pWm5^tRx7&nHc2*jDf9(gSk4)aEo6-uYi1+QwX=Zb%Tl$Vr~Pd/Mh<Nf>Cj?Gs;Oa:Ue|I"

// Compressed answers leave together, and the windows of both ends agree.
func TestHoldCompressed(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		server, client := wstest.Network{Buffer: -1}.NewPair(t,
			&lazywebsocket.Upgrader{EnableCompression: true}, &lazywebsocket.Dialer{EnableCompression: true})
		for round := range 4 {
			for _, ends := range [][2]*lazywebsocket.Conn{{server, client}, {client, server}} {
				asks, answers := ends[1], ends[0]
				var want []string
				for i := range 20 {
					text := fmt.Sprintf("%d, %d: %s", round, i, sentence)
					want = append(want, text)
					must(t, asks.WriteMessage(lazywebsocket.TextMessage, []byte(text)))
				}
				synctest.Wait()
				must(t, answer(answers, 19, answerWays["WriteMessage"].write))
				if answers.Held() == 0 {
					t.Error("nothing is held: the test tests nothing")
				}
				if saved := answers.Held(); saved > 19*len(want[0])/2 {
					t.Errorf("%d bytes are held for 19 messages of %d: they refer to nothing", saved, len(want[0]))
				}
				must(t, answer(answers, 1, answerWays["NextWriter"].write))
				must(t, answers.Flush())
				for _, text := range want {
					wantRead(t, asks, message(lazywebsocket.TextMessage, []byte(text)))
				}
			}
		}
	})
}

// An open message: its fragments are held like whole ones, what is written by
// others stays outside of it, and Flush needs no end of it.
func TestHoldFragments(t *testing.T) {
	onTapped(t, wstest.Network{}, tappedOptions{}, func(t *testing.T, c tapped) {
		start := time.Now()
		c.held(t, 2)
		w, err := c.NextWriter(lazywebsocket.BinaryMessage)
		must(t, err)
		piece := bytes.Repeat([]byte("x"), 5000)
		_, err = w.Write(piece)
		must(t, err)
		second := result(func() error { return c.WriteMessage(lazywebsocket.TextMessage, []byte("later")) })
		synctest.Wait()
		if writes := c.tap.taken(); len(writes) != 0 {
			t.Errorf("writes of %v bytes while they are held", writes)
		}
		must(t, c.Flush())
		c.wantEchoes(0, 2)
		c.p.Want("02 7e 1388 'x'*5000")
		c.p.WantNothing()
		_, err = w.Write(piece)
		must(t, err)
		must(t, w.Close())
		must(t, <-second)
		must(t, c.Flush())
		c.p.Want("00 7e 1388 'x'*5000 80 00 81 05 'later'")
		if writes := c.tap.taken(); len(writes) != 2 {
			t.Errorf("writes of %v bytes, want one for each Flush", writes)
		}
		wantAt(t, "all", start, 0)
	})
}

// Where one goroutine reads and another one answers, the reader lets that one
// run before it sends, so that those answers leave together too.
func TestHoldAnswersOfAnotherGoroutine(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for _, queue := range []int{0, 4, 64} {
		t.Run(fmt.Sprint("queue of ", queue), func(t *testing.T) {
			onTapped(t, wstest.Network{}, tappedOptions{}, func(t *testing.T, c tapped) {
				messages := make(chan []byte, queue)
				go func() {
					for data := range messages {
						_ = c.WriteMessage(lazywebsocket.TextMessage, data)
					}
				}()
				go func() {
					defer close(messages)
					for {
						_, data, err := c.ReadMessage()
						if err != nil {
							return
						}
						messages <- data
					}
				}()
				synctest.Wait()
				const bursts = 30
				writes := 0
				for range bursts {
					c.burst(t, 16)
					c.wantEchoes(0, 16)
					writes += len(c.tap.taken())
				}
				// The scheduler may prefer the reader, now and then.
				if writes > 6*bursts {
					t.Errorf("%d writes for %d bursts of 16", writes, bursts)
				}
			})
		})
	}
}
