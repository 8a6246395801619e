package lazywebsocket

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"time"

	"golazy.dev/lazywebsocket/internal/wsdeflate"
	"golazy.dev/lazywebsocket/internal/wsproto"
)

const (
	// maxAnswerHeader bounds the header of an answer in bytes, with those of the
	// interim answers before it.
	maxAnswerHeader = 64 << 10
	// maxInterim bounds the interim answers (RFC 9110, 15.2).
	maxInterim = 5
	// maxAnswerBody is how much of a refusal's body is kept, in bytes.
	maxAnswerBody = 1024
	// answerBodyWait bounds the wait for it: the refusal itself is known by then.
	answerBodyWait = 5 * time.Second
)

var (
	errAnswerTooLarge = fmt.Errorf("the header of the answer is larger than %d bytes", maxAnswerHeader)
	errManyInterim    = fmt.Errorf("more than %d interim answers", maxInterim)
)

// serverAnswer is what a server has answered. received is valid until newConn
// has copied it.
type serverAnswer struct {
	resp        *http.Response
	subprotocol string
	agreed      wsdeflate.Agreement
	compressed  bool
	received    []byte
}

// exchange sends the request and judges the answer. Beside ErrBadHandshake there
// is a response, beside another error there is none.
func (hs *clientHandshake) exchange(ctx context.Context, nc net.Conn) (serverAnswer, error) {
	trace := httptrace.ContextClientTrace(ctx)
	if err := hs.send(nc, trace); err != nil {
		return serverAnswer{}, err
	}
	r := newAnswerReader(nc, trace)
	resp, err := r.read(hs.req)
	if err != nil {
		return serverAnswer{}, err
	}
	a := serverAnswer{resp: resp}
	accepted := hs.accepts(resp)
	if accepted {
		a.agreed, a.compressed, accepted = wsdeflate.Confirm(resp.Header[headerExtensions], hs.deflate)
	}
	if !accepted {
		timer := time.AfterFunc(answerBodyWait, func() { _ = hangUp(nc) })
		defer timer.Stop()
		r.left = maxAnswerHeader // enough for the body in whatever encoding
		resp.Body = firstBytes(resp.Body)
		return a, ErrBadHandshake
	}
	a.subprotocol = resp.Header.Get(headerProtocol)
	a.received = received(r.buf)
	resp.Body = http.NoBody
	return a, nil
}

// accepts judges the answer (RFC 6455, 4.1, the second list; a Host that
// answers in HTTP/1.0 cannot have understood the upgrade).
func (hs *clientHandshake) accepts(resp *http.Response) bool {
	h := resp.Header
	return resp.StatusCode == http.StatusSwitchingProtocols &&
		resp.ProtoMajor == 1 && resp.ProtoMinor >= 1 &&
		len(h["Upgrade"]) == 1 && equalFold(h["Upgrade"][0], "websocket") &&
		headerHasToken(h, "Connection", "upgrade") &&
		slices.Equal(h[headerAccept], []string{wsproto.AcceptKey(hs.key)}) &&
		hs.acceptsSubprotocol(h[headerProtocol])
}

// acceptsSubprotocol judges the Sec-WebSocket-Protocol lines of an answer: one
// of those that were offered, or none.
func (hs *clientHandshake) acceptsSubprotocol(lines []string) bool {
	return nothing(lines) || len(lines) == 1 && slices.Contains(hs.offered, lines[0])
}

// nothing reports whether a header is missing, or there once and empty, as some
// servers say that they have chosen nothing.
func nothing(lines []string) bool {
	return len(lines) == 0 || len(lines) == 1 && lines[0] == ""
}

// firstBytes returns a body that has the first bytes of body in memory.
func firstBytes(body io.Reader) io.ReadCloser {
	b := make([]byte, maxAnswerBody)
	n, _ := io.ReadFull(body, b) // what has come is what there is
	return io.NopCloser(bytes.NewReader(b[:n]))
}

// answerReader reads the answer of a server or a proxy, and not without end.
type answerReader struct {
	nc    net.Conn
	buf   *bufio.Reader // on the answerReader itself
	left  int           // what may still be read of nc, in bytes
	trace *httptrace.ClientTrace
	begun bool  // a byte has come
	err   error // what ended the reading
}

// newAnswerReader makes an answerReader. trace may be nil.
func newAnswerReader(nc net.Conn, trace *httptrace.ClientTrace) *answerReader {
	r := &answerReader{nc: nc, left: maxAnswerHeader, trace: trace}
	if trace == nil {
		r.trace = &httptrace.ClientTrace{}
	}
	r.buf = bufio.NewReader(r)
	return r
}

// Read reads from the connection for buf.
func (r *answerReader) Read(p []byte) (n int, err error) {
	if r.left == 0 {
		r.err = errAnswerTooLarge
		return 0, r.err
	}
	n, err = r.nc.Read(p[:min(len(p), r.left)])
	r.left -= n
	r.err = err
	if n > 0 && !r.begun {
		r.begun = true
		if r.trace.GotFirstResponseByte != nil {
			r.trace.GotFirstResponseByte()
		}
	}
	return n, err
}

// read reads the answer to req, past the interim ones.
func (r *answerReader) read(req *http.Request) (*http.Response, error) {
	for range maxInterim + 1 {
		resp, err := http.ReadResponse(r.buf, req)
		if err != nil {
			return nil, r.failure(err)
		}
		status := resp.StatusCode
		if status/100 != 1 || status == http.StatusSwitchingProtocols {
			return resp, nil
		}
		if r.trace.Got100Continue != nil && status == http.StatusContinue {
			r.trace.Got100Continue()
		}
		if r.trace.Got1xxResponse != nil {
			if err := r.trace.Got1xxResponse(status, textproto.MIMEHeader(resp.Header)); err != nil {
				return nil, err
			}
		}
	}
	return nil, errManyInterim
}

// failure is the error for an answer that cannot be read: parsing was what
// net/http made of it, which does not always say that the bytes ended, and may
// repeat them all.
func (r *answerReader) failure(parsing error) error {
	err := r.err
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	switch text := parsing.Error(); {
	case err != nil && errors.Is(parsing, err):
		return err
	case err != nil:
		return fmt.Errorf("%.200s: %w", text, err)
	default:
		return fmt.Errorf("%.200s", text)
	}
}
