package lazyroutes

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
)

// router is what the scopes of one router share.
type router struct {
	base   context.Context // never cancelled; nil if it has no values
	mux    http.ServeMux
	method func(*http.Request) string // matchMethod

	mu      sync.Mutex
	sources map[string]string // by pattern, where the route was drawn; mu guards it
}

func newRouter(ctx context.Context) *router {
	rt := &router{method: matchMethod, sources: make(map[string]string)}
	if ctx != context.Background() && ctx != context.TODO() {
		rt.base = context.WithoutCancel(ctx)
	}
	return rt
}

// register gives a route to the mux and to the tables of its scopes.
func (rt *router) register(s *Scope, route Route, e *endpoint) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	defer func() {
		if v := recover(); v != nil {
			panic("lazyroutes: " + route.String() + " (drawn at " + route.Source + "): " + rt.explain(v))
		}
	}()
	rt.mux.Handle(route.String(), e)
	rt.sources[route.String()] = route.Source
	for ; s != nil; s = s.parent {
		s.routes = append(s.routes, route)
	}
}

// registeredAt is how http.ServeMux says where a pattern comes from, which is
// always a line of this package.
var registeredAt = regexp.MustCompile(`pattern "([^"]*)" \(registered at [^)]*\)`)

// explain returns the text of a panic of http.ServeMux, with the places of ours
// instead of its own.
func (rt *router) explain(v any) string {
	return registeredAt.ReplaceAllStringFunc(fmt.Sprint(v), func(match string) string {
		pattern := registeredAt.FindStringSubmatch(match)[1]
		if source, ok := rt.sources[pattern]; ok {
			return pattern + " (drawn at " + source + ")"
		}
		return pattern
	})
}

// matchMethod returns the method that r counts as when its route is sought. It
// is the only place that decides so. The action sees the method that came.
//
// An extended CONNECT that asks for a WebSocket over HTTP/2 (RFC 8441, 5) or HTTP/3
// counts as the GET that it is over HTTP/1.1. Any other CONNECT request is one, even on a path
// where GET is drawn: it asks for a tunnel (RFC 9110, 9.3.6), which no route of
// another method may mistake for itself.
func matchMethod(r *http.Request) string {
	if r.Method == http.MethodConnect && r.ProtoMajor >= 2 {
		if protocol := r.Header[":protocol"]; len(protocol) == 1 && equalFold(protocol[0], "websocket") {
			return http.MethodGet
		}
	}
	return r.Method
}

// equalFold is equality without regard to the case of ASCII letters; ascii has no others.
// What else strings.EqualFold takes for one, a KELVIN SIGN, has more bytes.
func equalFold(s, ascii string) bool {
	return len(s) == len(ascii) && strings.EqualFold(s, ascii)
}

// serve finds the route of a request and serves it.
func (rt *router) serve(w http.ResponseWriter, r *http.Request) {
	routed := rt.routedRequest(r)
	if routed != r {
		defer giveBack(r, routed)
	}
	a := muxAnswer{w: w, method: r.Method}
	rt.mux.ServeHTTP(&a, routed)
	if a.status != 0 {
		a.send(routed)
	}
}

// routedRequest returns the request that the mux sees: r itself when neither
// the base context nor the method calls for a copy.
func (rt *router) routedRequest(r *http.Request) *http.Request {
	routed := r
	if rt.base != nil {
		routed = r.WithContext(requestContext{Context: r.Context(), base: rt.base})
	}
	if method := rt.method(r); method != r.Method {
		if routed == r {
			routed = r.WithContext(r.Context())
		}
		routed.Method = method
	}
	return routed
}

// giveBack lets what is around the router know what happened to its copy of the
// request: which route it was (metrics want that), and which temporary files of
// a form net/http has to remove.
func giveBack(r, routed *http.Request) {
	r.Pattern = routed.Pattern
	if r.MultipartForm == nil {
		r.MultipartForm = routed.MultipartForm
	}
}

// requestContext is the context of a request, with the values of the router's
// behind its own.
type requestContext struct {
	context.Context
	base context.Context
}

func (c requestContext) Value(key any) any {
	if v := c.Context.Value(key); v != nil {
		return v
	}
	return c.base.Value(key)
}
