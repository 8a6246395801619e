package http3_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/quic-go/qpack"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/quicvarint"
)

// open begins a stream with the header fields, given as pairs, which may break every
// rule (RFC 9114, 4.1), and with end ends it.
func open(t testing.TB, conn *quic.Conn, end bool, fields ...string) *quic.Stream {
	t.Helper()
	var block bytes.Buffer
	encoder := qpack.NewEncoder(&block)
	for i := 0; i < len(fields); i += 2 {
		must(t, encoder.WriteField(qpack.HeaderField{Name: fields[i], Value: fields[i+1]}))
	}
	stream, err := conn.OpenStreamSync(context.Background())
	must(t, err)
	b := quicvarint.Append([]byte{1}, uint64(block.Len())) // HEADERS
	_, err = stream.Write(append(b, block.Bytes()...))
	must(t, err)
	if end {
		must(t, stream.Close())
	}
	return stream
}

// answer returns the status of the response, or what has happened instead.
func answer(s *quic.Stream) string {
	r := quicvarint.NewReader(s)
	if kind, err := quicvarint.Read(r); err != nil || kind != 1 {
		return fmt.Sprint(kind, err)
	}
	length, err := quicvarint.Read(r)
	if err != nil {
		return err.Error()
	}
	block := make([]byte, length)
	if _, err := io.ReadFull(r, block); err != nil {
		return err.Error()
	}
	next := qpack.NewDecoder().Decode(block)
	for {
		field, err := next()
		if err != nil {
			return err.Error()
		}
		if field.Name == ":status" {
			return field.Value
		}
	}
}
