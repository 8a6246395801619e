package lazyroutes_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"golazy.dev/lazyroutes"
)

func TestPrefixes(t *testing.T) {
	tests := []struct {
		name string
		draw func(s *lazyroutes.Scope, action func(http.ResponseWriter, *http.Request) error)
		want string // the path of the route
	}{
		{"root", func(s *lazyroutes.Scope, a func(http.ResponseWriter, *http.Request) error) {
			s.HandleFunc("GET", "/a", a)
		}, "/a"},
		{"path", func(s *lazyroutes.Scope, a func(http.ResponseWriter, *http.Request) error) {
			s.Path("/api", func(s *lazyroutes.Scope) { s.HandleFunc("GET", "/a", a) })
		}, "/api/a"},
		{"slash at the end", func(s *lazyroutes.Scope, a func(http.ResponseWriter, *http.Request) error) {
			s.Path("/api/", func(s *lazyroutes.Scope) { s.HandleFunc("GET", "/a", a) })
		}, "/api/a"},
		{"only a slash", func(s *lazyroutes.Scope, a func(http.ResponseWriter, *http.Request) error) {
			s.Path("/", func(s *lazyroutes.Scope) { s.HandleFunc("GET", "/a", a) })
		}, "/a"},
		{"nested", func(s *lazyroutes.Scope, a func(http.ResponseWriter, *http.Request) error) {
			s.Path("/api", func(s *lazyroutes.Scope) {
				s.Path("/v1/x/", func(s *lazyroutes.Scope) { s.HandleFunc("GET", "/a", a) })
			})
		}, "/api/v1/x/a"},
		{"empty path", func(s *lazyroutes.Scope, a func(http.ResponseWriter, *http.Request) error) {
			s.Path("/api", func(s *lazyroutes.Scope) { s.HandleFunc("GET", "", a) })
		}, "/api"},
		{"subtree", func(s *lazyroutes.Scope, a func(http.ResponseWriter, *http.Request) error) {
			s.Path("/api", func(s *lazyroutes.Scope) { s.HandleFunc("GET", "/", a) })
		}, "/api/"},
		{"end", func(s *lazyroutes.Scope, a func(http.ResponseWriter, *http.Request) error) {
			s.Path("/api", func(s *lazyroutes.Scope) { s.HandleFunc("GET", "/{$}", a) })
		}, "/api/{$}"},
		{"wildcard", func(s *lazyroutes.Scope, a func(http.ResponseWriter, *http.Request) error) {
			s.Path("/rooms/{room}", func(s *lazyroutes.Scope) { s.HandleFunc("GET", "/messages/{id...}", a) })
		}, "/rooms/{room}/messages/{id...}"},
		{"namespace", func(s *lazyroutes.Scope, a func(http.ResponseWriter, *http.Request) error) {
			s.Namespace("admin", func(s *lazyroutes.Scope) {
				s.Path("/x", func(s *lazyroutes.Scope) {
					s.Namespace("reports", func(s *lazyroutes.Scope) { s.HandleFunc("GET", "/a", a) })
				})
			})
		}, "/admin/x/reports/a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			router, _ := newRouter(t)
			tt.draw(router, says("here"))
			routes := router.Routes()
			if len(routes) != 1 || routes[0].Path != tt.want {
				t.Fatalf("routes: %v, want %s", routes, tt.want)
			}
			target := strings.NewReplacer("{$}", "", "{room}", "r", "{id...}", "i/d").Replace(tt.want)
			if w := serve(router, "GET", target); w.Code != 200 || w.Body.String() != "here" {
				t.Errorf("GET %s: %d %q", target, w.Code, w.Body)
			}
		})
	}
}

func TestPathValues(t *testing.T) {
	router, _ := newRouter(t)
	router.Path("/rooms/{room}", func(s *lazyroutes.Scope) {
		s.Use(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = fmt.Fprintf(w, "[%s %s]", r.PathValue("room"), r.Pattern)
				next.ServeHTTP(w, r)
			})
		})
		s.HandleFunc("GET", "/messages/{id}", func(w http.ResponseWriter, r *http.Request) error {
			_, err := fmt.Fprintf(w, "%s/%s", r.PathValue("room"), r.PathValue("id"))
			return err
		})
	})
	want := "[a b GET /rooms/{room}/messages/{id}]a b/7"
	if got := serve(router, "GET", "/rooms/a%20b/messages/7").Body.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// step is middleware that leaves its name around what is within.
func step(name string) lazyroutes.Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, name+"(")
			next.ServeHTTP(w, r)
			_, _ = io.WriteString(w, ")")
		})
	}
}

func TestMiddlewareOrder(t *testing.T) {
	router, _ := newRouter(t)
	router.Use(step("a"), step("b"))
	router.Use(step("c"))
	router.HandleFunc("GET", "/top", says("x"))
	router.Path("/in", func(s *lazyroutes.Scope) {
		s.Use(step("d"))
		s.HandleFunc("GET", "/first", says("x"))
		s.Namespace("deep", func(s *lazyroutes.Scope) {
			s.Use(step("e"))
			s.HandleFunc("GET", "/x", says("x"))
		})
		s.HandleFunc("GET", "/last", says("x"))
	})
	router.Path("/", func(s *lazyroutes.Scope) {
		s.Use(step("f"))
		s.HandleFunc("GET", "/beside", says("x"))
	})
	router.Handle("GET", "/bottom", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "x") }))
	for target, want := range map[string]string{
		"/top":       "a(b(c(x)))",
		"/in/first":  "a(b(c(d(x))))",
		"/in/deep/x": "a(b(c(d(e(x)))))",
		"/in/last":   "a(b(c(d(x))))",
		"/beside":    "a(b(c(f(x))))",
		"/bottom":    "a(b(c(x)))",
		"/none":      "Not Found\n",
	} {
		if got := serve(router, "GET", target).Body.String(); got != want {
			t.Errorf("%s: got %q, want %q", target, got, want)
		}
	}
}

func TestSiblingScopesDoNotShareMiddleware(t *testing.T) {
	router, _ := newRouter(t)
	// Three leave room in the slice behind them, which an append would share.
	router.Use(step("a"), step("b"))
	router.Use(step("c"))
	var first, second *lazyroutes.Scope
	router.Path("/1", func(s *lazyroutes.Scope) { first = s })
	router.Path("/2", func(s *lazyroutes.Scope) { second = s })
	first.Use(step("first"))
	second.Use(step("second"))
	first.HandleFunc("GET", "/", says("x"))
	second.HandleFunc("GET", "/", says("x"))
	if got := serve(router, "GET", "/1/").Body.String(); got != "a(b(c(first(x))))" {
		t.Errorf("got %q", got)
	}
}

type page struct{}

func (page) ServeHTTP(http.ResponseWriter, *http.Request)  {}
func (page) Show(http.ResponseWriter, *http.Request) error { return nil }

func TestRoutes(t *testing.T) {
	router, _ := newRouter(t)
	var admin *lazyroutes.Scope
	router.HandleFunc("GET", "/rooms/{id}", page{}.Show)
	router.Namespace("admin", func(s *lazyroutes.Scope) {
		admin = s
		s.Handle("POST", "/rooms", page{})
		s.Namespace("reports", func(s *lazyroutes.Scope) {
			s.HandleFunc("GET", "", func(http.ResponseWriter, *http.Request) error { return nil })
		})
		s.Path("/x", func(s *lazyroutes.Scope) { s.Handle("PUT", "/y", http.NotFoundHandler()) })
	})
	line := func(r lazyroutes.Route) string {
		file, _, _ := strings.Cut(r.Source, ":")
		return strings.Join([]string{r.String(), r.Namespace, r.Handler, file}, "|")
	}
	inAdmin := []string{
		"POST /admin/rooms|admin|lazyroutes_test.page|lazyroutes/scope_test.go",
		"GET /admin/reports|admin/reports|golazy.dev/lazyroutes_test.TestRoutes.TestRoutes.func1.func2.func4|lazyroutes/scope_test.go",
		"PUT /admin/x/y|admin|net/http.NotFound|lazyroutes/scope_test.go",
	}
	all := append([]string{
		"GET /rooms/{id}||golazy.dev/lazyroutes_test.page.Show|lazyroutes/scope_test.go",
	}, inAdmin...)
	check := func(name string, s *lazyroutes.Scope, want []string) {
		t.Helper()
		var got []string
		for _, r := range s.Routes() {
			l := line(r)
			// How the compiler names a nested closure differs between releases.
			if before, _, ok := strings.Cut(l, "TestRoutes."); ok {
				l = before + "TestRoutes." + "*|lazyroutes/scope_test.go"
			}
			got = append(got, l)
		}
		for i, l := range want {
			if before, _, ok := strings.Cut(l, "TestRoutes."); ok {
				want[i] = before + "TestRoutes." + "*|lazyroutes/scope_test.go"
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s:\ngot  %q\nwant %q", name, got, want)
		}
	}
	check("router", router, all)
	check("namespace", admin, inAdmin)

	router.Routes()[0].Path = "/changed"
	if router.Routes()[0].Path != "/rooms/{id}" {
		t.Error("the table can be changed through its copy")
	}
}

func TestBadDrawingPanics(t *testing.T) {
	ok := says("x")
	tests := []struct {
		name string
		draw func(s *lazyroutes.Scope)
		want []string // parts of the text
	}{
		{"empty method", func(s *lazyroutes.Scope) { s.HandleFunc("", "/a", ok) }, []string{`"/a": empty method`}},
		{"lower-case method", func(s *lazyroutes.Scope) { s.HandleFunc("get", "/a", ok) }, []string{"get /a: the method is not in upper case"}},
		{"no token", func(s *lazyroutes.Scope) { s.HandleFunc("G(T", "/a", ok) }, []string{"G(T /a", "invalid method"}},
		{"space in the method", func(s *lazyroutes.Scope) { s.HandleFunc("GET ", "/a", ok) }, []string{"GET  /a: the method is not one word"}},
		{"host in the method", func(s *lazyroutes.Scope) { s.HandleFunc("GET x", "/a", ok) }, []string{"GET x /a: the method is not one word"}},
		{"empty path", func(s *lazyroutes.Scope) { s.HandleFunc("GET", "", ok) }, []string{"GET: empty path"}},
		{"no slash", func(s *lazyroutes.Scope) { s.HandleFunc("GET", "a", ok) }, []string{`GET "a": the path does not start with a slash`}},
		{"no slash within", func(s *lazyroutes.Scope) {
			s.Path("/x", func(s *lazyroutes.Scope) { s.HandleFunc("GET", "a", ok) })
		}, []string{`GET "a": the path does not start with a slash`}},
		{"host", func(s *lazyroutes.Scope) { s.HandleFunc("GET", "example.com/", ok) }, []string{"does not start with a slash"}},
		{"unclean", func(s *lazyroutes.Scope) { s.HandleFunc("GET", "/a//b", ok) }, []string{"GET /a//b", "can never match"}},
		{"bad wildcard", func(s *lazyroutes.Scope) { s.HandleFunc("GET", "/{a", ok) }, []string{"GET /{a", "wildcard"}},
		{"nil action", func(s *lazyroutes.Scope) { s.HandleFunc("GET", "/a", nil) }, []string{"GET /a: nil action"}},
		{"nil function", func(s *lazyroutes.Scope) { s.Handle("GET", "/a", http.HandlerFunc(nil)) }, []string{"GET /a: nil handler"}},
		{"nil handler", func(s *lazyroutes.Scope) { s.Handle("GET", "/a", nil) }, []string{"GET /a: nil handler"}},
		{"twice", func(s *lazyroutes.Scope) {
			s.HandleFunc("GET", "/a/{x}", ok)
			s.HandleFunc("GET", "/a/{y}", ok)
		}, []string{"GET /a/{y} (drawn at lazyroutes/scope_test.go:", "conflicts with GET /a/{x} (drawn at lazyroutes/scope_test.go:"}},
		{"conflict", func(s *lazyroutes.Scope) {
			s.HandleFunc("GET", "/a/{x}", ok)
			s.Path("/{y}", func(s *lazyroutes.Scope) { s.HandleFunc("GET", "/b", ok) })
		}, []string{"GET /{y}/b (drawn at lazyroutes/scope_test.go:", "conflicts with GET /a/{x} (drawn at lazyroutes/scope_test.go:"}},
		{"prefix without a slash", func(s *lazyroutes.Scope) { s.Path("x", func(*lazyroutes.Scope) {}) }, []string{`Path: a prefix starts with a slash, not "x"`}},
		{"empty prefix", func(s *lazyroutes.Scope) { s.Path("", func(*lazyroutes.Scope) {}) }, []string{`Path: a prefix starts with a slash, not ""`}},
		{"prefix with an end", func(s *lazyroutes.Scope) { s.Path("/x/{$}", func(*lazyroutes.Scope) {}) }, []string{`Path: nothing can follow "/x/{$}"`}},
		{"prefix with a rest", func(s *lazyroutes.Scope) { s.Path("/{x...}", func(*lazyroutes.Scope) {}) }, []string{`Path: nothing can follow "/{x...}"`}},
		{"nil in Path", func(s *lazyroutes.Scope) { s.Path("/x", nil) }, []string{`Path "/x": nil function`}},
		{"nil in Namespace", func(s *lazyroutes.Scope) { s.Namespace("x", nil) }, []string{`Namespace "/x": nil function`}},
		{"empty namespace", func(s *lazyroutes.Scope) { s.Namespace("", func(*lazyroutes.Scope) {}) }, []string{`Namespace: a name has`, `not ""`}},
		{"namespace with a slash", func(s *lazyroutes.Scope) { s.Namespace("/a", func(*lazyroutes.Scope) {}) }, []string{`not "/a"`}},
		{"namespace with a wildcard", func(s *lazyroutes.Scope) { s.Namespace("{a}", func(*lazyroutes.Scope) {}) }, []string{`not "{a}"`}},
		{"nil middleware", func(s *lazyroutes.Scope) { s.Use(nil) }, []string{"Use: nil middleware"}},
		{"middleware returns nil", func(s *lazyroutes.Scope) {
			s.Use(func(http.Handler) http.Handler { return nil })
			s.HandleFunc("GET", "/a", ok)
		}, []string{"GET /a: middleware returned a nil handler"}},
		{"late middleware", func(s *lazyroutes.Scope) {
			s.HandleFunc("GET", "/a", ok)
			s.Use(step("a"))
		}, []string{"Use: call it before the routes"}},
		{"middleware behind a scope", func(s *lazyroutes.Scope) {
			s.Path("/a", func(*lazyroutes.Scope) {})
			s.Use(step("a"))
		}, []string{"Use: call it before the routes"}},
		{"nil context", func(*lazyroutes.Scope) { lazyroutes.New(context.Context(nil)) }, []string{"New: nil context"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			router, _ := newRouter(t)
			defer func() {
				got, _ := recover().(string)
				if !strings.HasPrefix(got, "lazyroutes: ") {
					t.Errorf("got %q", got)
				}
				for _, part := range tt.want {
					if !strings.Contains(got, part) {
						t.Errorf("got %q, want %q in it", got, part)
					}
				}
				if strings.Contains(got, "registered at") || strings.Contains(got, "lazyroutes/router.go") {
					t.Errorf("a place of ours instead of the application's: %q", got)
				}
			}()
			tt.draw(router)
		})
	}
}

func TestFailedDrawingLeavesTheTable(t *testing.T) {
	router, _ := newRouter(t)
	router.HandleFunc("GET", "/a", says("first"))
	func() {
		defer func() { _ = recover() }()
		router.HandleFunc("GET", "/a", says("second"))
	}()
	if routes := router.Routes(); len(routes) != 1 {
		t.Errorf("routes: %v", routes)
	}
	router.HandleFunc("GET", "/b", says("third")) // the table is not left locked
	if got := serve(router, "GET", "/a").Body.String(); got != "first" {
		t.Errorf("got %q", got)
	}
}
