package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golazy.dev/lazywebsocket"
)

// origin is one that may connect, or a pattern of them. The host is in lower case
// and has no port that belongs to the scheme.
type origin struct {
	any          bool // "*"
	scheme, host string
	sub          bool // all names below host
}

// parseOrigin reads "https://example.com", "https://*.example.com:8443" or "*".
func parseOrigin(text string) (origin, error) {
	if text == "*" {
		return origin{any: true}, nil
	}
	u, err := url.Parse(strings.ToLower(text))
	switch {
	case err != nil:
		return origin{}, fmt.Errorf("%q is not an origin: %w", text, errors.Unwrap(err))
	case u.Scheme == "" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return origin{}, fmt.Errorf("%q is not an origin, as https://example.com is", text)
	}
	o := origin{scheme: u.Scheme, host: withoutPort(u.Scheme, u.Host)}
	o.host, o.sub = strings.CutPrefix(o.host, "*.")
	if strings.Contains(o.host, "*") {
		return origin{}, fmt.Errorf("%q: a * is for whole names at the beginning", text)
	}
	return o, nil
}

// withoutPort removes the port that belongs to the scheme.
func withoutPort(scheme, host string) string {
	switch scheme {
	case "http":
		return strings.TrimSuffix(host, ":80")
	case "https":
		return strings.TrimSuffix(host, ":443")
	default:
		return host
	}
}

// matches reports whether a browser's origin is o.
func (o origin) matches(browser origin) bool {
	switch {
	case o.scheme != browser.scheme:
		return false
	case o.sub:
		return strings.HasSuffix(browser.host, "."+o.host)
	default:
		return browser.host == o.host
	}
}

// allowed returns a check of the Origin of requests: pages of the hub's own host,
// those of the list, and what is no browser and sends none (RFC 6455, 10.2).
func allowed(origins []origin) func(*http.Request) bool {
	return func(r *http.Request) bool {
		if lazywebsocket.SameOrigin(r) || slices.ContainsFunc(origins, func(o origin) bool { return o.any }) {
			return true
		}
		lines := r.Header["Origin"]
		if len(lines) != 1 {
			return false
		}
		browser, err := parseOrigin(lines[0])
		if err != nil || browser.any || browser.sub {
			return false
		}
		return slices.ContainsFunc(origins, func(o origin) bool { return o.matches(browser) })
	}
}
