package lazyroutes

import (
	"context"
	"net/http"
	"reflect"
	"runtime"
	"slices"
	"strings"
)

// Scope is a place to draw routes, and an http.Handler that serves them. [New]
// makes the outermost scope of a router; Path and Namespace open scopes within.
// The zero value is not usable.
//
// Every scope of a router serves the whole router.
//
// Routes may be drawn while requests are served, but one scope must not be
// drawn in by several goroutines at once.
//
// A mistake in drawing (an empty or lower-case method, a path that does not
// start with a slash, a nil function, a route that conflicts with another)
// panics with a text that names it, as http.ServeMux does.
type Scope struct {
	router    *router
	parent    *Scope // nil in the outermost scope
	prefix    string // "" or "/x", without a slash at its end
	namespace string // "" or "admin" or "admin/reports"
	chain     []Middleware
	drawn     bool    // something has been drawn here: too late for Use
	routes    []Route // of this scope and those within it; router.mu guards it
}

// Middleware wraps a handler in another.
type Middleware = func(http.Handler) http.Handler

// New returns the outermost scope of a new router.
//
// The values of ctx reach every request: a key that the context of a request
// does not know is looked up in ctx. So services that live as long as the
// application, and the logger of [WithLogger], are put there once.
//
// The cancellation and the deadline of ctx do not matter. When the application
// ends, requests in progress are to be finished, and http.Server.Shutdown does
// that.
func New(ctx context.Context) *Scope {
	if ctx == nil {
		panic("lazyroutes: New: nil context")
	}
	return &Scope{router: newRouter(ctx)}
}

// HandleFunc draws a route from a method and a path to an action.
//
// The method is one in upper case. GET stands for HEAD too, unless HEAD is
// drawn itself.
//
// The path is that of an http.ServeMux pattern, such as "/rooms/{id}",
// "/files/{path...}" or "/{$}", and is appended to the prefix of the scope as
// it stands: "/" matches everything below the prefix, "/{$}" only the prefix
// with a slash. Below a prefix the path may be empty, which matches the prefix
// itself. r.PathValue returns the value of a wildcard.
//
// A request with another method is answered with 405 and an Allow field, an
// OPTIONS request with 204 and an Allow field unless OPTIONS is drawn.
//
// The error that the action returns becomes a response; see the description of
// the package.
func (s *Scope) HandleFunc(method, path string, action func(http.ResponseWriter, *http.Request) error) {
	if action == nil {
		panic("lazyroutes: " + describe(method, s.prefix+path) + ": nil action")
	}
	s.add(method, path, action, nameOf(action))
}

// Handle draws a route from a method and a path to an http.Handler. It is like
// HandleFunc with an action that returns no error.
func (s *Scope) Handle(method, path string, handler http.Handler) {
	if f, ok := handler.(http.HandlerFunc); handler == nil || ok && f == nil {
		panic("lazyroutes: " + describe(method, s.prefix+path) + ": nil handler")
	}
	s.add(method, path, func(w http.ResponseWriter, r *http.Request) error {
		handler.ServeHTTP(w, r)
		return nil
	}, nameOf(handler))
}

// Path calls draw with a new scope within s, whose routes are below the URL
// prefix and carry the middleware of s.
//
// The prefix starts with a slash; a slash at its end is dropped, so "/" is a
// scope without a prefix of its own, for middleware. It may have wildcards, as
// in "/rooms/{room}", whose values the actions find in r.PathValue.
func (s *Scope) Path(prefix string, draw func(*Scope)) {
	s.open("Path", prefix, s.namespace, draw)
}

// Namespace calls draw with a new scope within s that is a part of the
// application with a name: "admin", say. Its routes are below the URL prefix of
// that name ("/admin"), as with Path. Beyond that the name, with those of the
// namespaces around it ("admin/reports"), is shown in the route table and in
// what is logged for its routes.
//
// The name consists of ASCII letters, digits, '-' and '_'.
func (s *Scope) Namespace(name string, draw func(*Scope)) {
	if name == "" || strings.ContainsFunc(name, func(c rune) bool {
		return c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
	}) {
		panic("lazyroutes: Namespace: a name has letters, digits, '-' and '_', not " + quote(name))
	}
	full := name
	if s.namespace != "" {
		full = s.namespace + "/" + name
	}
	s.open("Namespace", "/"+name, full, draw)
}

func (s *Scope) open(what, prefix, namespace string, draw func(*Scope)) {
	switch {
	case draw == nil:
		panic("lazyroutes: " + what + " " + quote(prefix) + ": nil function")
	case !strings.HasPrefix(prefix, "/"):
		panic("lazyroutes: " + what + ": a prefix starts with a slash, not " + quote(prefix))
	case strings.Contains(prefix, "...}") || strings.Contains(prefix, "{$}"):
		panic("lazyroutes: " + what + ": nothing can follow " + quote(prefix))
	}
	s.drawn = true
	draw(&Scope{
		router:    s.router,
		parent:    s,
		prefix:    s.prefix + strings.TrimSuffix(prefix, "/"),
		namespace: namespace,
		chain:     slices.Clone(s.chain),
	})
}

// Use adds middleware to the routes of s and of the scopes within it. The first
// added is the outermost, and that of a scope is around that of the scopes
// within it. It is called before anything is drawn in the scope, otherwise it
// panics: a route that was left out by mistake would show too late.
//
// Middleware runs after the route has been found, so r.Pattern and r.PathValue
// are known. It does not run for requests without a route (404, 405, OPTIONS);
// what shall see all requests wraps the router itself.
//
// Each route gets a handler of its own: middleware is called once per route, at
// the time the route is drawn.
func (s *Scope) Use(middleware ...Middleware) {
	if s.drawn {
		panic("lazyroutes: Use: call it before the routes of the scope are drawn")
	}
	for _, m := range middleware {
		if m == nil {
			panic("lazyroutes: Use: nil middleware")
		}
	}
	s.chain = append(s.chain, middleware...)
}

// Routes returns the routes of s and of the scopes within it, in the order in
// which they were drawn. The slice is the caller's.
func (s *Scope) Routes() []Route {
	s.router.mu.Lock()
	defer s.router.mu.Unlock()
	return slices.Clone(s.routes)
}

// ServeHTTP serves a request with the routes of the whole router.
func (s *Scope) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.router.serve(w, r)
}

// add registers a route. It is called by the exported methods directly, so that
// their caller is two frames up.
func (s *Scope) add(method, path string, action action, handler string) {
	source := ""
	if _, file, line, ok := runtime.Caller(2); ok {
		source = sourceOf(file, line)
	}
	route := Route{
		Method:    method,
		Path:      s.prefix + path,
		Namespace: s.namespace,
		Handler:   handler,
		Source:    source,
	}
	checkRoute(route, path)
	s.drawn = true
	s.router.register(s, route, newEndpoint(route, action, s.chain))
}

// nameOf returns the name of a function, or the type of anything else.
func nameOf(f any) string {
	v := reflect.ValueOf(f)
	if v.Kind() != reflect.Func {
		return v.Type().String()
	}
	if fn := runtime.FuncForPC(v.Pointer()); fn != nil {
		return strings.TrimSuffix(fn.Name(), "-fm") // of a method value
	}
	return v.Type().String()
}
