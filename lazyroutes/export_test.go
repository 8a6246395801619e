package lazyroutes

import "net/http"

// SetMatchMethod replaces what decides which method a request counts as.
func (s *Scope) SetMatchMethod(f func(*http.Request) string) { s.router.method = f }
