package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestAllowed(t *testing.T) {
	for _, test := range []struct {
		allow, origin, host string
		ok                  bool
	}{
		{"", "", "hub.example", true},
		{"", "https://hub.example", "hub.example", true},
		{"", "HTTPS://Hub.Example:443", "hub.example", true},
		{"", "http://hub.example", "hub.example:80", true},
		{"", "https://hub.example:8080", "hub.example:8080", true},
		{"", "https://hub.example:8080", "hub.example", false},
		{"", "https://evil.example", "hub.example", false},
		{"", "https://hub.example.evil.example", "hub.example", false},
		{"", "null", "hub.example", false},
		{"", "*", "hub.example", false},
		{"", "https://hub.example@evil.example", "hub.example", false},
		{"", "https://hub.example/", "hub.example", true},
		{"https://app.example", "https://app.example", "hub.example", true},
		{"https://app.example", "https://hub.example", "hub.example", true},
		{"https://app.example:443", "https://app.example", "hub.example", true},
		{"https://app.example", "http://app.example", "hub.example", false},
		{"https://app.example", "https://app.example:8443", "hub.example", false},
		{"https://app.example", "https://www.app.example", "hub.example", false},
		{"https://app.example", "https://evilapp.example", "hub.example", false},
		{"https://*.app.example", "https://www.app.example", "hub.example", true},
		{"https://*.app.example", "https://a.b.app.example", "hub.example", true},
		{"https://*.app.example", "https://app.example", "hub.example", false},
		{"https://*.app.example", "https://evilapp.example", "hub.example", false},
		{"https://*.app.example", "https://*.app.example", "hub.example", false},
		{"*", "https://anything.example", "hub.example", true},
		{"*", "null", "hub.example", true},
		{"app://local", "app://local", "hub.example", true},
	} {
		var origins []origin
		if test.allow != "" {
			o, err := parseOrigin(test.allow)
			if err != nil {
				t.Fatal(err)
			}
			origins = []origin{o}
		}
		r := httptest.NewRequest(http.MethodGet, "/cable", nil)
		r.Host = test.host
		if test.origin != "" {
			r.Header.Set("Origin", test.origin)
		}
		if got := allowed(origins)(r); got != test.ok {
			t.Errorf("-allow-origin %q, Origin %q at %s: %v", test.allow, test.origin, test.host, got)
		}
	}
}

// Two lines are nothing that a browser sends.
func TestTwoOrigins(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/cable", nil)
	r.Host = "hub.example"
	r.Header["Origin"] = []string{"https://hub.example", "https://evil.example"}
	if allowed(nil)(r) {
		t.Error("allowed")
	}
}

func TestParseOriginRefuses(t *testing.T) {
	for _, text := range []string{"", "example.com", "https://", "https://a.example?x", "https://a.*.example", "https://u@a.example", "null", "://", "https://*"} {
		if o, err := parseOrigin(text); err == nil {
			t.Errorf("%q is %+v", text, o)
		}
	}
}
