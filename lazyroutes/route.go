package lazyroutes

import (
	"path/filepath"
	"strconv"
	"strings"
)

// Route is a line of the route table.
type Route struct {
	// Method is the request method. GET stands for HEAD too.
	Method string

	// Path is the whole path, with the prefixes of the scopes, as http.ServeMux
	// writes it.
	Path string

	// Namespace is the name of the namespace that the route is in, with those
	// around it: "admin/reports". Empty outside of namespaces.
	Namespace string

	// Handler names the action: the function, or the type of an http.Handler
	// that is not a function.
	Handler string

	// Source is where the route was drawn, as "routes.go:12" with the name of the
	// directory before it. Empty if unknown.
	Source string
}

// String returns the method and the path, as in "GET /rooms/{id}". That is what
// http.Request.Pattern holds while the route is served.
func (r Route) String() string { return r.Method + " " + r.Path }

// checkRoute panics when a route cannot be registered for a reason that is
// better told here than by http.ServeMux. path is its last part.
func checkRoute(route Route, path string) {
	switch {
	case route.Method == "":
		panic("lazyroutes: " + quote(route.Path) + ": empty method")
	case strings.ContainsAny(route.Method, " \t"):
		// http.ServeMux would take what follows the space for a host or a path.
		panic("lazyroutes: " + route.String() + ": the method is not one word")
	case strings.ToUpper(route.Method) != route.Method:
		// Methods are case-sensitive (RFC 9110, 9.1): this would never match.
		panic("lazyroutes: " + route.String() + ": the method is not in upper case")
	case route.Path == "":
		panic("lazyroutes: " + route.Method + ": empty path")
	case path != "" && path[0] != '/':
		panic("lazyroutes: " + route.Method + " " + quote(path) + ": the path does not start with a slash")
	}
}

// describe names a route that may lack its method.
func describe(method, path string) string {
	return strings.TrimSpace(method + " " + path)
}

// sourceOf shortens the place of a call to the last directory and the file.
func sourceOf(file string, line int) string {
	dir, name := filepath.Split(filepath.ToSlash(file))
	if dir = filepath.Base(dir); dir != "." && dir != "/" {
		name = dir + "/" + name
	}
	return name + ":" + strconv.Itoa(line)
}

func quote(s string) string { return strconv.Quote(s) }
