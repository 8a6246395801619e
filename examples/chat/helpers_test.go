package main

import (
	"context"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golazy.dev/examples/chat/app/realtime"
	appinit "golazy.dev/examples/chat/init"
	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/memory"
	"golazy.dev/lazyroutes"
	"golazy.dev/lazywebsocket"
)

// patience bounds every wait. It decides how long a failure takes, not whether there is one.
const patience = 30 * time.Second

var testOptions = realtime.Options{
	Secret:     []byte("0123456789abcdef0123456789abcdef"),
	PublishKey: "publish",
	Passphrase: "open sesame",
	Drain:      -1,
}

// site is a running chat.
type site struct {
	url   string
	chat  *realtime.Chat // nil for a process
	plain *realtime.Plain
	stop  func()
}

// startSite serves the chat on a log, which may have served another before.
func startSite(t *testing.T, log lazyrealtime.Log) *site {
	t.Helper()
	chat, err := realtime.Open(t.Context(), log, testOptions)
	if err != nil {
		t.Fatal(err)
	}
	router := lazyroutes.New(t.Context())
	plain := realtime.NewPlain()
	appinit.Draw(router, chat, plain)
	server := httptest.NewServer(router)
	s := &site{url: server.URL, chat: chat, plain: plain}
	s.stop = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := chat.Hub.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		server.Close()
	})
	t.Cleanup(s.stop)
	return s
}

func newSite(t *testing.T) *site {
	t.Helper()
	return startSite(t, memory.Open())
}

// visitor is somebody with a browser of their own, which runs no script.
type visitor struct {
	t    *testing.T
	site *site
	http *http.Client
}

func (s *site) visit(t *testing.T) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &visitor{t, s, &http.Client{Jar: jar, Timeout: patience}}
}

// enter visits the chat and logs in.
func (s *site) enter(t *testing.T, name string) *visitor {
	t.Helper()
	v := s.visit(t)
	if a := v.post("/login", "name", name); a.status != http.StatusOK || a.path != "/rooms/lobby" {
		t.Fatalf("logging in as %q leads to %d %s", name, a.status, a.path)
	}
	return v
}

// elsewhere is the same browser's cookies at another address.
func (v *visitor) elsewhere(at *site) *visitor {
	v.t.Helper()
	other := at.visit(v.t)
	from, err := url.Parse(v.site.url)
	if err != nil {
		v.t.Fatal(err)
	}
	to, err := url.Parse(at.url)
	if err != nil {
		v.t.Fatal(err)
	}
	other.http.Jar.SetCookies(to, v.http.Jar.Cookies(from))
	return other
}

// answer is a response that has been read, behind all redirects.
type answer struct {
	status int
	path   string
	body   string
	header http.Header
}

func (v *visitor) do(method, path string, header http.Header, body io.Reader) answer {
	v.t.Helper()
	request, err := http.NewRequestWithContext(v.t.Context(), method, v.site.url+path, body)
	if err != nil {
		v.t.Fatal(err)
	}
	for name, values := range header {
		request.Header[name] = values
	}
	response, err := v.http.Do(request)
	if err != nil {
		v.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return answer{response.StatusCode, response.Request.URL.RequestURI(), string(text), response.Header}
}

func (v *visitor) get(path string) answer { v.t.Helper(); return v.do(http.MethodGet, path, nil, nil) }

// post sends a form as a browser does.
func (v *visitor) post(path string, pairs ...string) answer {
	v.t.Helper()
	return v.do(http.MethodPost, path, http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, fields(pairs))
}

// ask sends a form as the page's script does.
func (v *visitor) ask(path string, pairs ...string) answer {
	v.t.Helper()
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}}
	return v.do(http.MethodPost, path, header, fields(pairs))
}

func fields(pairs []string) io.Reader {
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	return strings.NewReader(values.Encode())
}

var bodies = regexp.MustCompile(`(?s)<p class="body" dir="auto">(.*?)</p>`)

// said returns what the page of a room shows.
func (v *visitor) said(path string) []string {
	v.t.Helper()
	page := v.get(path)
	if page.status != http.StatusOK {
		v.t.Fatalf("%s: %d", path, page.status)
	}
	list, _, _ := strings.Cut(page.body, "<template id=\"message-template\">")
	var said []string
	for _, match := range bodies.FindAllStringSubmatch(list, -1) {
		said = append(said, html.UnescapeString(match[1]))
	}
	return said
}

// attribute returns the value of an attribute of the element with an id.
func attribute(t *testing.T, page, id, name string) string {
	t.Helper()
	tag := regexp.MustCompile(`<[^>]* id="` + id + `"[^>]*>`).FindString(page)
	match := regexp.MustCompile(` ` + name + `="([^"]*)"`).FindStringSubmatch(tag)
	if match == nil {
		t.Fatalf("no attribute %s in %q", name, tag)
	}
	return html.UnescapeString(match[1])
}

// cable is the socket of a page.
type cable struct {
	t    *testing.T
	conn *lazywebsocket.Conn
}

// frame is what a socket brings.
type frame struct {
	Type       string          `json:"type"`
	Identifier string          `json:"identifier"`
	Message    json.RawMessage `json:"message"`
	Reason     string          `json:"reason"`
	Reconnect  *bool           `json:"reconnect"`
	Stream     string          `json:"stream_id"`
	Epoch      string          `json:"epoch"`
	Offset     uint64          `json:"offset"`
}

// connect opens a socket with the visitor's cookies.
func (v *visitor) connect() *cable {
	v.t.Helper()
	site, err := url.Parse(v.site.url)
	if err != nil {
		v.t.Fatal(err)
	}
	header := http.Header{"Origin": {v.site.url}}
	for _, cookie := range v.http.Jar.Cookies(site) {
		header.Add("Cookie", cookie.Name+"="+cookie.Value)
	}
	dialer := lazywebsocket.Dialer{Subprotocols: []string{"actioncable-v1-ext-json"}}
	conn, response, err := dialer.DialContext(v.t.Context(), "ws://"+site.Host+"/cable", header)
	if err != nil {
		v.t.Fatal(err)
	}
	_ = response.Body.Close()
	v.t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		v.t.Fatal(err)
	}
	return &cable{v.t, conn}
}

func (c *cable) send(command map[string]any) {
	c.t.Helper()
	if err := c.conn.WriteJSON(command); err != nil {
		c.t.Fatal(err)
	}
}

// want reads until a frame of this type comes; "" is a message.
func (c *cable) want(kind string) frame {
	c.t.Helper()
	for {
		_, text, err := c.conn.ReadMessage()
		if err != nil {
			c.t.Fatalf("waiting for %q: %v", kind, err)
		}
		var f frame
		if err := json.Unmarshal(text, &f); err != nil {
			c.t.Fatal(err)
		}
		if f.Type == kind {
			return f
		}
		if f.Type != "ping" && f.Type != "welcome" && f.Type != "confirm_history" && f.Type != "presence" {
			c.t.Fatalf("got %s, want %q", text, kind)
		}
	}
}

// subscribe follows a stream and returns the identifier.
func (c *cable) subscribe(name, position string) string {
	c.t.Helper()
	identifier := identify(c.t, name)
	c.send(map[string]any{"command": "subscribe", "identifier": identifier, "position": position})
	return identifier
}

func identify(t *testing.T, name string) string {
	t.Helper()
	identifier, err := json.Marshal(map[string]string{"channel": "$pubsub", "signed_stream_name": name})
	if err != nil {
		t.Fatal(err)
	}
	return string(identifier)
}

// text reads the next message and returns what it says.
func (c *cable) text() string {
	c.t.Helper()
	var m realtime.Message
	f := c.want("")
	if err := json.Unmarshal(f.Message, &m); err != nil {
		c.t.Fatalf("%s: %v", f.Message, err)
	}
	return m.Text
}
