package nats

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golazy.dev/lazyrealtime"
)

// ErrJetStream is wrapped by the error of Open when the servers, or the account,
// have no JetStream.
var ErrJetStream = errors.New("lazyrealtime/nats: JetStream is not enabled")

// ErrReplicas is wrapped by the error of Open when there are not as many servers as
// replicas are wanted.
var ErrReplicas = errors.New("lazyrealtime/nats: not enough servers for the replicas")

// OptionError says what is wrong with a field of Options.
type OptionError struct {
	Option string
	Want   string
}

func (e *OptionError) Error() string {
	return fmt.Sprintf("lazyrealtime/nats: Options.%s: %s", e.Option, e.Want)
}

// FormatError is Open's for a log that a later version of this package has made, or
// changed, in a way that this one does not understand. Nothing of it was changed.
type FormatError struct {
	Stream string
	Format string // the stream's
	Known  int    // the latest that this package can read
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("lazyrealtime/nats: stream %s has format %q, and this program knows formats up to %d", e.Stream, e.Format, e.Known)
}

// PayloadError says that a message is larger than the servers take (max_payload, 1
// MiB unless they are told otherwise). Nothing of the call was published.
type PayloadError struct {
	Size int   // of the message with its headers, in bytes
	Max  int64 // what the server takes
}

func (e *PayloadError) Error() string {
	return fmt.Sprintf("lazyrealtime/nats: a message of %d bytes with its headers; the servers take %d", e.Size, e.Max)
}

// RetentionError says that an entry wants to be kept for longer than Options.Retain
// allows. Nothing of the call was published.
type RetentionError struct {
	Topic string
	Keep  lazyrealtime.Retention // what the entry wants
	Max   lazyrealtime.Retention // Options.Retain
}

func (e *RetentionError) Error() string {
	return fmt.Sprintf("lazyrealtime/nats: topic %q wants to keep %d messages for %v; Options.Retain allows %d for %v",
		e.Topic, e.Keep.Messages, e.Keep.Age, e.Max.Messages, e.Max.Age)
}

// APIError is a refusal by a server that trying again does not help against.
type APIError struct {
	Code        int    `json:"code"`     // as in HTTP
	ErrorCode   int    `json:"err_code"` // JetStream's own
	Description string `json:"description"`
}

func (e *APIError) Error() string {
	return fmt.Sprintf("lazyrealtime/nats: the server says: %s (%d)", e.Description, e.ErrorCode)
}

// Codes of JetStream that decide what is done next.
const (
	codeStreamNotFound   = 10059
	codeStreamNotMatch   = 10060
	codeDuplicateRunning = 10158 // a message with this id is on its way
	codeNoMessage        = 10037
	codeWrongLast        = 10071
	codeWrongLastCluster = 10164
	codeTooLarge         = 10054
	codeNoCluster        = 10074 // replicas need a cluster
	codeNoPeers          = 10005 // no servers to place the replicas on
)

// again reports whether the same request may succeed later.
func (e *APIError) again() bool {
	return e.Code == 503 || e.Code == 500 || e.ErrorCode == codeDuplicateRunning
}

// wrongLast reports whether the last message of the subject is not the expected one.
func (e *APIError) wrongLast() bool {
	return e.ErrorCode == codeWrongLast || e.ErrorCode == codeWrongLastCluster
}

// permanentError is one that trying again does not help against.
type permanentError struct{ error }

func (e permanentError) Unwrap() error { return e.error }

// unavailable wraps what kept a call from being answered.
func unavailable(err error) error {
	return fmt.Errorf("%w: %w", lazyrealtime.ErrUnavailable, err)
}

// ended is the error of a call whose context has ended; last is why its latest
// attempt did not do, or nil.
func ended(ctx context.Context, last error) error {
	err := context.Cause(ctx)
	if last != nil {
		return fmt.Errorf("%w: %w; at last: %w", lazyrealtime.ErrUnavailable, err, last)
	}
	return unavailable(err)
}

// Attempts that fail at once are made again after a wait that doubles.
const (
	minBackoff = 10 * time.Millisecond
	maxBackoff = 500 * time.Millisecond
)

func backoff(tries int) time.Duration {
	return min(minBackoff<<min(tries, 10), maxBackoff)
}
