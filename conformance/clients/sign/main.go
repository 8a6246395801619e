// Sign signs stream names and positions for the pages of this suite, as a Go
// application that renders pages does: lines of JSON {"topic", "epoch", "offset"} on
// the standard input, lines {"name", "position"} on the standard output. It has the
// secret of the hub under test, and no messages.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/memory"
)

func main() {
	if err := run(context.Background(), os.Getenv("CLIENTS_SECRET"), os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "sign:", err)
		os.Exit(1)
	}
}

// run answers until the input ends.
func run(ctx context.Context, secret string, in io.Reader, out io.Writer) (err error) {
	log := memory.Open()
	defer func() { err = errors.Join(err, log.Close()) }()
	hub, err := lazyrealtime.Open(ctx, lazyrealtime.Config{Log: log, Secret: []byte(secret)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, hub.Shutdown(ctx)) }()
	answers := json.NewEncoder(out)
	for lines := bufio.NewScanner(in); lines.Scan(); {
		answer, err := sign(ctx, hub, lines.Bytes())
		if err == nil {
			err = answers.Encode(answer)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

type answer struct {
	Name     string `json:"name"`
	Position string `json:"position"`
}

// sign signs the name of a topic, and the position that a page shows of it.
func sign(ctx context.Context, hub *lazyrealtime.Hub, line []byte) (answer, error) {
	var asked struct {
		Topic  string `json:"topic"`
		Epoch  string `json:"epoch"`
		Offset uint64 `json:"offset"`
	}
	if err := json.Unmarshal(line, &asked); err != nil {
		return answer{}, err
	}
	name, _, err := hub.SignedName(ctx, lazyrealtime.Identity{}, asked.Topic)
	at := lazyrealtime.Position{Epoch: asked.Epoch, Offset: asked.Offset}
	return answer{Name: name, Position: hub.SignPosition(asked.Topic, at)}, err
}
