//go:build !go1.26

package lazywebsocket_test

import "runtime"

// emptyPools throws away what sync.Pools hold. The HTTP/2 of net/http has one of
// channels; one that was made inside a bubble of testing/synctest must not be used in
// the next, and a server that gets it panics.
func emptyPools() {
	runtime.GC() // the first lets them be a victim that is still used
	runtime.GC()
}
