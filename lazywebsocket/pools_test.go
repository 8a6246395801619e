//go:build go1.26

package lazywebsocket_test

// emptyPools is for older releases of Go.
func emptyPools() {}
