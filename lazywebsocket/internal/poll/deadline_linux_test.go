package poll

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

var past = time.Unix(1, 0)

var noDeadline time.Time

func TestReadDeadline(t *testing.T) {
	s, peer := adopted(t, newPoller(t, 1))
	buf := make([]byte, 10)
	for range 2 {
		must(t, s.SetReadDeadline(time.Now().Add(5*time.Millisecond)))
		_, err := s.Read(buf)
		wantErr(t, err, os.ErrDeadlineExceeded)
		var ne net.Error
		if !errors.As(err, &ne) || !ne.Timeout() {
			t.Fatal(err)
		}
	}
	send(t, peer, "late")
	arrived(t, s, 4)
	_, err := s.Read(buf)
	wantErr(t, err, os.ErrDeadlineExceeded)
	_, err = s.TryRead(buf)
	wantErr(t, err, os.ErrDeadlineExceeded)
	must(t, s.SetReadDeadline(time.Time{}))
	if n, err := s.Read(buf); n != 4 || err != nil {
		t.Fatal(n, err)
	}
}

func TestReadDeadlineInThePast(t *testing.T) {
	s, _ := adopted(t, newPoller(t, 1))
	failed := make(chan error)
	for range 3 {
		go func() {
			_, err := s.Read(make([]byte, 1))
			failed <- err
		}()
		parked(t, s, 1)
		must(t, s.SetReadDeadline(past))
		wantErr(t, <-failed, os.ErrDeadlineExceeded)
		must(t, s.SetReadDeadline(time.Time{}))
	}
}

// A deadline that moves takes the timer along, in both directions.
func TestReadDeadlineMoves(t *testing.T) {
	s, peer := adopted(t, newPoller(t, 1))
	read := make(chan error)
	start := func() {
		go func() {
			_, err := s.Read(make([]byte, 10))
			read <- err
		}()
		parked(t, s, 1)
	}
	must(t, s.SetReadDeadline(time.Now().Add(time.Hour)))
	start()
	must(t, s.SetReadDeadline(time.Now().Add(2*time.Hour)))
	s.fired(readSide) // as its timer does after an hour, which is too early now
	s.mu.Lock()
	if d := s.limit(readSide); !d.fires.Equal(d.at) {
		t.Errorf("the timer runs until %v, the deadline is at %v", d.fires, d.at)
	}
	s.mu.Unlock()
	send(t, peer, "x")
	must(t, <-read)
	start()
	must(t, s.SetReadDeadline(time.Now().Add(time.Millisecond)))
	wantErr(t, <-read, os.ErrDeadlineExceeded)
	must(t, s.SetReadDeadline(time.Now().Add(time.Hour)))
	start()
	must(t, s.SetReadDeadline(time.Now().Add(5*time.Millisecond)))
	must(t, s.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
	wantErr(t, <-read, os.ErrDeadlineExceeded)
	must(t, s.SetReadDeadline(time.Now().Add(time.Millisecond)))
	must(t, s.SetReadDeadline(time.Time{}))
	start()
	send(t, peer, "x")
	must(t, <-read)
}

// Setting deadlines costs no timer before somebody waits.
func TestDeadlineWithoutWaiting(t *testing.T) {
	s, _ := adopted(t, newPoller(t, 1))
	must(t, s.SetDeadline(time.Now().Add(time.Hour)))
	send(t, s, "x")
	wantRead(t, s, "", ErrWouldBlock)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.limits {
		if d.timer != nil {
			t.Fatal("there is a timer")
		}
	}
}

func TestReadDeadlineCallsTheWatcher(t *testing.T) {
	s, _ := adopted(t, newPoller(t, 1))
	wantRead(t, s, "", ErrWouldBlock)
	for name, set := range map[string]func(w Watcher){
		"set before": func(w Watcher) {
			must(t, s.SetReadDeadline(time.Now().Add(5*time.Millisecond)))
			s.Watch(w)
		},
		"set after": func(w Watcher) {
			s.Watch(w)
			must(t, s.SetReadDeadline(time.Now().Add(5*time.Millisecond)))
		},
		"in the past": func(w Watcher) {
			s.Watch(w)
			must(t, s.SetReadDeadline(past))
		},
		"passed already": func(w Watcher) {
			must(t, s.SetReadDeadline(past))
			s.Watch(w)
		},
	} {
		t.Run(name, func(t *testing.T) {
			readable := make(watch, 1)
			set(readable)
			for {
				<-readable
				_, err := s.TryRead(make([]byte, 1))
				if errors.Is(err, ErrWouldBlock) {
					continue
				}
				wantErr(t, err, os.ErrDeadlineExceeded)
				break
			}
			s.Watch(nil)
			must(t, s.SetReadDeadline(time.Time{}))
		})
	}
}

func TestDeadlineAfterClose(t *testing.T) {
	s, _ := adopted(t, newPoller(t, 1))
	must(t, s.SetDeadline(time.Now().Add(time.Hour)))
	s.Watch(make(watch, 1))
	timer := s.limit(readSide).timer
	must(t, s.Close())
	if timer.Stop() {
		t.Error("the timer runs on")
	}
	wantErr(t, s.SetDeadline(past), net.ErrClosed)
	wantErr(t, s.SetReadDeadline(past), net.ErrClosed)
	wantErr(t, s.SetWriteDeadline(time.Time{}), net.ErrClosed)
}
