package lazyrealtime

import (
	"errors"
	"fmt"
	"log/slog"

	"golazy.dev/lazyrealtime/cable"
)

// ErrUnavailable is wrapped by the errors of an engine that cannot be reached, or
// cannot write: a full disk, a cluster without a leader. Nothing is known of what
// was being done; it may be tried again.
var ErrUnavailable = errors.New("lazyrealtime: the log is unavailable")

// ErrClosed is returned by the methods of a hub, an engine or a subscription that
// has been closed.
var ErrClosed = errors.New("lazyrealtime: closed")

// ErrDenied is wrapped by the errors of what an identity may not do.
var ErrDenied = errors.New("lazyrealtime: denied")

// GapError says that messages behind a position are missing, or may be: what a
// reader has seen and what it would see from here on do not join. It has to get
// the state in another way, as by reloading the page, and go on from Tail.
type GapError struct {
	Topic string
	After Position // where the reader was
	Tail  Position // the topic's latest position
}

func (e *GapError) Error() string {
	return fmt.Sprintf("lazyrealtime: messages of topic %q behind offset %d of epoch %q are gone", e.Topic, e.After.Offset, e.After.Epoch)
}

// LimitError says that something is beyond a limit of the hub.
type LimitError struct {
	// Limit is the name of the field of Limits.
	Limit string
	// Value is what it allows.
	Value int
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("lazyrealtime: beyond the limit Limits.%s of %d", e.Limit, e.Value)
}

// levelOf is the level to log at why a client is refused something. What clients can ask
// for in vain as often as they like is for debugging, or one of them fills the log.
func levelOf(err error) slog.Level {
	var limit *LimitError
	var data *DataError
	var syntax *cable.SyntaxError
	if errors.Is(err, ErrDenied) || errors.Is(err, errTopic) ||
		errors.As(err, &limit) || errors.As(err, &data) || errors.As(err, &syntax) {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}
