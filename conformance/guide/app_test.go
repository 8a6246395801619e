package guide

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "golazy.dev/lazyroutes" // what start builds: go test caches a result until one of its imports changes
	"golazy.dev/lazywebsocket"
)

// patience bounds every wait. It decides how long a failure takes, not whether there is one.
const patience = 30 * time.Second

// mainFile serves the guide's routes. The guide leaves this part to its reader.
const mainFile = `package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"

	"golazy.dev/lazyroutes"
	appinit "myapp/init"
)

func main() {
	router := lazyroutes.New(context.Background())
	appinit.Draw(router)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err == nil {
		fmt.Println(listener.Addr())
		err = http.Serve(listener, router)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
`

// app is the guide's application, a running process.
type app struct {
	addr string
	cmd  *exec.Cmd

	mu   sync.Mutex
	log  []string
	more chan struct{} // has an element when log has grown
	end  chan struct{} // closed when log is complete
}

// start builds the guide's application with this package realtime, in a module of its own, and runs it.
func start(t *testing.T, realtime string) *app {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "go.mod", fmt.Sprintf(
		"module myapp\n\ngo 1.25.0\n\nrequire golazy.dev v0.0.0\n\nreplace golazy.dev => %s\n", root(t)))
	if sums, err := os.ReadFile(filepath.Join(root(t), "go.sum")); err == nil {
		write(t, dir, "go.sum", string(sums))
	}
	write(t, dir, "main.go", mainFile)
	write(t, dir, "init/routes.go", block(t, "routes.go.txt"))
	write(t, dir, "app/realtime/chat_socket.go", realtime)
	command(t, dir, "vet", "./...")
	command(t, dir, "build", "-o", "myapp", ".")

	a := &app{cmd: exec.Command(filepath.Join(dir, "myapp")), more: make(chan struct{}, 1), end: make(chan struct{})}
	stdout, err := a.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := a.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go a.read(stderr)
	t.Cleanup(func() {
		_ = a.cmd.Process.Kill()
		<-a.end
		_ = a.cmd.Wait()
		if t.Failed() {
			t.Logf("the application's log:\n%s", strings.Join(a.lines(), "\n"))
		}
	})
	a.addr, err = bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the application does not say where it listens: %v", err)
	}
	a.addr = strings.TrimSpace(a.addr)
	return a
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	name = filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// command runs the go command in dir, without a network and outside this repository's workspace.
func command(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod", "GOPROXY=off", "GOTOOLCHAIN=local")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, &out)
	}
}

// read keeps what the application logs.
func (a *app) read(stderr io.Reader) {
	defer close(a.end)
	for scanner := bufio.NewScanner(stderr); scanner.Scan(); {
		a.mu.Lock()
		a.log = append(a.log, scanner.Text())
		a.mu.Unlock()
		select {
		case a.more <- struct{}{}:
		default:
		}
	}
}

// lines returns what the application has logged so far.
func (a *app) lines() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.log...)
}

// dial connects, and returns the status of the answer.
func (a *app) dial(t *testing.T, header http.Header) (*lazywebsocket.Conn, int) {
	t.Helper()
	dialer := lazywebsocket.Dialer{HandshakeTimeout: patience}
	conn, response, err := dialer.Dial("ws://"+a.addr+"/chat/socket", header)
	if response == nil {
		t.Fatalf("dial: %v", err)
	}
	_ = response.Body.Close()
	if err != nil {
		return nil, response.StatusCode
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn, response.StatusCode
}

// origin is the header of a browser's page.
func origin(value string) http.Header {
	return http.Header{"Origin": {value}}
}

func send(t *testing.T, conn *lazywebsocket.Conn, messageType int, text string) {
	t.Helper()
	if err := conn.WriteMessage(messageType, []byte(text)); err != nil {
		t.Fatalf("write: %v", err)
	}
}

func wantMessage(t *testing.T, conn *lazywebsocket.Conn, want string) {
	t.Helper()
	messageType, payload, err := conn.ReadMessage()
	if err != nil || messageType != lazywebsocket.TextMessage || string(payload) != want {
		t.Fatalf("read type %d, %.60q, %v; want the text %.60q", messageType, payload, err, want)
	}
}
