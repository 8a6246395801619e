package nats_test

import (
	"fmt"
	"testing"
	"time"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/nats"
)

// put appends a record to the control log.
func put(t *testing.T, l *nats.Log, key string) {
	t.Helper()
	r := lazyrealtime.Record{Kind: "revoke", Key: key, Expires: time.Now().Add(time.Hour)}
	if err := l.Control(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

// wantControls reads behind a number, and returns the one to go on from.
func wantControls(t *testing.T, l *nats.Log, after uint64, want ...string) uint64 {
	t.Helper()
	list, next, err := l.Controls(t.Context(), after)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range list {
		if r.Seq <= after || r.Seq > next {
			t.Errorf("record %s has the number %d, behind %d and up to %d", r.Key, r.Seq, after, next)
		}
		got = append(got, r.Key)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("behind %d: %v, want %v", after, got, want)
	}
	return next
}

// Where the control stream is lost, and has been made anew by another process, the
// records of the new one are heard of, also by who looks when it has as many messages
// as the old one had.
func TestControlStreamMadeAnew(t *testing.T) {
	url := single(t)
	o := testOptions()
	l := open(t, url, o)
	for i := range 20 {
		put(t, l, fmt.Sprint(i))
	}
	_, first, err := l.Controls(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	second := wantControls(t, l, first-1, "19")
	for round := range 2 {
		if err := admin(t, url).DeleteStream(t.Context(), o.Name+"_control"); err != nil {
			t.Fatal(err)
		}
		other := open(t, url, o)
		put(t, other, "anna")
		for i := range 100 {
			if _, err := other.Claim(t.Context(), fmt.Sprint(round, i), time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		put(t, other, "berta")
		first = wantControls(t, l, first, "anna", "berta")
		second = wantControls(t, l, second, "anna", "berta") // another hub's
		put(t, l, "carla")
		first = wantControls(t, l, first, "carla")
		second = wantControls(t, l, second, "carla")
		wantControls(t, l, first)
		wantControls(t, l, second)
	}
}
