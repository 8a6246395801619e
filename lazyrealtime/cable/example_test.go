package cable_test

import (
	"fmt"

	"golazy.dev/lazyrealtime/cable"
)

func ExampleParseCommand() {
	command, err := cable.ParseCommand([]byte(`{"command":"subscribe",
		"identifier":"{\"channel\":\"$pubsub\",\"stream_name\":\"room:42\"}",
		"history":{"since":1700000000,"streams":{"room:42":{"epoch":"e1","offset":7}}}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	params, err := cable.ParseIdentifier(command.Identifier)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(command.Name, params.Channel, params.StreamName, command.History.Streams["room:42"].Offset)
	fmt.Printf("%s\n", cable.AppendReply(nil, cable.ConfirmSubscription, command.Identifier))
	// Output:
	// subscribe $pubsub room:42 7
	// {"type":"confirm_subscription","identifier":"{\"channel\":\"$pubsub\",\"stream_name\":\"room:42\"}"}
}

func ExampleEnvelope() {
	// Once for a topic, whatever is published there.
	envelope := cable.NewEnvelope(`{"channel":"Chat"}`, "room:42", true)

	message := []byte(`{"text":"hello"}`)
	if cable.CheckMessage(message) != nil || !cable.Truthy(message) {
		return
	}
	fmt.Printf("%s\n", envelope.Append(nil, message, "e1", 8))
	// Output: {"identifier":"{\"channel\":\"Chat\"}","message":{"text":"hello"},"stream_id":"room:42","epoch":"e1","offset":8}
}
