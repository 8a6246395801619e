package lazyroutes

import (
	"net/http"
	"slices"
	"strings"

	"golazy.dev/lazycontroller"
)

// muxAnswer is the response writer that the mux gets. Endpoints take the real
// one out of it; only the mux's own handlers write to it: 404, 405, redirects.
// Thus these get the form of our other errors, and no second matching is needed
// to learn whether there is a route.
type muxAnswer struct {
	w      http.ResponseWriter
	method string // of the request as it came, not as it was matched
	header http.Header
	status int // 0: an endpoint has served the request
	body   []byte
}

func (a *muxAnswer) Header() http.Header {
	if a.header == nil {
		a.header = make(http.Header)
	}
	return a.header
}

func (a *muxAnswer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *muxAnswer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	a.body = append(a.body, p...)
	return len(p), nil
}

// send passes the mux's answer on, an error in our own form.
func (a *muxAnswer) send(r *http.Request) {
	h := a.w.Header()
	for name, values := range a.header {
		h[name] = values
	}
	if allow := a.header.Get("Allow"); allow != "" {
		h.Set("Allow", withOptions(allow))
		if a.method == http.MethodOptions {
			h.Del("Content-Type") // of the mux's 405
			a.w.WriteHeader(http.StatusNoContent)
			return
		}
	}
	if a.status >= 400 {
		lazycontroller.Respond(a.w, r, lazycontroller.Error(a.status, nil))
		return
	}
	a.w.WriteHeader(a.status)
	// A client that has gone is nobody to tell.
	_, _ = a.w.Write(a.body)
}

// withOptions adds OPTIONS, which the router answers, to a list of methods.
func withOptions(allow string) string {
	methods := strings.Split(allow, ", ")
	if !slices.Contains(methods, http.MethodOptions) {
		methods = append(methods, http.MethodOptions)
		slices.Sort(methods)
	}
	return strings.Join(methods, ", ")
}
