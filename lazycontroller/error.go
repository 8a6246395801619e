package lazycontroller

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
)

// StatusError is an error with the HTTP status that it stands for. [Error]
// makes one; errors.As finds it.
type StatusError struct {
	// Status is the HTTP status, 400 to 599. Zero, and any other value, counts
	// as 500.
	Status int

	// Err is the cause. It is for the log and for errors.Is and errors.As; it is
	// never shown to the client. It may be nil.
	Err error
}

// Error returns an error that stands for the HTTP status and wraps err: the
// result is a *[StatusError], and errors.Is, errors.As and errors.Unwrap reach
// err through it.
//
// The result is never nil. A nil err means that the status says it all, as in
// Error(http.StatusNotFound, nil); so do not use Error to wrap what may be nil.
//
// A status outside 400 to 599 becomes 500, because only those are the statuses
// of an error (RFC 9110, 15.5 and 15.6).
func Error(status int, err error) error {
	return &StatusError{Status: errorStatus(status), Err: err}
}

// Error returns the status, its text, and the text of the cause, as in
// "404 not found: no such room".
func (e *StatusError) Error() string {
	status := errorStatus(e.Status)
	text := strconv.Itoa(status) + " " + strings.ToLower(statusText(status))
	if e.Err == nil {
		return text
	}
	return text + ": " + e.Err.Error()
}

// Unwrap returns the cause, which may be nil.
func (e *StatusError) Unwrap() error { return e.Err }

// StatusCode returns the HTTP status that err stands for: 200 for a nil err,
// the status of the first *[StatusError] that errors.As finds, and 500 for any
// other error. Of several statuses that wrap each other the outermost counts.
func StatusCode(err error) int {
	if err == nil {
		return http.StatusOK
	}
	var e *StatusError
	if errors.As(err, &e) && e != nil {
		return errorStatus(e.Status)
	}
	return http.StatusInternalServerError
}

// errorStatus returns status when it is one of an error, otherwise 500.
func errorStatus(status int) int {
	if status < 400 || status > 599 {
		return http.StatusInternalServerError
	}
	return status
}

// statusText returns the text of an error status, also for those without an
// entry in the registry (499, say).
func statusText(status int) string {
	if text := http.StatusText(status); text != "" {
		return text
	}
	return "Error"
}
