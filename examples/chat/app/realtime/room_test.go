package realtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// ear is a sink that remembers.
type ear struct {
	gate chan struct{} // Send waits here first, unless it is nil
	fail error         // what Send returns

	mu     sync.Mutex
	events []Event
	ended  int
	reason error
}

func (e *ear) Send(event Event) error {
	if e.gate != nil {
		<-e.gate
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fail != nil {
		return e.fail
	}
	e.events = append(e.events, event)
	return nil
}

func (e *ear) End(reason error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ended++
	e.reason = reason
}

// heard returns what the ear has heard, one line per event.
func (e *ear) heard() []string {
	synctest.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	var lines []string
	for _, event := range e.events {
		line := fmt.Sprintf("%s %d %s", event.Type, event.From, event.Name)
		if event.Here != 0 {
			line += fmt.Sprintf(" here=%d", event.Here)
		}
		if event.Text != "" {
			line += ": " + event.Text
		}
		lines = append(lines, line)
	}
	return lines
}

func (e *ear) wantHeard(t *testing.T, want ...string) {
	t.Helper()
	if got := e.heard(); !slices.Equal(got, want) {
		t.Errorf("heard\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func (e *ear) wantEnd(t *testing.T, reason error) {
	t.Helper()
	synctest.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ended != 1 || !errors.Is(e.reason, reason) || (reason == nil) != (e.reason == nil) {
		t.Errorf("ended %d times, with %v; want once, with %v", e.ended, e.reason, reason)
	}
}

func join(t *testing.T, room *Room, name string, sink Sink) *Member {
	t.Helper()
	member, err := room.Join(name, sink)
	if err != nil {
		t.Fatalf("join as %q: %v", name, err)
	}
	return member
}

func say(t *testing.T, member *Member, text string) {
	t.Helper()
	if err := member.Say(text); err != nil {
		t.Fatalf("%s says %q: %v", member.Name, text, err)
	}
}

func TestRoomConversation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var room Room
		var ada, bo, guest ear
		a := join(t, &room, " Ada   Lovelace ", &ada)
		say(t, a, "alone")
		b := join(t, &room, "Bo", &bo)
		say(t, b, "hello")
		say(t, a, "  hello, Bo\n")
		b.Leave()
		g := join(t, &room, " ", &guest)
		g.Leave()
		a.Leave()

		ada.wantHeard(t,
			"welcome 1 Ada Lovelace here=1",
			"message 1 Ada Lovelace: alone",
			"joined 2 Bo here=2",
			"message 2 Bo: hello",
			"message 1 Ada Lovelace:   hello, Bo\n",
			"left 2 Bo here=1",
			"joined 3 guest-3 here=2",
			"left 3 guest-3 here=1",
		)
		bo.wantHeard(t,
			"welcome 2 Bo here=2",
			"message 2 Bo: hello",
			"message 1 Ada Lovelace:   hello, Bo\n",
		)
		guest.wantHeard(t, "welcome 3 guest-3 here=2")
		ada.wantEnd(t, nil)
		bo.wantEnd(t, nil)
		for _, event := range ada.events {
			if !event.At.Equal(time.Now()) { // the bubble's clock stands still
				t.Errorf("%s event at %v, want %v", event.Type, event.At, time.Now())
			}
		}
	})
}

// A member whose sink blocks is closed when its queue is full. Nobody waits for it, and what it has not read is dropped.
func TestRoomSlowMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var room Room
		var ada ear
		slow := ear{gate: make(chan struct{})}
		a := join(t, &room, "Ada", &ada)
		s := join(t, &room, "Slow", &slow)
		synctest.Wait() // its writer holds the welcome now

		want := []string{"welcome 1 Ada here=1", "joined 2 Slow here=2"}
		for i := range queueLength {
			say(t, a, fmt.Sprint(i))
			want = append(want, fmt.Sprintf("message 1 Ada: %d", i))
			ada.wantHeard(t, want...)
		}
		say(t, a, "one too many")
		want = append(want, "message 1 Ada: one too many", "left 2 Slow here=1: too slow")
		ada.wantHeard(t, want...)

		if err := s.Say("am I still here?"); !errors.Is(err, ErrTooSlow) {
			t.Errorf("a closed member says something: %v, want ErrTooSlow", err)
		}
		s.Refuse(ErrEmpty) // has nowhere to go
		close(slow.gate)
		slow.wantHeard(t, "welcome 2 Slow here=2")
		slow.wantEnd(t, ErrTooSlow)
		s.Leave()
		a.Leave()
		ada.wantHeard(t, want...)
	})
}

// Several members whose queues fill with the same message: the notice about the first finds the others' full, too.
func TestRoomSlowMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var room Room
		var ada ear
		a := join(t, &room, "Ada", &ada)
		slow := make([]ear, 3)
		gate := make(chan struct{})
		var members []*Member
		for i := range slow {
			slow[i].gate = gate
			members = append(members, join(t, &room, "Slow", &slow[i]))
		}
		for range 3 + 2 + 1 { // three welcomes, two hear of the third, one of the second
			gate <- struct{}{}
		}
		for i := range 1 + queueLength + 1 { // one in the writer's hand, a full queue, one too many
			if len(room.members) != 4 {
				t.Fatalf("%d members before message %d, want 4", len(room.members), i)
			}
			say(t, a, fmt.Sprint(i))
			synctest.Wait()
		}
		close(gate)
		for i := range slow {
			slow[i].wantEnd(t, ErrTooSlow)
			members[i].Leave()
		}
		var left []string
		for _, line := range ada.heard() {
			if strings.HasPrefix(line, "left ") {
				left = append(left, line[strings.LastIndex(line, "here"):])
			}
		}
		if want := []string{"here=3: too slow", "here=2: too slow", "here=1: too slow"}; !slices.Equal(left, want) {
			t.Errorf("Ada heard that others left with %q, want %q", left, want)
		}
		a.Leave()
	})
}

// Leave returns when nothing is written any more: the handler may close the socket then.
func TestRoomLeaveWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var room Room
		busy := ear{gate: make(chan struct{})}
		member := join(t, &room, "Busy", &busy)
		left := make(chan struct{})
		go func() {
			member.Leave()
			close(left)
		}()
		synctest.Wait()
		select {
		case <-left:
			t.Error("Leave did not wait for the writer")
		default:
		}
		close(busy.gate)
		<-left
		busy.wantEnd(t, nil)
	})
}

func TestRoomLostMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var room Room
		var ada ear
		lost := ear{fail: errors.New("broken pipe")}
		a := join(t, &room, "Ada", &ada)
		l := join(t, &room, "Lost", &lost)
		ada.wantHeard(t, "welcome 1 Ada here=1", "joined 2 Lost here=2", "left 2 Lost here=1: connection lost")
		lost.wantEnd(t, ErrLost)
		l.Leave()
		a.Leave()
	})
}

func TestRoomNames(t *testing.T) {
	for _, test := range []struct {
		name string
		want string // "": refused
	}{
		{"Ada", "Ada"},
		{"  Ada \t of  London ", "Ada of London"},
		{"", "guest-1"},
		{"Zoë 李小龙 🦊", "Zoë 李小龙 🦊"},
		{strings.Repeat("ä", MaxName), strings.Repeat("ä", MaxName)},
		{strings.Repeat("ä", MaxName+1), ""},
		{"Ada\x00", ""},
		{"Ada\u202egnirts", ""}, // turns the text around
		{"Ada\xff", ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			var room Room
			member, err := room.Join(test.name, new(ear))
			if test.want == "" {
				if !errors.Is(err, ErrName) {
					t.Errorf("name %q: %v, want ErrName", test.name, err)
				}
				return
			}
			if err != nil {
				t.Fatalf("name %q: %v", test.name, err)
			}
			if member.Name != test.want {
				t.Errorf("name %q became %q, want %q", test.name, member.Name, test.want)
			}
			member.Leave()
		})
	}
}

func TestRoomMessages(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       error
	}{
		{"one character", "x", nil},
		{"longest", strings.Repeat("語", MaxMessage), nil},
		{"too long", strings.Repeat("語", MaxMessage+1), ErrTooLong},
		{"empty", "", ErrEmpty},
		{"blank", " \n\t ", ErrEmpty},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var room Room
				var ada, bo ear
				a := join(t, &room, "Ada", &ada)
				b := join(t, &room, "Bo", &bo)
				err := a.Say(test.text)
				if !errors.Is(err, test.want) {
					t.Fatalf("got %v, want %v", err, test.want)
				}
				want := []string{"welcome 2 Bo here=2"}
				if err == nil {
					want = append(want, "message 1 Ada: "+test.text)
				} else {
					a.Refuse(err)
					heard := ada.heard()
					if got, want := heard[len(heard)-1], "refused 0 : "+err.Error(); got != want {
						t.Errorf("Ada heard %q, want %q", got, want)
					}
				}
				bo.wantHeard(t, want...) // nobody else hears of a refusal
				a.Leave()
				b.Leave()
			})
		})
	}
}

func TestRoomFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		room := Room{members: make(map[uint64]*Member)}
		for i := range uint64(MaxMembers - 1) {
			id := 1000 + i
			room.members[id] = &Member{ID: id, room: &room, queue: make(chan Event, queueLength)}
		}
		last := join(t, &room, "", new(ear))
		if _, err := room.Join("", new(ear)); !errors.Is(err, ErrFull) {
			t.Errorf("one more: %v, want ErrFull", err)
		}
		last.Leave()
		join(t, &room, "", new(ear)).Leave()
	})
}

func TestRoomClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var room Room
		var ada ear
		busy := ear{gate: make(chan struct{})}
		a := join(t, &room, "Ada", &ada)
		b := join(t, &room, "Busy", &busy)
		say(t, a, "last words")

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := room.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close with a blocked writer: %v, want DeadlineExceeded", err)
		}
		if _, err := room.Join("Late", new(ear)); !errors.Is(err, ErrStopping) {
			t.Errorf("join after Close: %v, want ErrStopping", err)
		}
		close(busy.gate)
		if err := room.Close(t.Context()); err != nil {
			t.Errorf("Close: %v", err)
		}
		ada.wantHeard(t, "welcome 1 Ada here=1", "joined 2 Busy here=2", "message 1 Ada: last words")
		busy.wantHeard(t, "welcome 2 Busy here=2", "message 1 Ada: last words")
		ada.wantEnd(t, ErrStopping)
		busy.wantEnd(t, ErrStopping)
		a.Leave()
		b.Leave()
	})
}
