// Command node is a node of a hub on NATS that does what it is told on standard input,
// a command on a line, and answers each with a line: what an application does that
// imports lazyrealtime, as a program that can be of any version.
//
// upgrade_test.go builds it within the module cmd/lazyws of each version.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/nats"
)

func main() {
	if err := run(context.Background(), os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "node:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, store, secret string) error {
	log, err := nats.Open(ctx, store, nats.Options{})
	if err != nil {
		return err
	}
	defer log.Close()
	hub, err := lazyrealtime.Open(ctx, lazyrealtime.Config{Log: log, Secret: []byte(secret)})
	if err != nil {
		return err
	}
	commands := bufio.NewScanner(os.Stdin)
	for commands.Scan() {
		fmt.Println(do(ctx, hub, strings.Fields(commands.Text())))
	}
	return hub.Shutdown(ctx)
}

// do does one command.
func do(ctx context.Context, hub *lazyrealtime.Hub, words []string) (answer string) {
	var err error
	switch words[0] {
	case "revoke":
		answer, err = "ok", hub.Revoke(ctx, words[1])
	case "sign":
		var name, position string
		name, position, err = hub.SignedName(ctx, lazyrealtime.Identity{ID: words[2]}, words[1])
		answer = name + " " + position
	case "ticket":
		answer, err = hub.Ticket(ctx, lazyrealtime.Identity{ID: words[1]})
	case "presence":
		var who []lazyrealtime.Present
		who, err = hub.Presence(ctx, words[1])
		for _, p := range who {
			answer += fmt.Sprintf("%s %s;", p.ID, p.Info)
		}
	default:
		answer = "what?"
	}
	if err != nil {
		return "error: " + err.Error()
	}
	return answer
}
