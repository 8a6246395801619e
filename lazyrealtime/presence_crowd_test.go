package lazyrealtime_test

import (
	"fmt"
	"testing"
	"time"

	"golazy.dev/lazyrealtime"
)

// To ask who is there costs as much as there are: who asks a crowded topic again and
// again is told to wait, and stays. To ask how many is a command like another.
func TestPresenceOfACrowd(t *testing.T) {
	config := identified
	config.Limits.CommandsPerSecond = 1 // four at once
	within(t, config, func(w *world) {
		node, err := w.log.Join(w.t.Context(), new(noFeed))
		if err != nil {
			w.t.Fatal(err)
		}
		defer node.Close(w.t.Context())
		var crowd []string
		for i := range 300 {
			id := fmt.Sprintf("m%03d", i)
			crowd = append(crowd, id)
			if err := node.Enter(w.t.Context(), "room", id, nil); err != nil {
				w.t.Fatal(err)
			}
		}
		c := w.join("asker", extended)
		c.subscribe(roomID) // one token
		c.send(command("presence", roomID, ""))
		c.want(noPresence)
		c.send(command("presence", roomID, `,"data":{"return_records":false}`))
		c.want(presenceOf(roomID, `"type":"info","total":300`))
		for range 2 {
			time.Sleep(4 * time.Second)
			c.send(command("presence", roomID, ""))
			c.want(members(crowd...))
		}

		// What was told once is not told again when it has changed.
		time.Sleep(4 * time.Second)
		if err := node.Exit(w.t.Context(), "room", "m000"); err != nil {
			w.t.Fatal(err)
		}
		c.want(left("m000"))
		c.send(command("presence", roomID, ""))
		c.want(members(crowd[1:]...))
	})
}

// Without a limit of commands there is none of lists.
func TestPresenceOfACrowdUnlimited(t *testing.T) {
	config := identified
	config.Limits = lazyrealtime.Limits{CommandsPerSecond: -1}
	within(t, config, func(w *world) {
		w.arrives("a")
		c := w.looks("b", members("a"))
		for range 1000 {
			c.send(command("presence", roomID, ""))
			c.want(members("a"))
		}
	})
}

// A list that was asked for is not answered again when the engine knows better.
func TestPresenceListIsTheEngines(t *testing.T) {
	within(t, identified, func(w *world) {
		node, err := w.log.Join(w.t.Context(), new(noFeed))
		if err != nil {
			w.t.Fatal(err)
		}
		defer node.Close(w.t.Context())
		if err := node.Enter(w.t.Context(), "room", "x", nil); err != nil {
			w.t.Fatal(err)
		}
		c := w.looks("b", members("x"))
		ask := func(want string) {
			c.send(command("presence", roomID, ""))
			c.want(want)
		}
		w.log.Gone(node.ID()) // which is wrong
		c.want(left("x"))
		ask(members())
		c.want(joined("x", "null"))
		ask(members("x"))
	})
}
