package lazyroutes_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"golazy.dev/lazyroutes"
)

func TestMatching(t *testing.T) {
	router, book := newRouter(t)
	router.HandleFunc("GET", "/a", says("get"))
	router.HandleFunc("POST", "/a", says("post"))
	router.HandleFunc("GET", "/own", says("get"))
	router.HandleFunc("HEAD", "/own", func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("X-Own", "head")
		return nil
	})
	router.HandleFunc("OPTIONS", "/own", says("options"))
	router.HandleFunc("DELETE", "/b", says("delete"))
	router.HandleFunc("GET", "/tree/", says("tree"))
	router.HandleFunc("CONNECT", "/tunnel", says("connect"))
	tests := []struct {
		method, target string
		status         int
		body, allow    string
		location       string
	}{
		{"GET", "/a", 200, "get", "", ""},
		{"HEAD", "/a", 200, "get", "", ""}, // net/http drops the body
		{"POST", "/a", 200, "post", "", ""},
		{"PUT", "/a", 405, "Method Not Allowed\n", "GET, HEAD, OPTIONS, POST", ""},
		{"CONNECT", "/a", 405, "Method Not Allowed\n", "GET, HEAD, OPTIONS, POST", ""},
		{"get", "/a", 405, "Method Not Allowed\n", "GET, HEAD, OPTIONS, POST", ""},
		{"OPTIONS", "/a", 204, "", "GET, HEAD, OPTIONS, POST", ""},
		{"HEAD", "/b", 405, "", "DELETE, OPTIONS", ""},
		{"GET", "/b", 405, "Method Not Allowed\n", "DELETE, OPTIONS", ""},
		{"OPTIONS", "/b", 204, "", "DELETE, OPTIONS", ""},
		{"HEAD", "/own", 200, "", "", ""},
		{"OPTIONS", "/own", 200, "options", "", ""},
		{"PATCH", "/own", 405, "Method Not Allowed\n", "GET, HEAD, OPTIONS", ""},
		{"GET", "/none", 404, "Not Found\n", "", ""},
		{"OPTIONS", "/none", 404, "Not Found\n", "", ""},
		{"HEAD", "/none", 404, "", "", ""},
		{"GET", "/tree/x/y", 200, "tree", "", ""},
		{"GET", "/tree?q=1", 307, "", "", "/tree/?q=1"},
		{"GET", "/x/../a", 307, "", "", "/a"},
		{"CONNECT", "/tunnel", 200, "connect", "", ""},
		{"GET", "/tunnel", 405, "Method Not Allowed\n", "CONNECT, OPTIONS", ""},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.target, func(t *testing.T) {
			r := httptest.NewRequest("GET", tt.target, nil) // as the parser makes of CONNECT something else
			r.Method = tt.method
			w := httptest.NewRecorder()
			router.ServeHTTP(w, r)
			// Go 1.25 redirects with 301, later ones with 307.
			if tt.status == 307 && w.Code == 301 {
				tt.status = 301
			}
			if w.Code != tt.status {
				t.Errorf("status %d, want %d", w.Code, tt.status)
			}
			if got := w.Body.String(); tt.location == "" && got != tt.body {
				t.Errorf("body %q, want %q", got, tt.body)
			}
			if tt.location != "" && !strings.Contains(w.Body.String(), "href") {
				t.Errorf("the body of the redirect is %q", w.Body)
			}
			if got := w.Header().Get("Allow"); got != tt.allow {
				t.Errorf("Allow %q, want %q", got, tt.allow)
			}
			if got := w.Header().Get("Location"); got != tt.location {
				t.Errorf("Location %q, want %q", got, tt.location)
			}
			if w.Code == 204 && w.Header().Get("Content-Type") != "" {
				t.Errorf("Content-Type %q of nothing", w.Header().Get("Content-Type"))
			}
			if r.Method != tt.method {
				t.Errorf("the method has become %s", r.Method)
			}
		})
	}
	if got := serve(router, "HEAD", "/own").Header().Get("X-Own"); got != "head" {
		t.Error("HEAD did not reach its own route")
	}
	book.none(t)
}

func TestMissesAreNegotiated(t *testing.T) {
	router, _ := newRouter(t)
	router.HandleFunc("GET", "/a", says("get"))
	for _, tt := range []struct{ method, target, accept, contentType, body string }{
		{"GET", "/none", "application/json", "application/problem+json", `"status":404`},
		{"POST", "/a", "application/json", "application/problem+json", `"status":405`},
		{"GET", "/none", "text/html,*/*;q=0.8", "text/html; charset=utf-8", "<h1>404 Not Found</h1>"},
		{"POST", "/a", "text/html,*/*;q=0.8", "text/html; charset=utf-8", "<h1>405 Method Not Allowed</h1>"},
	} {
		w := serve(router, tt.method, tt.target, "Accept", tt.accept)
		if got := w.Header().Get("Content-Type"); got != tt.contentType {
			t.Errorf("%s %s: Content-Type %q, want %q", tt.method, tt.target, got, tt.contentType)
		}
		if !strings.Contains(w.Body.String(), tt.body) {
			t.Errorf("%s %s: %q", tt.method, tt.target, w.Body)
		}
	}
}

// A request for "*" is not for a resource; net/http asks for the end of the
// connection.
func TestAsterisk(t *testing.T) {
	router, _ := newRouter(t)
	router.HandleFunc("GET", "/", says("root"))
	r := httptest.NewRequest("GET", "/", nil)
	r.RequestURI = "*"
	w := httptest.NewRecorder()
	router.ServeHTTP(w, r)
	if w.Code != 400 || w.Body.String() != "Bad Request\n" || w.Header().Get("Connection") != "close" {
		t.Errorf("%d %q, Connection: %s", w.Code, w.Body, w.Header().Get("Connection"))
	}
}

// rawRequest sends text on a connection of its own and returns the status.
func rawRequest(t *testing.T, address, text string) int {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode
}

func TestPlainConnectReachesNoOtherRoute(t *testing.T) {
	reached := make(chan string, 10)
	router, _ := newRouter(t)
	for _, method := range []string{"GET", "POST"} {
		router.HandleFunc(method, "/", func(http.ResponseWriter, *http.Request) error {
			reached <- method
			return nil
		})
		router.HandleFunc(method, "/socket", func(http.ResponseWriter, *http.Request) error {
			reached <- method
			return nil
		})
	}
	server, _ := listen(t, router, false)
	address := server.Listener.Addr().String()
	for _, target := range []string{"/socket", address, "example.com:80", "/"} {
		status := rawRequest(t, address, "CONNECT "+target+" HTTP/1.1\r\nHost: "+address+"\r\n\r\n")
		if status != 404 && status != 405 {
			t.Errorf("CONNECT %s: %d", target, status)
		}
	}
	close(reached)
	for method := range reached {
		t.Errorf("CONNECT reached a route of %s", method)
	}
}

// A request may count as one of another method when its route is sought; all
// but the matching sees the method that came.
func TestMatchMethod(t *testing.T) {
	for name, ctx := range map[string]context.Context{
		"with values":    context.WithValue(context.Background(), contextKey("k"), 1),
		"without values": context.Background(),
	} {
		router := lazyroutes.New(ctx)
		router.SetMatchMethod(func(r *http.Request) string {
			if r.Header.Get("X-Socket") != "" {
				return http.MethodGet
			}
			return r.Method
		})
		router.HandleFunc("GET", "/{id}", func(w http.ResponseWriter, r *http.Request) error {
			_, err := io.WriteString(w, r.Method+" "+r.PathValue("id")+" "+r.Pattern)
			return err
		})
		router.HandleFunc("POST", "/only/post", says("post"))
		r := httptest.NewRequest("CONNECT", "/7", nil)
		r.Header.Set("X-Socket", "yes")
		w := httptest.NewRecorder()
		router.ServeHTTP(w, r)
		if got, want := w.Body.String(), "CONNECT 7 GET /{id}"; got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
		if r.Method != "CONNECT" || r.Pattern != "GET /{id}" {
			t.Errorf("%s: afterwards %s, %q", name, r.Method, r.Pattern)
		}
		r.URL.Path = "/only/post"
		w = httptest.NewRecorder()
		router.ServeHTTP(w, r)
		if w.Code != 405 {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
}

type contextKey string

func TestBaseContext(t *testing.T) {
	base, cancel := context.WithTimeout(context.WithValue(context.WithValue(t.Context(),
		contextKey("both"), "base"), contextKey("base"), "base"), time.Hour)
	cancel()
	router := lazyroutes.New(base)
	router.HandleFunc("GET", "/", func(w http.ResponseWriter, r *http.Request) error {
		ctx := r.Context()
		_, deadline := ctx.Deadline()
		child, cancel := context.WithCancel(ctx)
		defer cancel()
		_, err := fmt.Fprint(w, ctx.Value(contextKey("both")), ctx.Value(contextKey("base")), ctx.Value(contextKey("request")),
			ctx.Value(contextKey("none")), deadline, ctx.Err(), context.Cause(ctx), child.Err())
		return err
	})
	r := httptest.NewRequest("GET", "/", nil)
	r = r.WithContext(context.WithValue(context.WithValue(r.Context(),
		contextKey("both"), "request"), contextKey("request"), "request"))
	w := httptest.NewRecorder()
	router.ServeHTTP(w, r)
	if got, want := w.Body.String(), "requestbaserequest<nil>false<nil><nil><nil>"; strings.ReplaceAll(got, " ", "") != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRequestCancellationStays(t *testing.T) {
	router := lazyroutes.New(context.WithValue(context.Background(), contextKey("k"), 1))
	var got error
	router.HandleFunc("GET", "/", func(_ http.ResponseWriter, r *http.Request) error {
		got = context.Cause(r.Context())
		return nil
	})
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("why")
	cancel(why)
	router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil).WithContext(ctx))
	if got != why { //nolint:errorlint // the very error is expected
		t.Errorf("cause %v", got)
	}
}

func TestPatternIsKnownAround(t *testing.T) {
	for name, ctx := range map[string]context.Context{
		"with values":    context.WithValue(context.Background(), contextKey("k"), 1),
		"without values": context.Background(),
	} {
		router := lazyroutes.New(ctx)
		router.HandleFunc("GET", "/a/{b}", says("x"))
		r := httptest.NewRequest("GET", "/a/1", nil)
		router.ServeHTTP(httptest.NewRecorder(), r)
		if r.Pattern != "GET /a/{b}" {
			t.Errorf("%s: pattern %q", name, r.Pattern)
		}
	}
}

// net/http removes the temporary files of a form that it finds in its own copy
// of the request.
func TestFormFilesAreRemoved(t *testing.T) {
	var form bytes.Buffer
	parts := multipart.NewWriter(&form)
	part, err := parts.CreateFormFile("f", "f.bin")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := part.Write(bytes.Repeat([]byte("x"), 11<<20)); err != nil { // more than net/http keeps in memory
		t.Fatal(err)
	}
	if err := parts.Close(); err != nil {
		t.Fatal(err)
	}
	for _, end := range []string{"return", "panic"} {
		router, _ := newRouter(t)
		file := ""
		router.HandleFunc("POST", "/", func(_ http.ResponseWriter, r *http.Request) error {
			if err := r.ParseMultipartForm(1); err != nil {
				return err
			}
			f, err := r.MultipartForm.File["f"][0].Open()
			if err != nil {
				return err
			}
			defer f.Close()
			file = f.(*os.File).Name()
			if end == "panic" {
				panic(end)
			}
			return nil
		})
		server, _ := listen(t, router, false)
		res, err := server.Client().Post(server.URL, parts.FormDataContentType(), bytes.NewReader(form.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		server.Close() // waits until net/http is through with the request
		if file == "" {
			t.Fatalf("%s: no temporary file", end)
		}
		if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: the temporary file is left: %v", end, err)
		}
	}
}

func TestEveryScopeServesTheRouter(t *testing.T) {
	router, _ := newRouter(t)
	var in *lazyroutes.Scope
	router.Path("/in", func(s *lazyroutes.Scope) { in = s })
	router.HandleFunc("GET", "/out", says("out"))
	if got := serve(in, "GET", "/out").Body.String(); got != "out" {
		t.Errorf("got %q", got)
	}
}

func TestDrawingWhileServing(t *testing.T) {
	router, _ := newRouter(t)
	router.HandleFunc("GET", "/0", says("x"))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 200 {
			router.HandleFunc("GET", fmt.Sprintf("/%d", i+1), says("x"))
		}
	}()
	for range 200 {
		serve(router, "GET", "/0")
		router.Routes()
	}
	<-done
	if n := len(router.Routes()); n != 201 {
		t.Errorf("%d routes", n)
	}
}

func TestLogger(t *testing.T) {
	if lazyroutes.Logger(t.Context()) != slog.Default() {
		t.Error("without a logger: not the default")
	}
	if lazyroutes.Logger(lazyroutes.WithLogger(t.Context(), nil)) != slog.Default() {
		t.Error("with a nil logger: not the default")
	}
	mine := slog.New(slog.DiscardHandler)
	ctx := lazyroutes.WithLogger(t.Context(), mine)
	if lazyroutes.Logger(ctx) != mine {
		t.Error("not the logger that was given")
	}
	router := lazyroutes.New(ctx)
	var got *slog.Logger
	router.HandleFunc("GET", "/", func(_ http.ResponseWriter, r *http.Request) error {
		got = lazyroutes.Logger(r.Context())
		return nil
	})
	serve(router, "GET", "/")
	if got != mine {
		t.Error("the action does not see the router's logger")
	}
}
