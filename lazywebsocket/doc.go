// Package lazywebsocket is the WebSocket protocol (RFC 6455) for servers and
// clients on net/http.
//
// A handler upgrades its request and owns the connection until it returns:
//
//	var upgrader lazywebsocket.Upgrader
//
//	func echo(w http.ResponseWriter, r *http.Request) {
//		conn, err := upgrader.Upgrade(w, r, nil)
//		if err != nil {
//			return // Upgrade has answered
//		}
//		defer conn.Close()
//		for {
//			messageType, data, err := conn.ReadMessage()
//			if err != nil {
//				return
//			}
//			if err := conn.WriteMessage(messageType, data); err != nil {
//				return
//			}
//		}
//	}
//
// A client dials:
//
//	conn, _, err := lazywebsocket.DefaultDialer.DialContext(ctx, "wss://example.com/chat", nil)
//
// # Reading and writing
//
// One goroutine reads, and goes on reading while the connection lives: reads
// answer pings and notice the peer's goodbye. Any number of goroutines may
// write; their messages leave whole, one after the other. A direction that has
// failed stays failed: every later call returns the same error.
//
// Answers to messages that have arrived together leave together, in one write
// (Upgrader.HoldLimit, [Conn.Flush]). [Conn.Publish] and [Group] send to many and
// wait for none.
//
// # Many connections
//
// What a connection costs while it waits depends on who waits for it. In its
// handler it keeps net/http's request and buffers alive, 14 KiB in all. A handler
// that starts a goroutine and returns,
//
//	go serve(conn) // which closes it
//	return nil
//
// lets go of those: 4 KiB, mostly the goroutine's stack. A handler that hands the
// connection to a [Poller],
//
//	return poller.Serve(conn, handler)
//
// lets go of the goroutine, too: less than 1 KiB.
//
// # Errors
//
// A *[CloseError] is the peer's goodbye, or, with CloseAbnormalClosure, its
// sudden end. A *[ProtocolError] is a peer at fault, which was told so. An
// *[OpError] is the network, a deadline, a context, or the program's own Close
// (net.ErrClosed). Programs tell them apart with errors.As and errors.Is.
//
// # Limits
//
// Nothing that a peer does makes a connection grow without bound: a message has
// at most 1 MiB (Upgrader.ReadLimit) and 131072 fragments (MaxFragments), memory
// grows with the bytes that arrived, pongs that wait are replaced by the
// latest, and an ended connection is gone after two seconds.
//
// # From gorilla/websocket
//
// Every exported name of gorilla/websocket v1.5.3 is here with the same
// signature and meaning, so that a program moves by changing its import path.
package lazywebsocket
