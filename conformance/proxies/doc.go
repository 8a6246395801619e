// Package proxies has tested set-ups of nginx, haproxy and Caddy in front of
// WebSocket servers of this project, and the tests: conformance/proxies/run.sh.
// The configurations are meant to be copied; docs/proxies.md explains them.
package proxies
