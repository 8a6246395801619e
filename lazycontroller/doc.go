// Package lazycontroller gives an error the HTTP status that it stands for, and
// turns an error into a response.
//
// An action says what went wrong and how the client shall see it:
//
//	return lazycontroller.Error(http.StatusNotFound, fmt.Errorf("room %q: %w", id, err))
//
// [StatusCode] reads the status back, through any wrapping. [Respond] answers
// a request with it, as plain text, HTML or problem details (RFC 9457), as the
// request accepts. The response shows the status and its standard text, never
// the error: what the error says is for the log.
//
// The package has no state. All functions may be called concurrently.
package lazycontroller
