package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golazy.dev/lazywebsocket"
)

// patience is how long a test waits for what should come at once.
const patience = 20 * time.Second

// process is lazyws as a process of its own.
type process struct {
	t      *testing.T
	url    string // what it said it listens on
	cmd    *exec.Cmd
	ended  chan struct{} // closed when it has
	stderr *buffer
}

// buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// start starts lazyws and waits until it listens.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(os.Args[0], args...), ended: make(chan struct{}), stderr: new(buffer)}
	for _, line := range os.Environ() {
		if !strings.HasPrefix(line, "LAZYWS_") {
			p.cmd.Env = append(p.cmd.Env, line)
		}
	}
	p.cmd.Env = append(p.cmd.Env, asLazyws+"=1")
	p.cmd.Stderr = p.stderr
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(stdout).ReadString('\n')
		said <- line
		_, _ = io.Copy(io.Discard, stdout)
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
		if t.Failed() {
			t.Logf("lazyws %s:\n%s", strings.Join(args, " "), p.stderr)
		}
	})
	select {
	case line := <-said:
		_, p.url, _ = strings.Cut(strings.TrimSpace(line), " ")
	case <-time.After(patience):
	}
	if p.url == "" {
		t.Fatal("lazyws did not say where it listens")
	}
	return p
}

// startHub starts a hub that keeps its messages in memory, unless the flags say
// otherwise.
func startHub(t *testing.T, args ...string) *process {
	t.Helper()
	return start(t, append([]string{"hub", "-addr", "127.0.0.1:0", "-store", "memory:", "-drain", "0"}, args...)...)
}

// signal sends one.
func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// wait waits for the end and returns the exit code; -1 for a signal.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.ended:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		p.t.Fatal("the process did not end")
		return 0
	}
}

// stop ends the process by SIGTERM, as a supervisor does.
func (p *process) stop() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != exitOK {
		p.t.Fatalf("exit code %d", code)
	}
}

// request makes a request and returns the status and the body.
func (p *process) request(method, path, body string, lines ...string) (int, string, http.Header) {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.url+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	for i := 0; i < len(lines); i += 2 {
		r.Header.Set(lines[i], lines[i+1])
	}
	client := http.Client{
		Timeout:       patience,
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return response.StatusCode, string(text), response.Header
}

// publish publishes with the key of the tests, and wants a status.
func (p *process) publish(body string, status int) {
	p.t.Helper()
	if got, text, _ := p.request(http.MethodPost, "/_broadcast", body, "Authorization", "Bearer "+publishKey); got != status {
		p.t.Fatalf("publishing %.80s: %d %s, want %d", body, got, text, status)
	}
}

const publishKey = "the key of those who publish, for tests"

// client is one that speaks Action Cable.
type client struct {
	t    *testing.T
	conn *lazywebsocket.Conn
}

// dial opens a connection to /cable without reading from it.
func (p *process) dial(query string, lines ...string) (*lazywebsocket.Conn, *http.Response, error) {
	h := http.Header{}
	for i := 0; i < len(lines); i += 2 {
		h.Set(lines[i], lines[i+1])
	}
	d := lazywebsocket.Dialer{Subprotocols: []string{"actioncable-v1-ext-json"}, HandshakeTimeout: patience}
	return d.DialContext(p.t.Context(), "ws"+strings.TrimPrefix(p.url, "http")+"/cable"+query, h)
}

// connect opens a connection.
func (p *process) connect(query string, lines ...string) *client {
	p.t.Helper()
	conn, _, err := p.dial(query, lines...)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { conn.Close() })
	return &client{p.t, conn}
}

// welcomed opens a connection that is welcome.
func (p *process) welcomed(query string, lines ...string) *client {
	p.t.Helper()
	c := p.connect(query, lines...)
	c.want("welcome")
	return c
}

// frame is what the server sends.
type frame struct {
	Type       string          `json:"type"`
	Identifier string          `json:"identifier"`
	Message    json.RawMessage `json:"message"`
	Reason     string          `json:"reason"`
	Reconnect  bool            `json:"reconnect"`
	Stream     string          `json:"stream_id"`
	Epoch      string          `json:"epoch"`
	Offset     uint64          `json:"offset"`
}

// position is the history that a client asks for that has seen the frame.
func (f *frame) position() map[string]any {
	return map[string]any{"streams": map[string]any{f.Stream: map[string]any{"epoch": f.Epoch, "offset": f.Offset}}}
}

// next returns the next frame that is no ping.
func (c *client) next() (frame, error) {
	c.t.Helper()
	for {
		if err := c.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			c.t.Fatal(err)
		}
		var f frame
		if err := c.conn.ReadJSON(&f); err != nil {
			return f, err
		}
		if f.Type != "ping" {
			return f, nil
		}
	}
}

// want reads a frame of a type; of messages it is empty.
func (c *client) want(kind string) frame {
	c.t.Helper()
	f, err := c.next()
	if err != nil {
		c.t.Fatalf("%v, want %q", err, kind)
	}
	if f.Type != kind {
		c.t.Fatalf("%+v, want %q", f, kind)
	}
	return f
}

// wantMessage reads a message.
func (c *client) wantMessage(text string) frame {
	c.t.Helper()
	f := c.want("")
	if string(f.Message) != text {
		c.t.Fatalf("message %s, want %s", f.Message, text)
	}
	return f
}

// wantClose reads the end.
func (c *client) wantClose(code int) {
	c.t.Helper()
	f, err := c.next()
	var closed *lazywebsocket.CloseError
	if !errors.As(err, &closed) || closed.Code != code {
		c.t.Fatalf("%+v, %v, want the code %d", f, err, code)
	}
}

// send sends a command.
func (c *client) send(command map[string]any) {
	c.t.Helper()
	if err := c.conn.WriteJSON(command); err != nil {
		c.t.Fatal(err)
	}
}

// plainName and signedName identify a subscription.
func plainName(topic string) string {
	return identifier(map[string]string{"channel": "$pubsub", "stream_name": topic})
}

func signedBy(secret, topic string) string {
	return identifier(map[string]string{"channel": "$pubsub", "signed_stream_name": signName([]byte(secret), topic)})
}

func identifier(fields map[string]string) string {
	text, _ := json.Marshal(fields) // of strings: never fails
	return string(text)
}

// subscribe subscribes and wants an answer.
func (c *client) subscribe(identifier, answer string) {
	c.t.Helper()
	c.send(map[string]any{"command": "subscribe", "identifier": identifier})
	if f := c.want(answer); f.Identifier != identifier {
		c.t.Fatalf("%+v, want the identifier %s", f, identifier)
	}
}

// The types of answers.
const (
	confirmed = "confirm_subscription"
	rejected  = "reject_subscription"
)
