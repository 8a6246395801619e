package lazycontroller_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golazy.dev/lazycontroller"
)

const (
	text    = "text/plain; charset=utf-8"
	html    = "text/html; charset=utf-8"
	problem = "application/problem+json"
)

func respond(t *testing.T, method string, header http.Header, set http.Header, err error) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, "/", nil)
	for name, values := range header {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	for name, values := range set {
		w.Header()[name] = values
	}
	lazycontroller.Respond(w, r, err)
	return w.Result()
}

func body(t *testing.T, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRespondNegotiates(t *testing.T) {
	tests := []struct {
		name   string
		accept []string
		want   string
	}{
		{"none", nil, text},
		{"empty", []string{""}, text},
		{"blank", []string{" , ,"}, text},
		{"curl, fetch", []string{"*/*"}, text},
		{"chromium page", []string{"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7"}, html},
		{"firefox page", []string{"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"}, html},
		{"safari page", []string{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}, html},
		{"turbo stream", []string{"text/vnd.turbo-stream.html, text/html, application/xhtml+xml"}, html},
		{"image", []string{"image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"}, text},
		{"event source", []string{"text/event-stream"}, text},
		{"axios", []string{"application/json, text/plain, */*"}, problem},
		{"jquery json", []string{"application/json, text/javascript, */*; q=0.01"}, problem},
		{"json", []string{"application/json"}, problem},
		{"problem", []string{"application/problem+json"}, problem},
		{"vendor json", []string{"application/vnd.api+json"}, problem},
		{"application/*", []string{"application/*"}, problem},
		{"not json", []string{"application/jsonx, image/json, image/x+json"}, text},
		{"text/*", []string{"text/*"}, text},
		{"html", []string{"text/html"}, html},
		{"html with parameters", []string{"text/html;level=1;charset=utf-8"}, html},
		{"upper case type", []string{"TEXT/HTML;q=0.9, application/JSON;q=0.1"}, html},
		{"upper case weight", []string{"text/html;Q=0.1, application/json;Q=0.9"}, problem},
		{"weights", []string{"text/html;q=0.3, application/json;q=0.7, text/plain;q=0.5"}, problem},
		{"thousandths", []string{"text/html;q=0.501, application/json;q=0.502"}, problem},
		{"weight after space", []string{"text/html ; q=0.1 , application/json ; q=0.2"}, problem},
		{"several fields", []string{"text/html;q=0.1", "application/json;q=0.2"}, problem},
		{"html refused", []string{"text/html;q=0, */*"}, text},
		{"text refused", []string{"text/plain;q=0, */*;q=0.1"}, html},
		{"text refused, rest unmentioned", []string{"text/plain;q=0"}, html},
		{"text/* refused", []string{"text/*;q=0.0, */*;q=0.001"}, problem},
		{"text/* refused but html", []string{"text/*;q=0, text/html;q=0.2"}, html},
		{"problem refused but json", []string{"application/problem+json;q=0, application/json, text/html;q=0.1"}, html},
		{"all refused", []string{"*/*;q=0"}, text},
		{"closer range overrules", []string{"text/plain;q=0.2, text/*;q=0.9, application/json;q=0.5"}, html},
		{"closer of equal weights", []string{"*/*, text/html"}, html},
		{"first of equal weights", []string{"text/html, application/json"}, html},
		{"first of equal weights, turned", []string{"application/json, text/html"}, problem},
		{"range twice, greater counts", []string{"text/html;level=1;q=0.1, text/html;q=0.6, text/plain;q=0.5"}, html},
		{"no such type", []string{"image/png"}, text},
		{"weight above one", []string{"text/html;q=1.1, text/plain;q=0.1"}, text},
		{"weight one and a bit", []string{"text/html;q=1.001, text/plain;q=0.1"}, text},
		{"weight 1.000", []string{"text/html;q=1.000, text/plain;q=0.9"}, html},
		{"weight without decimals", []string{"text/html;q=1., text/plain;q=0.9"}, html},
		{"weight with four decimals", []string{"text/html;q=0.9999, text/plain;q=0.1"}, text},
		{"weight negative", []string{"text/html;q=-1, application/json;q=0.1"}, problem},
		{"weight NaN", []string{"text/html;q=NaN, application/json;q=0.1"}, problem},
		{"weight empty", []string{"text/html;q=, application/json;q=0.1"}, problem},
		{"weight with letters", []string{"text/html;q=0.x, application/json;q=0.1"}, problem},
		{"quoted comma", []string{`image/png;a="x, text/html", application/json;q=0.1`}, problem},
		{"quoted quote", []string{`image/png;a="x\", text/html", application/json;q=0.1`}, problem},
		{"quoted semicolon", []string{`text/html;a="x;q=0", application/json;q=0.1`}, html},
		{"open quote", []string{`application/json;a=", text/html`}, problem},
		{"trailing backslash", []string{`application/json;a="\`}, problem},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			header := http.Header{}
			if tt.accept != nil {
				header["Accept"] = tt.accept
			}
			res := respond(t, http.MethodGet, header, nil, lazycontroller.Error(404, nil))
			if got := res.Header.Get("Content-Type"); got != tt.want {
				t.Errorf("Accept %q: got %s, want %s", tt.accept, got, tt.want)
			}
		})
	}
}

func TestRespondBodies(t *testing.T) {
	tests := []struct {
		accept string
		status int
		want   string
	}{
		{"", 404, "Not Found\n"},
		{"", 499, "Error\n"},
		{"", 418, "I'm a teapot\n"},
		{"text/html", 404, "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>404 Not Found</title></head>\n<body><h1>404 Not Found</h1></body>\n</html>\n"},
		{"application/json", 404, "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404}\n"},
		{"application/json", 500, "{\"type\":\"about:blank\",\"title\":\"Internal Server Error\",\"status\":500}\n"},
	}
	for _, tt := range tests {
		res := respond(t, http.MethodPost, http.Header{"Accept": {tt.accept}}, nil, lazycontroller.Error(tt.status, nil))
		if res.StatusCode != tt.status {
			t.Errorf("%q %d: status %d", tt.accept, tt.status, res.StatusCode)
		}
		if got := body(t, res); got != tt.want {
			t.Errorf("%q %d: got %q, want %q", tt.accept, tt.status, got, tt.want)
		}
	}
}

func TestRespondNeverLeaks(t *testing.T) {
	const secret = "password hunter2 <script>"
	for _, accept := range []string{"", "text/html", "application/problem+json"} {
		for _, status := range []int{400, 401, 404, 422, 500, 503, 7} {
			for _, err := range []error{
				lazycontroller.Error(status, errors.New(secret)),
				errors.New(secret),
			} {
				res := respond(t, http.MethodGet, http.Header{"Accept": {accept}}, nil, err)
				var dump strings.Builder
				if werr := res.Header.Write(&dump); werr != nil {
					t.Fatal(werr)
				}
				dump.WriteString(body(t, res))
				if strings.Contains(dump.String(), "hunter2") || strings.Contains(dump.String(), "script") {
					t.Errorf("%q %d: the response tells of the error:\n%s", accept, status, dump.String())
				}
			}
		}
	}
}

func TestRespondProblemIsJSON(t *testing.T) {
	for status := 400; status < 600; status++ {
		res := respond(t, http.MethodGet, http.Header{"Accept": {"application/json"}}, nil, lazycontroller.Error(status, nil))
		var got struct {
			Type, Title string
			Status      int
		}
		if err := json.Unmarshal([]byte(body(t, res)), &got); err != nil {
			t.Fatalf("%d: %v", status, err)
		}
		if got.Status != status || got.Title == "" || got.Type != "about:blank" {
			t.Errorf("%d: got %+v", status, got)
		}
	}
}

func TestRespondHead(t *testing.T) {
	for _, accept := range []string{"", "text/html", "application/json"} {
		header := http.Header{"Accept": {accept}}
		get := respond(t, http.MethodGet, header, nil, lazycontroller.Error(404, nil))
		head := respond(t, http.MethodHead, header, nil, lazycontroller.Error(404, nil))
		if got := body(t, head); got != "" {
			t.Errorf("%q: body %q", accept, got)
		}
		if head.StatusCode != 404 {
			t.Errorf("%q: status %d", accept, head.StatusCode)
		}
		for _, name := range []string{"Content-Type", "Content-Length", "Cache-Control", "X-Content-Type-Options", "Vary"} {
			if g, h := get.Header.Get(name), head.Header.Get(name); g != h || g == "" {
				t.Errorf("%q: %s: GET has %q, HEAD has %q", accept, name, g, h)
			}
		}
		if get.ContentLength != int64(len(body(t, get))) {
			t.Errorf("%q: Content-Length %d", accept, get.ContentLength)
		}
	}
}

func TestRespondHeader(t *testing.T) {
	set := http.Header{
		"Content-Type":        {"image/png"},
		"Content-Length":      {"12345"},
		"Content-Encoding":    {"gzip"},
		"Content-Disposition": {"attachment"},
		"Content-Language":    {"de"},
		"Content-Location":    {"/x"},
		"Content-Range":       {"bytes 0-1/2"},
		"Content-Digest":      {"x"},
		"Repr-Digest":         {"x"},
		"Accept-Ranges":       {"bytes"},
		"Etag":                {`"x"`},
		"Last-Modified":       {"now"},
		"Expires":             {"later"},
		"Cache-Control":       {"public, max-age=3600"},
		"Allow":               {"GET"},
		"Retry-After":         {"5"},
		"Set-Cookie":          {"a=b"},
		"Www-Authenticate":    {"Basic"},
	}
	res := respond(t, http.MethodGet, nil, set.Clone(), lazycontroller.Error(503, nil))
	want := map[string]string{
		"Content-Type": text, "Content-Length": "20", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
		"Allow": "GET", "Retry-After": "5", "Set-Cookie": "a=b", "Www-Authenticate": "Basic", "Vary": "Accept",
	}
	for name, value := range want {
		if got := res.Header.Get(name); got != value {
			t.Errorf("%s: got %q, want %q", name, got, value)
		}
	}
	for name := range res.Header {
		if _, ok := want[name]; !ok {
			t.Errorf("%s is still set: %q", name, res.Header.Get(name))
		}
	}
}

func TestRespondVary(t *testing.T) {
	tests := []struct{ set, want []string }{
		{nil, []string{"Accept"}},
		{[]string{"Cookie"}, []string{"Cookie", "Accept"}},
		{[]string{"Cookie, accept"}, []string{"Cookie, accept"}},
		{[]string{"Accept-Encoding"}, []string{"Accept-Encoding", "Accept"}},
		{[]string{"*"}, []string{"*"}},
	}
	for _, tt := range tests {
		set := http.Header{}
		if tt.set != nil {
			set["Vary"] = tt.set
		}
		res := respond(t, http.MethodGet, nil, set, lazycontroller.Error(404, nil))
		if got := strings.Join(res.Header["Vary"], "|"); got != strings.Join(tt.want, "|") {
			t.Errorf("%q: got %q", tt.set, got)
		}
	}
}

// unwritable fails the test when anything is done to it.
type unwritable struct{ t *testing.T }

func (u unwritable) Header() http.Header       { u.t.Error("Header was called"); return http.Header{} }
func (u unwritable) Write([]byte) (int, error) { u.t.Error("Write was called"); return 0, nil }
func (u unwritable) WriteHeader(int)           { u.t.Error("WriteHeader was called") }

func TestRespondNil(t *testing.T) {
	lazycontroller.Respond(unwritable{t}, httptest.NewRequest(http.MethodGet, "/", nil), nil)
}
