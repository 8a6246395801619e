package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"golazy.dev/lazywebsocket"
)

const aboutConnect = `
Connects to a ws or wss URL. Each line of the input is sent as a text message, and
messages are printed as lines on the standard output; what else happens, on the
standard error. The end of the input closes the connection, after -wait.

Binary messages are printed in hexadecimal behind 0x. To a terminal, control
characters within a message are printed quoted.`

// connectOptions are the flags of lazyws connect.
type connectOptions struct {
	url          string
	headers      header
	subprotocols list
	origin       string
	insecure     bool
	compress     bool
	quiet        bool
	timeout      time.Duration
	ping         time.Duration
	wait         time.Duration
	maxMessage   int64
}

// header is a flag for lines of the request's header; it may be repeated.
type header http.Header

func (h header) String() string { return "" }

// Set implements flag.Value. The error does not repeat the value, which may be a
// token.
func (h header) Set(text string) error {
	name, value, ok := strings.Cut(text, ":")
	if name = strings.TrimSpace(name); !ok || name == "" {
		return errors.New("a header is a name, a colon and a value")
	}
	http.Header(h).Add(name, strings.TrimSpace(value))
	return nil
}

func parseConnect(p *program, args []string) (*connectOptions, error) {
	o := &connectOptions{}
	f := newFlagSet(p, "connect", " URL", aboutConnect)
	o.handshakeFlags(f)
	f.StringVar(&o.origin, "origin", "", "`origin` to send, as a page of https://example.com would")
	f.BoolVar(&o.compress, "compress", false, "offer compression (permessage-deflate)")
	f.BoolVar(&o.quiet, "quiet", false, "print messages only")
	f.DurationVar(&o.timeout, "timeout", 15*time.Second, "time for connecting")
	f.DurationVar(&o.ping, "ping", 20*time.Second, "time between pings, which notice a dead server; 0 is none")
	f.DurationVar(&o.wait, "wait", time.Second, "how long messages are waited for after the end of the input; negative is until the server closes")
	f.Int64Var(&o.maxMessage, "max-message", 16<<20, "largest message in `bytes`")
	rest, err := f.parse(args)
	if err != nil {
		return nil, err
	}
	if err := o.setURL(rest); err != nil {
		return nil, err
	}
	if o.origin != "" {
		http.Header(o.headers).Set("Origin", o.origin)
	}
	return o, nil
}

// handshakeFlags defines the flags that all commands that connect have.
func (o *connectOptions) handshakeFlags(f *flagSet) {
	o.headers = header{}
	f.Var(o.headers, "H", "`line` of the request's header, as \"Cookie: a=b\"; may be repeated")
	f.Var(&o.subprotocols, "subprotocol", "`name` of a subprotocol to offer; may be repeated")
	f.BoolVar(&o.insecure, "insecure", false, "accept any certificate")
}

// setURL takes the one argument.
func (o *connectOptions) setURL(arguments []string) error {
	if len(arguments) != 1 {
		return usagef("one URL is needed, behind the flags")
	}
	o.url = socketURL(arguments[0])
	return nil
}

// socketURL is what is meant by a URL without a scheme, or with a page's.
func socketURL(url string) string {
	switch scheme, _, ok := strings.Cut(url, "://"); {
	case !ok:
		return "ws://" + url
	case scheme == "http" || scheme == "https":
		return "ws" + strings.TrimPrefix(url, "http")
	default:
		return url
	}
}

// terminal is one connection that somebody types at.
type terminal struct {
	p       *program
	options *connectOptions
	conn    *lazywebsocket.Conn
	quoted  bool // the output is a terminal, which obeys what it is sent

	mu sync.Mutex // orders the output
}

// runConnect is lazyws connect.
func runConnect(ctx context.Context, p *program, args []string) error {
	o, err := parseConnect(p, args)
	if err != nil {
		return err
	}
	t := &terminal{p: p, options: o, quoted: isTerminal(p.out)}
	if t.conn, err = o.dial(ctx); err != nil {
		return err
	}
	defer t.conn.Close() // of what has failed
	t.event("connected to %s, subprotocol %q", o.url, t.conn.Subprotocol())
	t.showControls()

	read := make(chan error, 1)
	go func() { read <- t.read() }()
	wrote := make(chan error, 1)
	go func() { wrote <- t.write() }()
	return t.wait(ctx, read, wrote)
}

// dial connects, and says what the server answered if that was no WebSocket.
func (o *connectOptions) dial(ctx context.Context) (*lazywebsocket.Conn, error) {
	conn, _, err := o.handshake(ctx)
	return conn, err
}

// handshake is dial, with the server's answer.
func (o *connectOptions) handshake(ctx context.Context) (*lazywebsocket.Conn, *http.Response, error) {
	d := lazywebsocket.Dialer{
		Proxy:             http.ProxyFromEnvironment,
		HandshakeTimeout:  o.timeout,
		Subprotocols:      o.subprotocols,
		EnableCompression: o.compress,
		ReadLimit:         o.maxMessage,
		PingInterval:      o.ping,
	}
	if o.insecure {
		d.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // the user has asked for it
	}
	conn, response, err := d.DialContext(ctx, o.url, http.Header(o.headers))
	if err == nil || response == nil {
		return conn, response, err
	}
	body, _ := io.ReadAll(response.Body) // what has come of it
	text := strings.TrimSpace(string(body))
	if text != "" {
		text = ": " + plain(text)
	}
	if location := response.Header.Get("Location"); location != "" {
		text = " to " + plain(location) + text
	}
	return nil, nil, fmt.Errorf("%w: the server answered %s%s", err, plain(response.Status), text)
}

// wait waits for the end: of the server, of the input, or a signal.
func (t *terminal) wait(ctx context.Context, read, wrote <-chan error) error {
	var waited <-chan time.Time
	for {
		select {
		case err := <-read:
			return t.ended(err)
		case err := <-wrote:
			if wrote = nil; err != nil {
				return err
			}
			if t.options.wait >= 0 {
				waited = time.After(t.options.wait)
			}
			continue
		case <-waited:
		case <-ctx.Done():
		}
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if err := t.conn.Shutdown(end, lazywebsocket.CloseNormalClosure, ""); err != nil {
			return err
		}
		t.event("closed")
		return nil
	}
}

// ended says how the server has closed. That it has is no error of ours unless it
// says so.
func (t *terminal) ended(err error) error {
	var closed *lazywebsocket.CloseError
	if !errors.As(err, &closed) || closed.Code == lazywebsocket.CloseAbnormalClosure {
		return err
	}
	t.event("closed by the server: %d %s", closed.Code, plain(closed.Text))
	switch closed.Code {
	case lazywebsocket.CloseNormalClosure, lazywebsocket.CloseGoingAway, lazywebsocket.CloseNoStatusReceived:
		return nil
	default:
		return fmt.Errorf("closed by the server with %d", closed.Code)
	}
}

// showControls prints the server's pings.
func (t *terminal) showControls() {
	pong := t.conn.PingHandler()
	t.conn.SetPingHandler(func(data string) error {
		t.event("ping %s", plain(data))
		return pong(data)
	})
}

// read prints messages until the end.
func (t *terminal) read() error {
	for {
		messageType, data, err := t.conn.ReadMessage()
		if err != nil {
			return err
		}
		if err := t.print(messageType, data); err != nil {
			return err
		}
	}
}

// write sends the lines of the input, of any length.
func (t *terminal) write() error {
	in := bufio.NewReader(t.p.in)
	for {
		line, err := in.ReadString('\n')
		if line = strings.TrimRight(line, "\r\n"); err == nil || line != "" {
			if err := t.conn.WriteMessage(lazywebsocket.TextMessage, []byte(line)); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// print writes a message as a line.
func (t *terminal) print(messageType int, data []byte) error {
	text := string(data)
	switch {
	case messageType == lazywebsocket.BinaryMessage:
		text = "0x" + hex.EncodeToString(data)
	case t.quoted:
		text = plain(text)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	_, err := fmt.Fprintln(t.p.out, text)
	return err
}

// event says what happens beside messages.
func (t *terminal) event(format string, args ...any) {
	if t.options.quiet {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.p.complain("* " + strings.TrimSpace(fmt.Sprintf(format, args...)) + "\n")
}

// plain returns a text that does nothing to a terminal: quoted if it would.
func plain(text string) string {
	control := func(r rune) bool { return r != '\t' && unicode.IsControl(r) || r == utf8.RuneError }
	if strings.ContainsFunc(text, control) {
		return strconv.Quote(text)
	}
	return text
}

// isTerminal reports whether somebody looks at w.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
