// Package api describes the exported API of a Go package as plain lines and
// compares two such descriptions.
//
// The file gorilla-v1.5.3.txt is the description of github.com/gorilla/websocket
// v1.5.3. The test of this package holds golazy.dev/lazywebsocket against it: a
// program written for gorilla must still compile when only its import path
// changes. To make the file again, with the module proxy in reach:
//
//	go run ./conformance/api/gen
package api
