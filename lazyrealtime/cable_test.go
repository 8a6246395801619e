package lazyrealtime_test

import (
	"fmt"
	"testing"

	"golazy.dev/lazyrealtime"
)

func TestBaseClientGetsWhatIsPublished(t *testing.T) {
	within(t, lazyrealtime.Config{Public: true}, func(w *world) {
		c := w.join("", base)
		id := `{"channel":"$pubsub","stream_name":"room"}`
		c.send(`{"command":"subscribe","identifier":` + quoted(id) + `}`)
		c.want(`{"type":"confirm_subscription","identifier":` + quoted(id) + `}`)
		for i := range 3 {
			w.publish("room", fmt.Sprintf(`{"n":%d}`, i))
		}
		for i := range 3 {
			c.want(fmt.Sprintf(`{"identifier":%s,"message":{"n":%d}}`, quoted(id), i))
		}
		c.send(`{"command":"unsubscribe","identifier":` + quoted(id) + `}`)
		c.send(`{"command":"subscribe","identifier":` + quoted(id) + `}`)
		c.want(`{"type":"confirm_subscription","identifier":` + quoted(id) + `}`)
		w.publish("room", `"again"`)
		c.want(`{"identifier":` + quoted(id) + `,"message":"again"}`)
		c.wantNothing()
	})
}
