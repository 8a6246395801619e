package lazywebsocket

import (
	"io"
	"strings"
)

// JoinMessages returns a reader of the bytes of all messages that arrive, one
// after the other, each followed by term. It ends with the first error of
// NextReader. It is for one goroutine, which is the connection's reader.
func JoinMessages(c *Conn, term string) io.Reader {
	return &joinReader{c: c, term: term}
}

type joinReader struct {
	c    *Conn
	term string
	r    io.Reader // the current message with its term; nil between messages
}

func (j *joinReader) Read(p []byte) (int, error) {
	for {
		if j.r == nil {
			_, r, err := j.c.NextReader()
			if err != nil {
				return 0, err
			}
			j.r = io.MultiReader(r, strings.NewReader(j.term))
		}
		n, err := j.r.Read(p)
		if err == io.EOF {
			j.r, err = nil, nil
		}
		if n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
	}
}
