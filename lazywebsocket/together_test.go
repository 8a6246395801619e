package lazywebsocket_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// text writes a text message in a goroutine of its own, which waits at the gate
// when it returns.
func (c tapped) text(s string) <-chan error {
	done := result(func() error { return c.WriteMessage(lazywebsocket.TextMessage, []byte(s)) })
	synctest.Wait()
	return done
}

// stuck makes a writer wait for the peer.
func (c tapped) stuck() (string, <-chan error) {
	s := strings.Repeat("s", 4000)
	done := c.text(s)
	c.tap.taken()
	return s, done
}

// Messages whose writers wait behind a write leave in one write, in their order.
func TestWritersLeaveTogether(t *testing.T) {
	onTapped(t, wstest.Network{Buffer: 2000}, tappedOptions{}, func(t *testing.T, c tapped) {
		s, first := c.stuck()
		results := []<-chan error{first}
		for i := range 20 {
			results = append(results, c.text(fmt.Sprint("w", i)))
		}
		pm := prepare(t, "prepared")
		results = append(results, result(func() error { return c.WritePreparedMessage(pm) }))
		synctest.Wait()
		c.p.WantText(s)
		for i := range 20 {
			c.p.WantText(fmt.Sprint("w", i))
		}
		c.p.WantText("prepared")
		for _, r := range results {
			must(t, <-r)
		}
		if sizes := c.tap.taken(); len(sizes) != 1 {
			t.Errorf("writes of %d bytes behind the first", sizes)
		}
		if !c.AtRest() {
			t.Error("not at rest")
		}
	})
}

// Who is not to be taken along keeps his place, and ends the company.
func TestWritersKeepTheirPlace(t *testing.T) {
	for name, write := range map[string]func(c tapped) error{
		"context": func(c tapped) error {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			return c.WriteMessageContext(ctx, lazywebsocket.TextMessage, []byte("odd"))
		},
		"control": func(c tapped) error {
			return c.WriteControl(lazywebsocket.PingMessage, []byte("odd"), noDeadline)
		},
		"writer": func(c tapped) error {
			w, err := c.NextWriter(lazywebsocket.TextMessage)
			if err != nil {
				return err
			}
			_, err = w.Write([]byte("odd"))
			return errors.Join(err, w.Close())
		},
		"deadline": func(c tapped) error {
			_ = c.SetWriteDeadline(time.Now().Add(time.Hour))
			defer c.SetWriteDeadline(noDeadline)
			return c.WriteMessage(lazywebsocket.TextMessage, []byte("odd"))
		},
		"large": func(c tapped) error {
			return c.WriteMessage(lazywebsocket.TextMessage, []byte(strings.Repeat("l", 70_000)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			onTapped(t, wstest.Network{Buffer: 2000}, tappedOptions{}, func(t *testing.T, c tapped) {
				s, first := c.stuck()
				results := []<-chan error{first, c.text("1"), c.text("2")}
				results = append(results, result(func() error { return write(c) }))
				synctest.Wait()
				_ = c.SetWriteDeadline(noDeadline)
				results = append(results, c.text("3"), c.text("4"))
				c.p.WantText(s)
				c.p.WantText("1")
				c.p.WantText("2")
				switch name {
				case "control":
					c.p.WantPing("odd")
				case "large":
					c.p.WantText(strings.Repeat("l", 70_000))
				default:
					c.p.WantText("odd")
				}
				c.p.WantText("3")
				c.p.WantText("4")
				for _, r := range results {
					must(t, <-r)
				}
			})
		})
	}
}

// Who gives up before he was taken along leaves nothing; who was taken along
// waits for what becomes of it.
func TestWritersGiveUp(t *testing.T) {
	onTapped(t, wstest.Network{Buffer: 2000}, tappedOptions{}, func(t *testing.T, c tapped) {
		s, first := c.stuck()
		must(t, c.SetWriteDeadline(time.Now().Add(time.Second)))
		early := c.text("early")
		must(t, c.SetWriteDeadline(noDeadline))
		behind := c.text("behind")
		if err := <-early; !isTimeout(err) {
			t.Errorf("early: %v", err)
		}
		c.p.WantText(s)
		c.p.WantText("behind")
		must(t, <-first)
		must(t, <-behind)
	})
}

// Who was taken along hears of it when his own time has run out at the same
// moment.
func TestWritersFailTogether(t *testing.T) {
	for range 10 {
		onTapped(t, wstest.Network{Buffer: 2000}, tappedOptions{}, func(t *testing.T, c tapped) {
			s, first := c.stuck()
			deadline := time.Now().Add(time.Second)
			must(t, c.SetWriteDeadline(deadline))
			taker := c.text(strings.Repeat("t", 20_000))
			equal := c.text("equal")
			must(t, c.SetWriteDeadline(noDeadline))
			endless := c.text("endless")
			c.p.WantText(s)
			must(t, <-first)
			start := time.Now()
			err := <-taker
			wantAt(t, "taker", start, time.Second)
			if !isTimeout(err) {
				t.Errorf("taker: %v", err)
			}
			for name, r := range map[string]<-chan error{"equal": equal, "endless": endless} {
				if again := <-r; again != err { //nolint:errorlint // it must be the same
					t.Errorf("%s: %v, want %v", name, again, err)
				}
			}
			wantAt(t, "all", start, time.Second)
			c.wantSame(t, err)
		})
	}
}

// Who has less time than the one in front is not taken along, and fails alone.
func TestWriterFailsAlone(t *testing.T) {
	onTapped(t, wstest.Network{Buffer: 2000}, tappedOptions{}, func(t *testing.T, c tapped) {
		s, first := c.stuck()
		large := strings.Repeat("t", 20_000)
		front := c.text(large)
		must(t, c.SetWriteDeadline(time.Now().Add(time.Second)))
		impatient := c.text("impatient")
		must(t, c.SetWriteDeadline(noDeadline))
		c.p.WantText(s)
		must(t, <-first)
		if err := <-impatient; !isTimeout(err) {
			t.Errorf("impatient: %v", err)
		}
		c.p.WantText(large)
		must(t, <-front)
		must(t, c.WriteMessage(lazywebsocket.TextMessage, []byte("on")))
		c.p.WantText("on")
	})
}

// More than fits into one write leaves in several.
func TestWritersFillWrites(t *testing.T) {
	onTapped(t, wstest.Network{Buffer: 2000}, tappedOptions{}, func(t *testing.T, c tapped) {
		s, first := c.stuck()
		results := []<-chan error{first}
		large := strings.Repeat("l", 20_000)
		for range 9 {
			results = append(results, c.text(large))
		}
		c.p.WantText(s)
		for range 9 {
			c.p.WantText(large)
		}
		for _, r := range results {
			must(t, <-r)
		}
		if sizes := c.tap.taken(); len(sizes) != 3 || slices.Max(sizes) > 65536 {
			t.Errorf("writes of %d bytes", sizes)
		}
	})
}

// Together or alone, compressed messages are read by the peer in order.
func TestWritersTogetherCompressed(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		o := options{compressed: true}
		s, cl := wstest.Network{Buffer: 3000}.NewPair(t, o.upgrader(), o.dialer())
		for _, ends := range [][2]*lazywebsocket.Conn{{s, cl}, {cl, s}} {
			var results []<-chan error
			var want []string
			for i := range 200 {
				m := fmt.Sprint("a message that resembles the ones before it, number ", i, strings.Repeat("x", i*i%500))
				want = append(want, m)
				switch i % 4 {
				case 0:
					pm := prepare(t, m)
					results = append(results, result(func() error { return ends[0].WritePreparedMessage(pm) }))
				case 1:
					must(t, ends[0].Publish(prepare(t, m)))
				default:
					results = append(results, result(func() error {
						return ends[0].WriteMessage(lazywebsocket.TextMessage, []byte(m))
					}))
				}
				synctest.Wait()
			}
			var got []string
			for range want {
				_, data, err := ends[1].ReadMessage()
				must(t, err)
				got = append(got, string(data))
			}
			for _, r := range results {
				must(t, <-r)
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Error("other messages")
			}
		}
	})
}
