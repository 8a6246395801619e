package throttle

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// times is how often somebody may do it now.
func times(t *Throttle, user, address string) int {
	n := 0
	for t.Wait(user, address) == 0 {
		n++
	}
	return n
}

func TestUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := New(Rate{Burst: 5, Every: 30 * time.Second}, Rate{})
		if n := times(throttle, "ada", "here"); n != 5 {
			t.Errorf("%d at once, want 5", n)
		}
		if wait := throttle.Wait("ada", "there"); wait != 30*time.Second {
			t.Errorf("from elsewhere: waits %v, want 30 s", wait)
		}
		if wait := throttle.Wait(other(throttle, "ada"), "here"); wait != 0 {
			t.Errorf("somebody else waits %v", wait)
		}
		time.Sleep(20 * time.Second)
		if wait := throttle.Wait("ada", "here"); wait != 10*time.Second {
			t.Errorf("after 20 s: waits %v, want 10 s more", wait)
		}
		time.Sleep(10 * time.Second)
		if n := times(throttle, "ada", "here"); n != 1 {
			t.Errorf("after 30 s: %d, want one", n)
		}
		time.Sleep(time.Hour)
		if n := times(throttle, "ada", "here"); n != 5 {
			t.Errorf("after an hour: %d, want 5", n)
		}
	})
}

// Whoever makes a session for each attempt is one address all the same, and what the address is refused is not counted
// for the session.
func TestAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := New(Rate{Burst: 5, Every: time.Hour}, Rate{Burst: 8, Every: time.Second})
		n := 0
		for i := range 100 {
			n += times(throttle, fmt.Sprint("session ", i), "here")
		}
		if n != 8 {
			t.Errorf("%d of one address, want 8", n)
		}
		user := "fresh"
		for throttle.bucket(throttle.users, user).Tokens() < 5 {
			user += "er" // its bucket is one of the hundred sessions'
		}
		for range 10 {
			if wait := throttle.Wait(user, "here"); wait != time.Second {
				t.Fatalf("waits %v, want a second", wait)
			}
		}
		if n := times(throttle, user, elsewhere(throttle, "here")); n != 5 {
			t.Errorf("what was refused was counted: %d are left, want 5", n)
		}
		time.Sleep(time.Second)
		if n := times(throttle, other(throttle, user), "here"); n != 1 {
			t.Errorf("after a second: %d, want one", n)
		}
	})
}

// However many ask at once, as many are let through as may be.
func TestConcurrently(t *testing.T) {
	throttle := New(Rate{Burst: 10, Every: time.Hour}, Rate{Burst: 50, Every: time.Hour})
	var allowed atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				if throttle.Wait("ada", "here") == 0 {
					allowed.Add(1)
				}
			}
		})
	}
	all.Wait()
	if n := allowed.Load(); n != 10 {
		t.Errorf("%d were let through, want 10", n)
	}
}

// A crowd of addresses takes no more memory than one.
func TestBounded(t *testing.T) {
	throttle := New(Rate{}, Rate{Burst: 2, Every: time.Hour})
	let := 0
	for i := range 10 * buckets {
		let += times(throttle, "", fmt.Sprint(i))
	}
	if let > 2*buckets || let < buckets {
		t.Errorf("%d were let through by %d buckets of two", let, buckets)
	}
	if allocs := testing.AllocsPerRun(100, func() { throttle.Wait("", "another") }); allocs > 0 {
		t.Errorf("%v allocations for one more", allocs)
	}
}

func TestNoLimit(t *testing.T) {
	throttle := New(Rate{}, Rate{})
	for range 1000 {
		if wait := throttle.Wait("ada", "here"); wait != 0 {
			t.Fatalf("waits %v", wait)
		}
	}
}

func TestAddressOf(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.7:1234":                  "192.0.2.7",
		"[::ffff:192.0.2.7]:1234":         "192.0.2.7",
		"[2001:db8:1:2:3:4:5:6]:1":        "2001:db8:1:2::/64",
		"[2001:db8:1:2:ffff::]:65535":     "2001:db8:1:2::/64",
		"[fe80::1%eth0]:80":               "fe80::/64",
		"@":                               "@", // a Unix socket
		"2001:db8:1:2:3:4:5:6 has no end": "2001:db8:1:2:3:4:5:6 has no end",
	} {
		r := &http.Request{RemoteAddr: remote, Header: http.Header{"X-Forwarded-For": {"198.51.100.1"}, "Forwarded": {"for=198.51.100.1"}}}
		if got := Address(r); got != want {
			t.Errorf("%s: %s, want %s", remote, got, want)
		}
	}
}

// other returns somebody who does not share the bucket.
func other(t *Throttle, user string) string {
	return apart(func(key string) bool { return t.bucket(t.users, key) == t.bucket(t.users, user) }, user)
}

// elsewhere returns an address that does not share the bucket.
func elsewhere(t *Throttle, address string) string {
	return apart(func(key string) bool { return t.bucket(t.addresses, key) == t.bucket(t.addresses, address) }, address)
}

func apart(same func(string) bool, key string) string {
	for same(key) {
		key += "x"
	}
	return key
}
