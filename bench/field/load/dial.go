package load

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// sources is how many local addresses connections come from, so that there are
// ports for many.
const sources = 8

// connect opens a blocking connection; i chooses the local address.
func connect(addr netip.AddrPort, i int) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	patience := unix.Timeval{Sec: int64(stuckAfter.Seconds())}
	// The port is chosen by connect, which looks at the other end as well.
	err = errors.Join(
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &patience),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &patience),
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
		unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1),
		unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, byte(1 + i%sources)}}), //nolint:gosec // 1 to 8
	)
	if err == nil {
		to := &unix.SockaddrInet4{Addr: addr.Addr().As4(), Port: int(addr.Port())}
		for err = unix.EINTR; errors.Is(err, unix.EINTR); { // by the runtime's signals; Linux then waits on
			err = unix.Connect(fd, to)
		}
	}
	if err != nil {
		_ = unix.Close(fd)
		return 0, fmt.Errorf("load: connect: %w", err)
	}
	return fd, nil
}

// The key and the answer of RFC 6455, 1.3.
const (
	key    = "dGhlIHNhbXBsZSBub25jZQ=="
	accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// request is what Chromium sends.
func request(host, path string) []byte {
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nPragma: no-cache\r\n"+
		"Cache-Control: no-cache\r\n"+
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36\r\n"+
		"Upgrade: websocket\r\nOrigin: http://%s\r\nSec-WebSocket-Version: 13\r\n"+
		"Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-GB,en-US;q=0.9,en;q=0.8\r\n"+
		"Cookie: session=c2Vzc2lvbi1pZC1vZi1zb21lLWxlbmd0aA; theme=dark\r\nSec-WebSocket-Key: %s\r\n"+
		"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n", path, host, host, key)
}

// checkUpgrade judges the header of an answer.
func checkUpgrade(head []byte) error {
	lower := bytes.ToLower(head)
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 101 ")) ||
		!bytes.Contains(lower, []byte("sec-websocket-accept: ")) || !bytes.Contains(head, []byte(accept)) {
		return fmt.Errorf("load: the server answers the handshake with %q", head)
	}
	if bytes.Contains(lower, []byte("sec-websocket-extensions")) {
		return fmt.Errorf("load: the server compresses: %q", head)
	}
	return nil
}

// headEnd returns where the header of an answer ends, zero if it has not.
func headEnd(b []byte) int {
	if i := bytes.Index(b, []byte("\r\n\r\n")); i >= 0 {
		return i + 4
	}
	return 0
}

// upgrade does the handshake on anything that reads and writes.
func upgrade(read, write func([]byte) (int, error), host, path string) error {
	if _, err := write(request(host, path)); err != nil {
		return err
	}
	b := make([]byte, 4096)
	for have := 0; have < len(b); {
		n, err := read(b[have:])
		if err != nil {
			return fmt.Errorf("load: handshake: %w", err)
		}
		if n == 0 {
			return errors.New("load: the server ends the handshake")
		}
		have += n
		if end := headEnd(b[:have]); end > 0 {
			if end != have {
				return errors.New("load: the server sends before the client")
			}
			return checkUpgrade(b[:end])
		}
	}
	return errors.New("load: the server's answer to the handshake has no end")
}

// dial connects, upgrades, and gives the descriptor to the loop.
func (l *loop) dial(addr netip.AddrPort, path string, i int, r reader) (*socket, error) {
	fd, err := connect(addr, i)
	if err != nil {
		return nil, err
	}
	read := func(b []byte) (int, error) { return unix.Read(fd, b) }
	write := func(b []byte) (int, error) { return unix.Write(fd, b) }
	if err := errors.Join(upgrade(read, write, addr.String(), path), unix.SetNonblock(fd, true)); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return l.add(fd, r)
}

// goodbye is a Close frame that says 1000.
func goodbye() []byte {
	return appendFrame(nil, opClose, binary.BigEndian.AppendUint16(nil, 1000), 0)
}
