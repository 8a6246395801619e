// Package wstest helps to test programs that use WebSockets, without a network
// and without waiting.
//
// [NewPair] joins a server's and a client's connection in memory. [PeerOfServer]
// and [PeerOfClient] give one of the two, and in place of the other a [Peer]: a
// script that writes the bytes of the wire and says which bytes it wants back.
// [Serve] runs a whole http.Handler. [Pipe] is the connection beneath, a
// net.Conn that behaves like TCP's.
//
// Everything works inside a bubble of testing/synctest, where a time-out takes
// no time and a goroutine that waits for ever is a failure, and outside as well:
//
//	func TestEcho(t *testing.T) {
//		synctest.Test(t, func(t *testing.T) {
//			conn, p := wstest.PeerOfServer(t, nil)
//			go echo(conn)
//			p.Write("81 85 00000000 'hello'")
//			p.Want("81 05 'hello'")
//			p.Write("83 80 00000000")
//			p.WantClose(1002)
//			p.WantEOF()
//		})
//	}
//
// What a function makes for a test ends with the test.
package wstest

// TB is what this package needs of a *testing.T.
type TB interface {
	Helper()
	Cleanup(f func())
	Logf(format string, args ...any)
	Fatalf(format string, args ...any)
}
