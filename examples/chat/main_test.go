package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"golazy.dev/lazywebsocket"
)

// process is the program, running.
type process struct {
	*site
	said  []string // its first lines
	stop  context.CancelFunc
	ended chan error
}

// start runs the program on a free port, in a directory of its own.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	stdout, out := io.Pipe()
	p := &process{stop: stop, ended: make(chan error, 1)}
	go func() {
		p.ended <- run(ctx, append([]string{"-addr", "localhost:0"}, args...), out)
		_ = out.Close()
	}()
	t.Cleanup(stop)
	lines := bufio.NewScanner(stdout)
	for len(p.said) < 4 && lines.Scan() {
		p.said = append(p.said, lines.Text())
	}
	if len(p.said) < 4 {
		t.Fatalf("the program says %q, and ends with %v", p.said, <-p.ended)
	}
	url, ok := strings.CutPrefix(p.said[0], "chat: http://localhost:")
	if !ok {
		t.Fatalf("the program says %q", p.said)
	}
	p.site = &site{url: "http://localhost:" + url}
	return p
}

// end stops the program as a signal does.
func (p *process) end(t *testing.T) {
	t.Helper()
	p.stop()
	if err := <-p.ended; err != nil {
		t.Errorf("the program ended with %v", err)
	}
}

// TestRun uses the program, stops it as a signal does, and starts it again: what was said is there, and whoever was logged
// in is.
func TestRun(t *testing.T) {
	db := filepath.Join(t.TempDir(), "chat.db")
	p := start(t, "-db", db)
	ada := p.enter(t, "Ada")
	for path, want := range map[string]struct {
		status            int
		contentType, part string
	}{
		"/rooms/lobby":      {200, "text/html; charset=utf-8", `id="composer"`},
		"/assets/chat.css":  {200, "text/css; charset=utf-8", "color-scheme"},
		"/assets/chat.js":   {200, "text/javascript; charset=utf-8", "cable"},
		"/assets/icon.svg":  {200, "image/svg+xml", "<svg"},
		"/assets/assets.go": {404, "", ""},
		"/nothing":          {404, "", ""},
		"/chat/socket":      {400, "", ""},
		"/readyz":           {200, "", "ready"},
	} {
		a := ada.get(path)
		if a.status != want.status || !strings.Contains(a.body, want.part) {
			t.Errorf("%s: got %d %s", path, a.status, a.body)
		}
		if got := a.header.Get("Content-Type"); want.contentType != "" && got != want.contentType {
			t.Errorf("%s: got the type %q, want %q", path, got, want.contentType)
		}
	}
	script := regexp.MustCompile(`data-cable="([^"]+)"`).FindStringSubmatch(ada.get("/rooms/lobby").body)
	if a := ada.get(script[1]); a.status != 200 || !strings.Contains(a.body, "class Cable") {
		t.Errorf("%s: got %d", script[1], a.status)
	}
	// A page that another node has rendered, of the next version or the last, gets a script as well.
	if a := ada.get("/cable-0123456789ab.js"); a.status != 200 || !strings.Contains(a.body, "class Cable") || a.header.Get("Cache-Control") != "no-cache" {
		t.Errorf("the script of another version: %d, %q", a.status, a.header.Get("Cache-Control"))
	}
	ada.post("/rooms/lobby/messages", "id", "1", "text", "remember me")
	tab, plain := ada.open("/rooms/lobby", nil), p.dialPlain(t)
	go p.stop()
	if f := tab.want("disconnect"); f.Reason != "server_restart" {
		t.Errorf("got %+v", f)
	}
	if len(p.ended) > 0 {
		t.Error("the program has ended without a goodbye")
	}
	for _, conn := range []*lazywebsocket.Conn{tab.conn, plain} {
		if _, _, err := conn.ReadMessage(); !lazywebsocket.IsCloseError(err, lazywebsocket.CloseGoingAway) {
			t.Errorf("read %v, want the close code 1001", err)
		}
	}
	p.end(t)

	next := start(t, "-db", db)
	ada.site = next.site
	if said := ada.said("/rooms/lobby"); !slices.Equal(said, []string{"remember me"}) {
		t.Errorf("after a restart the page shows %q", said)
	}
	if p.said[1] != next.said[1] {
		t.Errorf("the passphrase was %q and is %q", p.said[1], next.said[1])
	}
	next.end(t)
}

// What the program says of curl and of the passphrase is true.
func TestWhatItSays(t *testing.T) {
	p := start(t, "-db", filepath.Join(t.TempDir(), "chat.db"), "-publish-key", "hunter2", "-staff-passphrase", "mellon")
	ada := p.enter(t, "Ada")
	if !strings.HasSuffix(p.said[1], " mellon") {
		t.Errorf("it says %q", p.said[1])
	}
	if a := ada.post("/rooms/staff/door", "passphrase", "mellon"); a.path != "/rooms/staff" || a.status != 200 {
		t.Errorf("the passphrase leads to %d %s", a.status, a.path)
	}
	curl := regexp.MustCompile(`curl -H '(\S+): (.+?)' -d '(.+?)' (\S+)$`).FindStringSubmatch(p.said[3])
	if curl == nil || curl[2] != "Bearer hunter2" {
		t.Fatalf("it says %q", p.said[3])
	}
	path := strings.TrimPrefix(curl[4], p.url)
	if a := ada.do(http.MethodPost, path, http.Header{curl[1]: {curl[2]}}, strings.NewReader(curl[3])); a.status/100 != 2 {
		t.Errorf("curl gets %d %s", a.status, a.body)
	}
	if said := ada.said("/rooms/lobby"); !slices.Equal(said, []string{"backup done"}) {
		t.Errorf("the page shows %q", said)
	}
	p.end(t)
}

func TestRunRefuses(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	dir := t.TempDir()
	short := filepath.Join(dir, "short")
	if err := os.WriteFile(short, []byte("abcd\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	db := filepath.Join(dir, "chat.db")
	for _, args := range [][]string{
		{"-no-such-flag"},
		{"-addr", "localhost:0", "-tls-cert", "cert.pem"},
		{"-addr", "nowhere"},
		{"-addr", "localhost:0", "-db", db, "-tls-cert", "missing.pem", "-tls-key", "missing.pem"},
		{"-addr", "localhost:0", "-db", db, "-nats", "nats://localhost"},
		{"-addr", "localhost:0", "-db", filepath.Join(dir, "no", "directory", "chat.db")},
		{"-addr", "localhost:0", "-db", db, "-secret", short},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		if err := run(ctx, args, io.Discard); err == nil {
			t.Errorf("%q: no error", args)
		}
		cancel()
	}
}

// Without flags the files are in the user's cache directory.
func TestDefaultFiles(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	s, err := parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.db != filepath.Join(cache, "golazy-chat", "chat.db") || s.secret != filepath.Join(cache, "golazy-chat", "chat.secret") {
		t.Errorf("the files are %s and %s", s.db, s.secret)
	}
	s, err = parse([]string{"-db", filepath.Join(cache, "other.db")})
	if err != nil || s.secret != filepath.Join(cache, "chat.secret") {
		t.Errorf("the secret is %s, %v", s.secret, err)
	}
}

// Of several processes that start at once, all have the same secret.
func TestSecret(t *testing.T) {
	name := filepath.Join(t.TempDir(), "secret")
	secrets := make([][]byte, 16)
	var all sync.WaitGroup
	for i := range secrets {
		all.Go(func() {
			var err error
			if secrets[i], err = readSecret(name); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, secret := range secrets {
		if len(secret) != 32 || !slices.Equal(secret, secrets[0]) {
			t.Fatalf("the secrets are %x", secrets)
		}
	}
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v", info, err)
	}
	left, err := os.ReadDir(filepath.Dir(name))
	if err != nil || len(left) != 1 {
		t.Errorf("beside it is %v, %v", left, err)
	}
}
