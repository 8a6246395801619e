package lazywebsocket

import (
	"bytes"
	"encoding/json"
	"io"
	"sync"
)

// WriteJSON sends v as a text message of JSON, as encoding/json's Encoder writes
// it, with a newline at the end. If v cannot be encoded the error is
// encoding/json's, and nothing is sent. Otherwise the rules are those of
// WriteMessage.
func (c *Conn) WriteJSON(v any) error {
	buf := jsonBuffers.Get().(*bytes.Buffer)
	defer func() {
		if buf.Cap() <= maxBuffer {
			buf.Reset()
			jsonBuffers.Put(buf)
		}
	}()
	if err := json.NewEncoder(buf).Encode(v); err != nil {
		return err
	}
	return c.WriteMessage(TextMessage, buf.Bytes())
}

var jsonBuffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// ReadJSON reads the next message, of either type, and decodes the first JSON
// value in it into v. An empty or truncated message is io.ErrUnexpectedEOF, and
// other faults of the JSON are encoding/json's errors; the connection stays
// usable after them. The errors of reading are those of AppendMessage.
func (c *Conn) ReadJSON(v any) error {
	_, r, err := c.NextReader()
	if err != nil {
		return err
	}
	err = json.NewDecoder(r).Decode(v)
	if err == io.EOF { //nolint:errorlint // Decode's contract is ==
		return io.ErrUnexpectedEOF
	}
	return err
}

// WriteJSON sends v as a text message of JSON.
//
// Deprecated: use c.WriteJSON.
func WriteJSON(c *Conn, v any) error { return c.WriteJSON(v) }

// ReadJSON decodes the next message into v.
//
// Deprecated: use c.ReadJSON.
func ReadJSON(c *Conn, v any) error { return c.ReadJSON(v) }
