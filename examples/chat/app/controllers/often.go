package controllers

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"golazy.dev/examples/chat/app/throttle"
)

// limits are how often forms may be sent. People do not meet them. Those of an address leave room for an office behind one,
// and are what binds whoever makes a session for each attempt.
type limits struct {
	login, rooms, door, messages *throttle.Throttle
}

func newLimits() limits {
	type rate = throttle.Rate
	return limits{
		login:    throttle.New(rate{}, rate{Burst: 100, Every: time.Second}),
		rooms:    throttle.New(rate{Burst: 10, Every: 10 * time.Second}, rate{Burst: 30, Every: 5 * time.Second}),
		door:     throttle.New(rate{Burst: 5, Every: 30 * time.Second}, rate{Burst: 20, Every: 10 * time.Second}),
		messages: throttle.New(rate{Burst: 30, Every: 500 * time.Millisecond}, rate{Burst: 300, Every: 50 * time.Millisecond}),
	}
}

// oftenPage is what somebody sees who was too fast.
type oftenPage struct {
	Wait, Back string
}

// tooOften answers what came too often: with a page that costs less than what was asked for, or in JSON. None of it was
// done, or even read.
func tooOften(w http.ResponseWriter, r *http.Request, wait time.Duration) error {
	seconds := int((wait + time.Second - 1) / time.Second)
	page := oftenPage{Wait: "a second", Back: "/rooms"}
	if seconds > 1 {
		page.Wait = fmt.Sprintf("%d seconds", seconds)
	}
	if room := r.PathValue("room"); room != "" {
		page.Back += "/" + url.PathEscape(room)
	}
	w.Header().Set("Retry-After", strconv.Itoa(seconds))
	if wantsJSON(r) {
		return respond(w, http.StatusTooManyRequests, map[string]string{"error": "too often: wait " + page.Wait})
	}
	return render(w, http.StatusTooManyRequests, "often", page)
}
