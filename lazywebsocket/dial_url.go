package lazywebsocket

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// errMalformedURL has the text that programs written for gorilla/websocket know.
var errMalformedURL = errors.New("malformed ws or wss URL")

// parseURL returns a ws or wss URL as the http or https URL that it is for
// proxies and cookies (RFC 6455, 3), without its fragment.
func parseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, &OpError{Op: "dial", Err: err}
	}
	switch u.Scheme {
	case "ws":
		u.Scheme = "http"
	case "wss":
		u.Scheme = "https"
	default:
		return nil, errMalformedURL
	}
	if u.User != nil || u.Hostname() == "" || !validPort(u.Port()) {
		return nil, errMalformedURL
	}
	u.Host = strings.TrimSuffix(u.Host, ":")
	u.Fragment, u.RawFragment = "", ""
	return u, nil
}

// validPort reports whether s, the digits of a URL's port, is a port or none.
func validPort(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16)
	return s == "" || err == nil
}

// hostPort returns the address to dial for a URL: its own port, or the
// scheme's.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = defaultPorts[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

var defaultPorts = map[string]string{
	"http":    "80",
	"https":   "443",
	"socks5":  "1080",
	"socks5h": "1080",
}

// hostHeader returns the Host header for a URL. The zone of an IPv6 address
// means something on this machine only (RFC 6874, 1).
func hostHeader(u *url.URL) (string, error) {
	host := u.Host
	if zone, end := strings.IndexByte(host, '%'), strings.LastIndexByte(host, ']'); zone >= 0 && zone < end {
		host = host[:zone] + host[end:]
	}
	if !visibleASCII(host) {
		return "", fmt.Errorf("the URL's host %q is not ASCII: an international name is written as punycode", host)
	}
	return host, nil
}

// requestTarget returns the path and the query as they stand in the request
// (RFC 9112, 3.2.1). A path is escaped where it needs to be; where that could
// change how it reads, and in a query, it is for the caller to do.
func requestTarget(u *url.URL) (string, error) {
	if path := u.EscapedPath(); path != u.RawPath && strings.Contains(u.RawPath, "%") {
		return "", fmt.Errorf("the URL's path %q is escaped in part", u.RawPath)
	}
	target := u.RequestURI()
	if !visibleASCII(target) {
		return "", fmt.Errorf("the URL's query %q has bytes that must be escaped", u.RawQuery)
	}
	return target, nil
}
