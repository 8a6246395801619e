// A program that uses lazywebsocket without its package http2.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"

	_ "golazy.dev/lazywebsocket"
)

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	server := &http.Server{Protocols: new(http.Protocols)}
	server.Protocols.SetUnencryptedHTTP2(true)
	go server.Serve(l)
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		panic(err)
	}
	fmt.Fprint(nc, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
	b := make([]byte, 1000)
	n, err := nc.Read(b)
	if err != nil {
		panic(err)
	}
	on := 0
	for s := range slices.Chunk(b[9:min(n, 9+int(b[2]))], 6) {
		if len(s) == 6 && s[1] == 8 && s[5] == 1 {
			on = 1
		}
	}
	if strings.Contains(os.Getenv("GODEBUG"), "http2xconnect") {
		on = 2
	}
	fmt.Printf("http2xconnect=%d\n", on)
}
