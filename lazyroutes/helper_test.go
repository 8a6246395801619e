package lazyroutes_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"golazy.dev/lazyroutes"
)

// record is a line that was logged.
type record map[string]any

func (r record) str(key string) string { s, _ := r[key].(string); return s }

// logbook is a destination for slog that tests read back.
type logbook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logbook) records(t *testing.T) []record {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var records []record
	for line := range strings.Lines(l.buf.String()) {
		var r record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("log line %q: %v", line, err)
		}
		records = append(records, r)
	}
	return records
}

// one returns the only record.
func (l *logbook) one(t *testing.T) record {
	t.Helper()
	records := l.records(t)
	if len(records) != 1 {
		t.Fatalf("%d records were logged, want 1: %v", len(records), records)
	}
	return records[0]
}

func (l *logbook) none(t *testing.T) {
	t.Helper()
	if records := l.records(t); len(records) != 0 {
		t.Fatalf("%d records were logged, want none: %v", len(records), records)
	}
}

func (l *logbook) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// newRouter returns a router that logs into the book.
func newRouter(t *testing.T) (*lazyroutes.Scope, *logbook) {
	t.Helper()
	book := &logbook{}
	return lazyroutes.New(lazyroutes.WithLogger(t.Context(), book.logger())), book
}

// serve serves one request without a connection.
func serve(h http.Handler, method, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// says returns an action that writes a text.
func says(text string) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, _ *http.Request) error {
		_, err := io.WriteString(w, text)
		return err
	}
}

// listen serves h on a real socket. What net/http itself logs goes to the
// second result.
func listen(t *testing.T, h http.Handler, http2 bool) (*httptest.Server, *logbook) {
	t.Helper()
	book := &logbook{}
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = slog.NewLogLogger(slog.NewJSONHandler(book, nil), slog.LevelError)
	if http2 {
		server.EnableHTTP2 = true
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	return server, book
}

// fetch does one GET request and returns the response, whose body has been read as
// far as it goes, and the error of reading it.
func fetch(t *testing.T, server *httptest.Server, path string) (*http.Response, string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := server.Client().Do(req)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res, string(b), err
}
