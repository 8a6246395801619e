package lazyrealtime_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/enginetest"
	"golazy.dev/lazyrealtime/memory"
)

// skewed is an engine whose clock is an hour behind.
type skewed struct{ lazyrealtime.Log }

func (s skewed) Read(ctx context.Context, topic string, after lazyrealtime.Position, limit int) (lazyrealtime.Page, error) {
	page, err := s.Log.Read(ctx, topic, after, limit)
	for i, m := range page.Messages {
		page.Messages[i] = earlier(m)
	}
	return page, err
}

func (s skewed) Join(ctx context.Context, feed lazyrealtime.Feed) (lazyrealtime.Node, error) {
	return s.Log.Join(ctx, skewedFeed{feed})
}

type skewedFeed struct{ lazyrealtime.Feed }

func (f skewedFeed) Live(m *lazyrealtime.Message, prev uint64) { f.Feed.Live(earlier(m), prev) }

func earlier(m *lazyrealtime.Message) *lazyrealtime.Message {
	old := *m
	old.Time = m.Time.Add(-time.Hour)
	return &old
}

// What is retained is the engine's to say, whose clock may be another.
func TestFollowByTheEnginesClock(t *testing.T) {
	config := public
	config.Retain = func(string) lazyrealtime.Retention { return lazyrealtime.Retention{Age: 10 * time.Minute} }
	synctest.Test(t, func(t *testing.T) {
		w := open(t, config, enginetest.NewFaulty(skewed{memory.Open()}))
		c := w.follow(0)
		w.fill("room", 1, 3)
		c.want(w.numbers(roomID, "room", 1, 3)...)
		w.everything("room", 3)
		for _, at := range []int{0, 2} {
			late := w.join("", extended)
			late.send(command("subscribe", roomID, w.behind(roomID, "room", uint64(at))))
			late.want(answer("confirm_subscription", roomID))
			late.want(w.numbers(roomID, "room", at+1, 3)...)
			late.want(w.answerAt("confirm_history", roomID, "room", 3))
		}
		w.everything("room", 3)
		w.close()
	})
}
