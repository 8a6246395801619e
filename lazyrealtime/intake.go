package lazyrealtime

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"unicode/utf8"
)

const (
	intakeBytes    = 1 << 20 // of a request, where no message can be as large
	intakeMessages = 1000    // in one
	intakeKey      = 255     // bytes of an Idempotency-Key
)

// intakeItem is what a program publishes.
type intakeItem struct {
	Stream string
	Data   string // a JSON text
}

// UnmarshalJSON reads the members of exactly these names: encoding/json would take
// "Stream" for "stream", too, and a program that adds members of its users' has not
// thought of that.
func (i *intakeItem) UnmarshalJSON(text []byte) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return err
	}
	for name, into := range map[string]*string{"stream": &i.Stream, "data": &i.Data} {
		if value, ok := members[name]; ok {
			if err := json.Unmarshal(value, into); err != nil {
				return err
			}
		}
	}
	return nil
}

// ServePublish lets other programs publish: POST, Authorization: Bearer with
// Config.PublishKey, and a body {"stream":"...","data":"..."} or an array of such,
// where data is a JSON text in a string. With an Idempotency-Key, a request that is
// repeated publishes nothing twice; an array's messages go by the key and their
// index.
//
// The answer comes when all is durable: 201 and the position, or an array of them.
// Otherwise it says what is wrong, and nothing is published (400, 401, 405, 413), or
// perhaps nothing (503). Without a key there is no such endpoint: 404.
func (h *Hub) ServePublish(w http.ResponseWriter, r *http.Request) {
	switch {
	case h.config.PublishKey == "":
		http.NotFound(w, r)
		return
	case !bearer(r, h.config.PublishKey):
		w.Header().Set("WWW-Authenticate", "Bearer")
		reply(w, http.StatusUnauthorized, intakeError{Error: "the key is missing or wrong"})
		return
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		reply(w, http.StatusMethodNotAllowed, intakeError{Error: "use POST"})
		return
	}
	items, array, err := h.readIntake(w, r)
	if err != nil {
		reply(w, intakeStatus(err), intakeError{Error: err.Error()})
		return
	}
	entries := make([]Entry, len(items))
	for i, item := range items {
		if entries[i], err = h.intake(r, item, i, array); err != nil {
			reply(w, intakeStatus(err), intakeError{Error: err.Error(), Index: i})
			return
		}
	}
	appended, err := h.append(r.Context(), entries)
	switch {
	case err != nil:
		h.logger.Warn("a request to publish has failed", "error", err)
		reply(w, intakeStatus(err), intakeError{Error: err.Error()})
	case array:
		reply(w, http.StatusCreated, positionsOf(appended))
	default:
		reply(w, http.StatusCreated, appended[0].Position)
	}
}

func positionsOf(appended []Appended) []Position {
	positions := make([]Position, len(appended))
	for i, a := range appended {
		positions[i] = a.Position
	}
	return positions
}

// intakeError is the body of an answer that refuses.
type intakeError struct {
	Error string `json:"error"`
	Index int    `json:"index,omitempty"` // of the message that it is about
}

func (h *Hub) intake(r *http.Request, item intakeItem, i int, array bool) (Entry, error) {
	var options []PublishOption
	if key := r.Header.Get("Idempotency-Key"); key != "" {
		if len(key) > intakeKey {
			return Entry{}, &DataError{fmt.Sprintf("the Idempotency-Key is longer than %d bytes", intakeKey)}
		}
		index := ""
		if array {
			index = strconv.Itoa(i)
		}
		options = append(options, MessageID("http/"+index+"/"+key))
	}
	return h.entry(item.Stream, []byte(item.Data), options)
}

// bearer compares a request's token with the key, in a time that tells nothing of it.
func bearer(r *http.Request, key string) bool {
	got, want := sha256.Sum256([]byte(bearerToken(r))), sha256.Sum256([]byte(key))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

// readIntake reads one message, or an array.
func (h *Hub) readIntake(w http.ResponseWriter, r *http.Request) (items []intakeItem, array bool, err error) {
	// A JSON text in a string has twice its size at most, but for control characters.
	largest, from := limitOf(h.config.Limits.MessageBytes, defaultMessageBytes), r.Body
	if largest >= 0 {
		from = http.MaxBytesReader(w, from, max(intakeBytes, frameBytes(largest)))
	}
	body, err := io.ReadAll(from)
	if err != nil {
		return nil, false, err
	}
	body = bytes.TrimSpace(body)
	if array = len(body) > 0 && body[0] == '['; array {
		err = json.Unmarshal(body, &items)
	} else {
		items = make([]intakeItem, 1)
		err = json.Unmarshal(body, &items[0])
	}
	switch {
	case !utf8.Valid(body):
		return nil, array, &DataError{"the body is not UTF-8"}
	case array && err == nil && len(items) == 0:
		return nil, array, &DataError{"the array is empty"}
	case err != nil:
		return nil, array, &DataError{"the body is not what it should be: " + err.Error()}
	case len(items) > intakeMessages:
		return nil, array, &LimitError{"messages of a request", intakeMessages}
	}
	return items, array, nil
}

func intakeStatus(err error) int {
	var tooLarge *http.MaxBytesError
	var limit *LimitError
	var data *DataError
	switch {
	case errors.As(err, &tooLarge), errors.As(err, &limit):
		return http.StatusRequestEntityTooLarge
	case errors.As(err, &data), errors.Is(err, errTopic):
		return http.StatusBadRequest
	default:
		return http.StatusServiceUnavailable
	}
}

func reply(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		text = fmt.Appendf(nil, "%q", err) // our own types: never
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // the client is gone
}
