package lazywebsocket

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// serveSOCKS is a SOCKS5 proxy that wants the user's name and password, if there
// are any.
func serveSOCKS(user, password string) func(io.ReadWriter) (string, bool) {
	return func(rw io.ReadWriter) (asked string, ok bool) {
		read := func(n int) []byte {
			b := make([]byte, n)
			if _, err := io.ReadFull(rw, b); err != nil {
				panic(err)
			}
			asked += string(b)
			return b
		}
		defer func() {
			if p := recover(); p != nil {
				ok = false
			}
		}()
		head := read(2)
		methods := read(int(head[1]))
		method := byte(socksNoAuth)
		if user != "" {
			method = socksPassword
		}
		if head[0] != 5 || !slices.Contains(methods, method) {
			_, _ = rw.Write([]byte{5, 0xFF})
			return asked, false
		}
		_, _ = rw.Write([]byte{5, method})
		if method == socksPassword {
			name := read(int(read(2)[1]))
			given := read(int(read(1)[0]))
			if string(name) != user || string(given) != password {
				_, _ = rw.Write([]byte{1, 1})
				return asked, false
			}
			_, _ = rw.Write([]byte{1, 0})
		}
		request := read(4)
		var host string
		switch request[3] {
		case 1:
			host = net.IP(read(4)).String()
		case 3:
			host = string(read(int(read(1)[0])))
		case 4:
			host = net.IP(read(16)).String()
		}
		port := binary.BigEndian.Uint16(read(2))
		_, err := rw.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
		return asked + fmt.Sprintf("\n%s:%d", host, port), err == nil
	}
}

// socksConn is a connection whose other end sends a fixed input.
type socksConn struct {
	scriptConn
	wrote []byte
}

func (c *socksConn) Write(p []byte) (int, error) {
	c.wrote = append(c.wrote, p...)
	return len(p), nil
}

func bytesOf(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSOCKSOnTheWire(t *testing.T) {
	name := strings.Repeat("n", 255)
	for _, c := range []struct {
		user        *url.Userinfo
		addr        string
		reply, want string
	}{
		{nil, "h.t:80", "05 00 | 05 00 00 01 7f000001 1234", "05 01 00 | 05 01 00 03 03 682e74 0050"},
		{nil, "192.0.2.1:65535", "05 00 | 05 00 00 04 00000000000000000000000000000001 1234", "05 01 00 | 05 01 00 01 c0000201 ffff"},
		{nil, "[2001:db8::1]:443", "05 00 | 05 00 00 03 03 616263 1234", "05 01 00 | 05 01 00 04 20010db8000000000000000000000001 01bb"},
		{nil, "[::ffff:192.0.2.1]:1", "05 00 | 05 00 00 03 00 1234", "05 01 00 | 05 01 00 01 c0000201 0001"},
		{nil, name + ":1", "05 00 | 05 00 00 01 7f000001 1234", "05 01 00 | 05 01 00 03 ff " + strings.Repeat("6e", 255) + " 0001"},
		{url.UserPassword("me", "pw"), "h:1", "05 02 | 01 00 | 05 00 00 01 7f000001 1234", "05 02 00 02 | 01 02 6d65 02 7077 | 05 01 00 03 01 68 0001"},
		{url.UserPassword("me", "pw"), "h:1", "05 00 | 05 00 00 01 7f000001 1234", "05 02 00 02 | 05 01 00 03 01 68 0001"},
		{url.User("me"), "h:1", "05 02 | 01 00 | 05 00 00 01 7f000001 1234", "05 02 00 02 | 01 02 6d65 00 | 05 01 00 03 01 68 0001"},
	} {
		plain := strings.NewReplacer("|", "")
		const behind = "behind it"
		for _, sizes := range [][]byte{nil, {0}, {2, 0, 5}} {
			nc := &socksConn{scriptConn: scriptConn{input: append(bytesOf(t, plain.Replace(c.reply)), behind...), sizes: sizes}}
			if err := socks5(nc, c.user, c.addr); err != nil {
				t.Errorf("%s: %v", c.addr, err)
			}
			if want := bytesOf(t, plain.Replace(c.want)); string(nc.wrote) != string(want) {
				t.Errorf("%s: wrote % x\nwant % x", c.addr, nc.wrote, want)
			}
			if string(nc.input) != behind {
				t.Errorf("%s: %q is left, want what the server sent", c.addr, nc.input)
			}
		}
	}
}

func TestSOCKSRepliesThatAreErrors(t *testing.T) {
	me := url.UserPassword("me", "pw")
	for _, c := range []struct {
		user        *url.Userinfo
		reply, want string
	}{
		{nil, "", "unexpected EOF"},
		{nil, "05", "unexpected EOF"},
		{nil, "05 00", "unexpected EOF"},
		{nil, "05 00 05 00 00", "unexpected EOF"},
		{nil, "05 00 05 00 00 03", "unexpected EOF"},
		{nil, "05 00 05 00 00 01 7f0000 ", "unexpected EOF"},
		{nil, "05 00 05 00 00 01 7f000001 12", "unexpected EOF"},
		{nil, "05 00 05 00 00 03 ff 616263", "unexpected EOF"},
		{me, "05 02 01", "unexpected EOF"},
		{nil, "04 00", "speaks version 4"},
		{nil, "48 54 54 50", "speaks version 72"},
		{nil, "05 ff", "none of our authentication methods"},
		{me, "05 ff", "none of our authentication methods"},
		{nil, "05 02 01 00", "method 2, which was not offered"},
		{me, "05 01", "method 1, which was not offered"},
		{me, "05 02 05 00", "authentication has version 5"},
		{me, "05 02 01 01", "refused the user name or the password"},
		{nil, "05 00 04 00 00 01 7f000001 1234", "reply has version 4"},
		{nil, "05 00 05 00 01 01 7f000001 1234", "1 in the reserved byte"},
		{nil, "05 00 05 00 00 02 7f000001 1234", "address of type 2"},
		{nil, "05 00 05 00 00 00 7f000001 1234", "address of type 0"},
		{nil, "05 00 05 01 00 01 7f000001 1234", "general failure"},
		{nil, "05 00 05 02 00 01 7f000001 1234", "not allowed by the ruleset"},
		{nil, "05 00 05 03 00 01 7f000001 1234", "network unreachable"},
		{nil, "05 00 05 04 00 01 7f000001 1234", "host unreachable"},
		{nil, "05 00 05 05 00 01 7f000001 1234", "connection refused"},
		{nil, "05 00 05 06 00 01 7f000001 1234", "time to live expired"},
		{nil, "05 00 05 07 00 01 7f000001 1234", "command not supported"},
		{nil, "05 00 05 08 00 01 7f000001 1234", "address type not supported"},
		{nil, "05 00 05 09 00 01 7f000001 1234", "code 9"},
		{nil, "05 00 05 ff 00 01 7f000001 1234", "code 255"},
	} {
		nc := &socksConn{scriptConn: scriptConn{input: bytesOf(t, c.reply)}}
		err := socks5(nc, c.user, "h:1")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.reply, err, c.want)
		}
		if c.want == "unexpected EOF" && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %v is not io.ErrUnexpectedEOF", c.reply, err)
		}
	}
}

// What SOCKS cannot carry is an error before a byte is written.
func TestSOCKSLimits(t *testing.T) {
	long := strings.Repeat("x", 256)
	for _, c := range []struct {
		user *url.Userinfo
		addr string
		want string
	}{
		{nil, long + ":1", "256 bytes is too long"},
		{url.UserPassword("", "pw"), "h:1", "1 to 255"},
		{url.UserPassword(long, "pw"), "h:1", "1 to 255"},
		{url.UserPassword("me", long), "h:1", "1 to 255"},
		{nil, "h:65536", "65536"},
		{nil, "h", "missing port"},
	} {
		nc := &socksConn{}
		if err := socks5(nc, c.user, c.addr); err == nil || !strings.Contains(err.Error(), c.want) || len(nc.wrote) > 0 {
			t.Errorf("%.20s: %v after writing % x, want %q", c.addr, err, nc.wrote, c.want)
		}
	}
	nc := &socksConn{scriptConn: scriptConn{input: bytesOf(t, "05 02 01 00 05 00 00 01 7f000001 1234")}}
	if err := socks5(nc, url.UserPassword(long[1:], long[1:]), "h:1"); err != nil {
		t.Errorf("a name and a password of 255 bytes: %v", err)
	}
}

func TestSOCKSWriteFails(t *testing.T) {
	failed := errors.New("failed")
	if err := socks5(brokenConn{err: failed}, nil, "h:1"); !errors.Is(err, failed) {
		t.Errorf("%v", err)
	}
}

// validSOCKS judges a proxy's side of a dialogue in the plainest way: it returns
// the length of one that ends in a connection, or -1.
func validSOCKS(b []byte, user bool) int {
	n := 0
	take := func(size int) []byte {
		if len(b)-n < size {
			return make([]byte, 0)
		}
		n += size
		return b[n-size : n]
	}
	m := take(2)
	switch {
	case len(m) < 2 || m[0] != 5 || m[1] != 0 && (m[1] != 2 || !user):
		return -1
	case m[1] == 2:
		if s := take(2); len(s) < 2 || s[0] != 1 || s[1] != 0 {
			return -1
		}
	}
	h := take(4)
	if len(h) < 4 || h[0] != 5 || h[1] != 0 || h[2] != 0 {
		return -1
	}
	size := map[byte]int{1: 4, 4: 16}[h[3]]
	if h[3] == 3 {
		l := take(1)
		if len(l) < 1 {
			return -1
		}
		size = int(l[0])
	} else if size == 0 {
		return -1
	}
	if len(take(size+2)) < size+2 {
		return -1
	}
	return n
}

// FuzzSOCKS5 answers a SOCKS5 client with any bytes in chunks of any sizes.
func FuzzSOCKS5(f *testing.F) {
	f.Add([]byte("\x05\x00\x05\x00\x00\x01\x7f\x00\x00\x01\x12\x34behind"), []byte{}, "h", "", "")
	f.Add([]byte("\x05\x02\x01\x00\x05\x00\x00\x03\x01h\x12\x34"), []byte{0}, "::1", "me", "pw")
	f.Add([]byte("\x05\x02\x01\x00\x05\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x12\x34"), []byte{1, 5}, "192.0.2.1", "me", "")
	f.Add([]byte("\x05\xff"), []byte{}, "h", "", "")
	f.Fuzz(func(t *testing.T, reply, sizes []byte, host, name, password string) {
		if strings.Contains(host, "%") {
			return // an IPv6 zone, which is refused before
		}
		var user *url.Userinfo
		if name != "" {
			user = url.UserPassword(name, password)
		}
		nc := &socksConn{scriptConn: scriptConn{input: slices.Clone(reply), sizes: slices.Clone(sizes)}}
		addr := net.JoinHostPort(host, "443")
		err := socks5(nc, user, addr)
		if _, _, bad := net.SplitHostPort(addr); bad != nil || len(host) > 255 || len(name) > 255 || user != nil && len(password) > 255 {
			if err == nil || len(nc.wrote) > 0 {
				t.Errorf("host %q, user %q: %v after writing %q", host, name, err, nc.wrote)
			}
			return
		}
		switch n := validSOCKS(reply, user != nil); {
		case n < 0 && err == nil:
			t.Errorf("accepted % x", reply)
		case n >= 0 && (err != nil || len(reply)-len(nc.input) != n):
			t.Errorf("% x: %v after %d bytes, want success after %d", reply, err, len(reply)-len(nc.input), n)
		}
		if len(nc.wrote) > 3+1+1+255+1+255+4+1+255+2+1 {
			t.Errorf("wrote %d bytes", len(nc.wrote))
		}
	})
}
