package wstest_test

import (
	"fmt"
	"io"
	"net/http"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// exampleTB stands for the *testing.T of a real test.
type exampleTB struct{ cleanups []func() }

func (*exampleTB) Helper()                         {}
func (t *exampleTB) Cleanup(f func())              { t.cleanups = append(t.cleanups, f) }
func (*exampleTB) Logf(format string, args ...any) { fmt.Printf(format+"\n", args...) }
func (*exampleTB) Fatalf(format string, args ...any) {
	panic(fmt.Sprintf(format, args...))
}

func (t *exampleTB) end() {
	for i := len(t.cleanups) - 1; i >= 0; i-- {
		t.cleanups[i]()
	}
}

func ExampleNewPair() {
	t := &exampleTB{} // in a test, its *testing.T
	defer t.end()

	server, client := wstest.NewPair(t, nil, nil)
	go func() {
		_ = client.WriteMessage(lazywebsocket.TextMessage, []byte("hello"))
	}()
	_, data, err := server.ReadMessage()
	fmt.Printf("%s %v\n", data, err)
	// Output: hello <nil>
}

func ExamplePeer() {
	t := &exampleTB{} // in a test, its *testing.T
	defer t.end()

	conn, p := wstest.PeerOfServer(t, nil)
	failed := make(chan error)
	go func() {
		_, _, err := conn.ReadMessage()
		failed <- err
	}()
	p.Write("01 82 00000000 'te'") // the first fragment of a text
	p.Ping("are you there?")
	p.WantPong("are you there?")
	p.Write("80 82 00000000 78 ff") // the last, with a byte that is not UTF-8
	p.WantClose(lazywebsocket.CloseInvalidFramePayloadData)
	p.WantEOF()
	fmt.Println(<-failed)
	// Output: websocket: text message is not UTF-8
}

func ExamplePeerOfClient() {
	t := &exampleTB{} // in a test, its *testing.T
	defer t.end()

	conn, p := wstest.PeerOfClient(t, nil)
	go func() {
		_ = conn.WriteMessage(lazywebsocket.BinaryMessage, []byte{1, 2, 3})
		_ = conn.Close()
	}()
	p.Want("82 03 010203") // the client's mask was checked and taken off
	p.WantClose(lazywebsocket.CloseNormalClosure)
	fmt.Println("as wanted")
	// Output: as wanted
}

func ExampleServe() {
	t := &exampleTB{} // in a test, its *testing.T
	defer t.end()

	var upgrader lazywebsocket.Upgrader
	s := wstest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		_ = conn.WriteMessage(lazywebsocket.TextMessage, []byte("you are at "+r.URL.Path))
	}))

	d := lazywebsocket.Dialer{NetDialContext: s.DialContext}
	conn, _, err := d.Dial("ws://example.com/chat", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	_, data, err := conn.ReadMessage()
	fmt.Printf("%s %v\n", data, err)

	// A peer sees every byte of the answer.
	p := s.Peer()
	p.Request("/", "Origin: https://elsewhere.example")
	fmt.Println(p.Response().Status)
	// Output:
	// you are at /chat <nil>
	// 403 Forbidden
}

func ExampleNetwork() {
	t := &exampleTB{} // in a test, its *testing.T
	defer t.end()

	// A slow network: one byte at a time, and a write waits while ten are unread.
	slow := wstest.Network{Buffer: 10, Chunk: wstest.Bytewise}
	server, client := slow.NewPair(t, nil, nil)
	go func() {
		_ = server.WriteMessage(lazywebsocket.TextMessage, []byte("twenty bytes of text"))
	}()
	_, r, _ := client.NextReader()
	data, err := io.ReadAll(r)
	fmt.Printf("%s %v\n", data, err)
	// Output: twenty bytes of text <nil>
}
