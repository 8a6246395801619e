package lazyroutes_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"golazy.dev/lazyroutes"
)

// The optional parts of a writer, and writers with each choice of them.
type (
	bare struct{ opaque }
	canF struct{ calls *[]string }
	canH struct{ calls *[]string }
	canR struct{ calls *[]string }
)

func (f canF) Flush() { *f.calls = append(*f.calls, "flush") }
func (h canH) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	*h.calls = append(*h.calls, "hijack")
	return nil, nil, errors.New("not now")
}

func (r canR) ReadFrom(src io.Reader) (int64, error) {
	*r.calls = append(*r.calls, "read")
	return io.Copy(io.Discard, src)
}

// canFE flushes in the newer way only.
type canFE struct{ calls *[]string }

func (f canFE) FlushError() error { *f.calls = append(*f.calls, "flush"); return errors.New("flushed") }

// wrapping is middleware in the way: it can be unwrapped, and does nothing more.
type wrapping struct{ http.ResponseWriter }

func (w wrapping) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func TestWrappingKeepsInterfaces(t *testing.T) {
	var calls []string
	b, f, h, r := bare{opaque{httptest.NewRecorder()}}, canF{&calls}, canH{&calls}, canR{&calls}
	fh := struct {
		bare
		canF
		canH
	}{b, f, h}
	fhr := struct {
		bare
		canF
		canH
		canR
	}{b, f, h, r}
	tests := []struct {
		name string
		w    http.ResponseWriter
		want string
	}{
		{"none", b, ""},
		{"F", struct {
			bare
			canF
		}{b, f}, "F"},
		{"F by error", struct {
			bare
			canFE
		}{b, canFE{&calls}}, "F"},
		{"H", struct {
			bare
			canH
		}{b, h}, "H"},
		{"R", struct {
			bare
			canR
		}{b, r}, "R"},
		{"FH", fh, "FH"},
		{"FR", struct {
			bare
			canF
			canR
		}{b, f, r}, "FR"},
		{"HR", struct {
			bare
			canH
			canR
		}{b, h, r}, "HR"},
		{"FHR", fhr, "FHR"},
		{"FH beneath", wrapping{fh}, "FH"},
		{"FHR beneath: ReadFrom would go past the wrapping", wrapping{wrapping{fhr}}, "FH"},
		{"none beneath", wrapping{b}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			calls = nil
			router := lazyroutes.New(t.Context())
			router.HandleFunc("GET", "/", func(w http.ResponseWriter, _ *http.Request) error {
				got := ""
				if f, ok := w.(http.Flusher); ok {
					got += "F"
					f.Flush()
				}
				if h, ok := w.(http.Hijacker); ok {
					got += "H"
					if _, _, err := h.Hijack(); err == nil || err.Error() != "not now" {
						t.Errorf("Hijack: %v", err)
					}
				}
				if r, ok := w.(io.ReaderFrom); ok {
					got += "R"
					if n, err := r.ReadFrom(strings.NewReader("abc")); n != 3 || err != nil {
						t.Errorf("ReadFrom: %d, %v", n, err)
					}
				}
				if got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
				// A controller comes to the same, and flushing fails only when it cannot be done.
				err := http.NewResponseController(w).Flush()
				if can := strings.Contains(tt.want, "F"); can == errors.Is(err, http.ErrNotSupported) {
					t.Errorf("Flush by controller: %v", err)
				}
				if tt.name == "F by error" && (err == nil || err.Error() != "flushed") {
					t.Errorf("the error of FlushError is lost: %v", err)
				}
				if w.(interface{ Unwrap() http.ResponseWriter }).Unwrap() != tt.w {
					t.Error("Unwrap does not return what was wrapped")
				}
				_, ok := w.(interface{ OnPanic(f func()) })
				if !ok {
					t.Error("no OnPanic")
				}
				return nil
			})
			router.ServeHTTP(tt.w, httptest.NewRequest("GET", "/", nil))
			var want []string
			for _, c := range tt.want {
				want = append(want, map[rune]string{'F': "flush", 'H': "hijack", 'R': "read"}[c])
			}
			if strings.Contains(tt.want, "F") {
				want = append(want, "flush")
			}
			if got, want := fmt.Sprint(calls), fmt.Sprint(want); got != want {
				t.Errorf("calls %s, want %s", got, want)
			}
		})
	}
}

// Middleware that passes its writer on does not cost a second wrapping.
func TestWrappedOnce(t *testing.T) {
	router, _ := newRouter(t)
	var outer http.ResponseWriter
	router.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			outer = w
			next.ServeHTTP(w, r)
		})
	})
	router.HandleFunc("GET", "/", func(w http.ResponseWriter, _ *http.Request) error {
		if w != outer {
			t.Error("the action got another writer than its middleware passed on")
		}
		return nil
	})
	serve(router, "GET", "/")
}

func TestReadFrom(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	content := strings.Repeat("0123456789", 20_000)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	router, book := newRouter(t)
	router.HandleFunc("GET", "/file", func(w http.ResponseWriter, _ *http.Request) error {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(w, f)
		return errors.Join(err, errSecret)
	})
	router.HandleFunc("GET", "/nothing", func(w http.ResponseWriter, _ *http.Request) error {
		_, err := w.(io.ReaderFrom).ReadFrom(iotest.ErrReader(errSecret))
		return err
	})
	router.HandleFunc("GET", "/later", func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(202)
		_, err := w.(io.ReaderFrom).ReadFrom(iotest.ErrReader(errSecret))
		return err
	})
	server, _ := listen(t, router, false)
	if res, body, err := fetch(t, server, "/file"); err != nil || res.StatusCode != 200 || body != content {
		t.Errorf("file: %v, %d bytes, %v", res, len(body), err)
	}
	if res, body, err := fetch(t, server, "/nothing"); err != nil || res.StatusCode != 500 || body != "Internal Server Error\n" {
		t.Errorf("nothing read: %v %q %v", res, body, err)
	}
	if res, body, err := fetch(t, server, "/later"); err != nil || res.StatusCode != 202 || body != "" {
		t.Errorf("nothing read after a status: %v %q %v", res, body, err)
	}
	server.Close()
	if n := len(book.records(t)); n != 3 {
		t.Errorf("%d records", n)
	}
}

// What net/http offers passes through, over both protocols.
func TestResponseController(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("http2=%t", http2), func(t *testing.T) {
			router, book := newRouter(t)
			router.Use(func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(wrapping{w}, r) })
			})
			flushed := make(chan struct{})
			router.HandleFunc("GET", "/", func(w http.ResponseWriter, r *http.Request) error {
				if (r.ProtoMajor == 2) != http2 {
					t.Errorf("protocol %s", r.Proto)
				}
				c := http.NewResponseController(w)
				for name, err := range map[string]error{
					"read deadline":  c.SetReadDeadline(time.Now().Add(time.Hour)),
					"write deadline": c.SetWriteDeadline(time.Now().Add(time.Hour)),
					"full duplex":    c.EnableFullDuplex(),
				} {
					if err != nil {
						t.Errorf("%s: %v", name, err)
					}
				}
				if _, ok := w.(http.Hijacker); ok == http2 {
					t.Errorf("is a Hijacker: %t", ok)
				}
				if _, ok := w.(io.ReaderFrom); ok {
					t.Error("is a ReaderFrom, past the middleware")
				}
				if _, ok := w.(http.Flusher); !ok {
					t.Error("is no Flusher")
				}
				if _, err := io.WriteString(w, "first"); err != nil {
					return err
				}
				if err := c.Flush(); err != nil {
					return err
				}
				<-flushed // the client has it while we run
				_, err := io.WriteString(w, " second")
				return err
			})
			router.HandleFunc("GET", "/late", func(w http.ResponseWriter, _ *http.Request) error {
				c := http.NewResponseController(w)
				if err := c.SetWriteDeadline(time.Now().Add(-time.Hour)); err != nil {
					t.Errorf("write deadline: %v", err)
				}
				_, _ = io.WriteString(w, "late")
				return nil
			})
			server, _ := listen(t, router, http2)
			res, err := server.Client().Get(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			first := make([]byte, 5)
			if _, err := io.ReadFull(res.Body, first); err != nil || string(first) != "first" {
				t.Errorf("%q %v", first, err)
			}
			close(flushed)
			if rest, err := io.ReadAll(res.Body); err != nil || string(rest) != " second" {
				t.Errorf("%q %v", rest, err)
			}
			if _, body, err := fetch(t, server, "/late"); err == nil {
				t.Errorf("a response came after the write deadline: %q", body)
			}
			book.none(t)
		})
	}
}
