// Command plot draws what TestRollingRestart has recorded, as SVG:
//
//	go run ./plot < recording.json > rolling-restart.svg
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// recording is what the test writes.
type recording struct {
	Clients  int          `json:"clients"`
	Drain    float64      `json:"drain"`    // seconds
	Window   float64      `json:"window"`   // likewise
	Restarts [][3]float64 `json:"restarts"` // SIGTERM, end, ready again
	Events   []event      `json:"events"`   // by time
}

type event struct {
	Seconds float64 `json:"seconds"`
	Client  int     `json:"client"`
	What    string  `json:"what"` // told, lost, back
	Server  string  `json:"server"`
}

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "plot:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	var r recording
	if err := json.NewDecoder(in).Decode(&r); err != nil {
		return err
	}
	if len(r.Restarts) == 0 || len(r.Events) == 0 || r.Clients == 0 {
		return fmt.Errorf("nothing is recorded")
	}
	w := bufio.NewWriter(out)
	draw(w, &r)
	return w.Flush()
}
