// Command corpus writes the chat corpus and prints its statistics.
//
//	go run ./deflate/corpus [-o file]
package main

import (
	"flag"
	"fmt"
	"os"

	"golazy.dev/bench/deflate/chat"
)

func main() {
	out := flag.String("o", "", "the `file` to write; none if empty")
	flag.Parse()
	if err := run(*out); err != nil {
		fmt.Fprintf(os.Stderr, "corpus: %v\n", err)
		os.Exit(1)
	}
}

func run(out string) error {
	sessions := chat.Generate()
	st, err := chat.Describe(sessions)
	if err != nil {
		return err
	}
	fmt.Println(st)
	if out == "" {
		return nil
	}
	return os.WriteFile(out, chat.Format(sessions), 0o600)
}
