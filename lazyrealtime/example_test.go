package lazyrealtime_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/memory"
	"golazy.dev/lazyroutes"
)

// member stands for the application's own way to know who asks.
func member(r *http.Request) (lazyrealtime.Identity, error) {
	cookie, err := r.Cookie("session")
	if err != nil {
		return lazyrealtime.Identity{}, err
	}
	return lazyrealtime.Identity{ID: cookie.Value, Info: []byte(`{"name":"Ada"}`)}, nil
}

// A hub needs an engine and to know who may do what; everything is denied until
// Authorize allows it.
func Example() {
	ctx := context.Background()
	hub, err := lazyrealtime.Open(ctx, lazyrealtime.Config{
		Log:          memory.Open(), // sqlite.Open(ctx, "app.db", sqlite.Options{}) keeps it
		Authenticate: member,
		Authorize: func(_ context.Context, id lazyrealtime.Identity, _ lazyrealtime.Op, topic string) error {
			if topic == "room:staff" && id.ID != "ada" {
				return lazyrealtime.ErrDenied
			}
			return nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer hub.Shutdown(ctx)

	router := lazyroutes.New(ctx)
	router.HandleFunc(http.MethodGet, "/cable", hub.ServeAction)
	router.Handle(http.MethodGet, "/{script}", http.HandlerFunc(hub.ServeAnyScript)) // at hub.ScriptPath()

	at, err := hub.Publish(ctx, "room:42", []byte(`{"text":"hello"}`), lazyrealtime.MessageID("order-7"))
	fmt.Println(at.Offset, err)
	// Repeated, because the answer was lost, it is not published again.
	at, err = hub.Publish(ctx, "room:42", []byte(`{"text":"hello"}`), lazyrealtime.MessageID("order-7"))
	fmt.Println(at.Offset, err)
	// Output:
	// 1 <nil>
	// 1 <nil>
}

// A subscription in the process begins behind a position, and goes on with what is
// live; a gap is an error.
func ExampleHub_Subscribe() {
	ctx := context.Background()
	hub, err := lazyrealtime.Open(ctx, lazyrealtime.Config{Log: memory.Open()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer hub.Shutdown(ctx)
	first, _ := hub.Publish(ctx, "orders", []byte(`{"n":1}`))
	_, _ = hub.Publish(ctx, "orders", []byte(`{"n":2}`))

	sub, err := hub.Subscribe(ctx, "orders", lazyrealtime.After(first))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sub.Close()
	for message, err := range sub.Messages() {
		var gap *lazyrealtime.GapError
		if errors.As(err, &gap) {
			fmt.Println("read the state anew, and go on from", gap.Tail)
		}
		if err != nil {
			break
		}
		fmt.Println(message.Position.Offset, string(message.Data))
		break
	}
	// Output: 2 {"n":2}
}

// A page is rendered with the latest messages, and what it needs to go on from
// there: nothing is lost between rendering and subscribing.
func ExampleHub_SignedName() {
	ctx := context.Background()
	hub, err := lazyrealtime.Open(ctx, lazyrealtime.Config{Log: memory.Open()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer hub.Shutdown(ctx)
	ada := lazyrealtime.Identity{ID: "ada"}
	_, _ = hub.PublishHTML(ctx, "room:42", "<p>hello</p>")

	name, _, err := hub.SignedName(ctx, ada, "room:42")
	if err != nil {
		fmt.Println(err) // Authorize says no
		return
	}
	messages, at, err := hub.History(ctx, "room:42", lazyrealtime.Position{}, 50)
	if err != nil {
		fmt.Println(err)
		return
	}
	page := fmt.Sprintf(`<turbo-cable-stream-source channel="Turbo::StreamsChannel" signed-stream-name=%q data-position=%q>`,
		name, hub.SignPosition("room:42", at))
	fmt.Println(len(messages), len(page) > 200)
	// Output: 1 true
}

// A channel is the application's side of subscriptions: which topics one follows,
// and what becomes of what its client sends.
func ExampleChannel() {
	room := lazyrealtime.Channel{
		Subscribe: func(_ context.Context, s *lazyrealtime.Subscriber) error {
			return s.Follow("room:" + s.Param("room")) // Authorize is asked
		},
		Message: func(ctx context.Context, s *lazyrealtime.Subscriber, action string, data json.RawMessage) error {
			if action != "speak" {
				return fmt.Errorf("no action %q", action)
			}
			_, err := s.Hub().Publish(ctx, "room:"+s.Param("room"), data, lazyrealtime.From(s.Identity().ID))
			return err
		},
		Whisper: true, Presence: true,
	}
	config := lazyrealtime.Config{Channels: map[string]lazyrealtime.Channel{"RoomChannel": room}}
	fmt.Println(len(config.Channels))
	// Output: 1
}

// What a page publishes through a channel of the application is stored once, however
// often the page has to repeat it. The page learns of which kind an error is.
func ExampleRequestID() {
	speak := func(ctx context.Context, s *lazyrealtime.Subscriber, _ string, data json.RawMessage) error {
		if s.Identity().ID == "" {
			return lazyrealtime.ErrDenied
		}
		_, err := s.Hub().Publish(ctx, "room:"+s.Param("room"), data,
			lazyrealtime.From(s.Identity().ID), lazyrealtime.MessageID(lazyrealtime.RequestID(ctx)))
		return err
	}
	_ = lazyrealtime.Config{Channels: map[string]lazyrealtime.Channel{"Room": {
		Subscribe: func(_ context.Context, s *lazyrealtime.Subscriber) error { return s.Follow("room:" + s.Param("room")) },
		Message:   speak,
	}}}
	fmt.Printf("%q\n", lazyrealtime.RequestID(context.Background())) // nobody waits for an answer
	// Output: ""
}
