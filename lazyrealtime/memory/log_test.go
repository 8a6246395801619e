package memory_test

import (
	"testing"
	"time"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/enginetest"
	"golazy.dev/lazyrealtime/memory"
)

// The whole suite, on a clock that does not have to be waited for.
func TestEngineInBubble(t *testing.T) {
	enginetest.Run(t, func(*testing.T) lazyrealtime.Log { return memory.Open() },
		enginetest.Options{Bubble: true, Exact: true, Window: 2 * time.Minute, MinAge: 3 * time.Second})
}

// The same with the machine's clock, as engines with I/O run it.
func TestEngine(t *testing.T) {
	enginetest.Run(t, func(*testing.T) lazyrealtime.Log { return memory.Open() },
		enginetest.Options{Exact: true, MinAge: 100 * time.Millisecond})
}
