package lazywebsocket

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"strconv"
)

// The numbers of SOCKS version 5 (RFC 1928) and of its user name and password
// (RFC 1929).
const (
	socksVersion      = 5
	socksNoAuth       = 0x00
	socksPassword     = 0x02
	socksNoMethod     = 0xFF
	socksAuthVersion  = 1
	socksConnect      = 1
	socksIPv4         = 1
	socksName         = 3
	socksIPv6         = 4
	socksMaxFieldSize = 255
)

// socks5 asks a SOCKS5 proxy for a connection to addr. It reads its answers to
// the byte: what the server sends behind them stays in nc.
func socks5(nc net.Conn, user *url.Userinfo, addr string) error {
	request, err := socksRequest(addr)
	if err != nil {
		return err
	}
	auth, err := socksAuth(user)
	if err != nil {
		return err
	}
	if err := socksChoose(nc, auth); err != nil {
		return fmt.Errorf("SOCKS: %w", eofUnexpected(err))
	}
	if _, err := nc.Write(request); err != nil {
		return err
	}
	if err := socksReply(nc); err != nil {
		return fmt.Errorf("SOCKS: %w", eofUnexpected(err))
	}
	return nil
}

// socksRequest builds the request to connect to addr (RFC 1928, 4). Names are
// for the proxy to resolve.
func socksRequest(addr string) ([]byte, error) {
	host, portText, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, err
	}
	b := []byte{socksVersion, socksConnect, 0}
	if ip, err := netip.ParseAddr(host); err == nil {
		ip = ip.Unmap()
		kind := byte(socksIPv6)
		if ip.Is4() {
			kind = socksIPv4
		}
		b = append(append(b, kind), ip.AsSlice()...)
	} else {
		if len(host) > socksMaxFieldSize {
			return nil, fmt.Errorf("a host name of %d bytes is too long for SOCKS", len(host))
		}
		b = append(b, socksName, byte(len(host))) //nolint:gosec // at most 255
		b = append(b, host...)
	}
	return binary.BigEndian.AppendUint16(b, uint16(port)), nil
}

// socksAuth builds the message with the user's name and password (RFC 1929, 2),
// or nil if there is no user.
func socksAuth(user *url.Userinfo) ([]byte, error) {
	if user == nil {
		return nil, nil
	}
	name := user.Username()
	password, _ := user.Password()
	if name == "" || len(name) > socksMaxFieldSize || len(password) > socksMaxFieldSize {
		return nil, errors.New("a user name of 1 to 255 bytes and a password of at most 255 are what SOCKS can carry")
	}
	b := append([]byte{socksAuthVersion, byte(len(name))}, name...) //nolint:gosec // at most 255
	b = append(b, byte(len(password)))                              //nolint:gosec // at most 255
	return append(b, password...), nil
}

// socksChoose lets the proxy choose how we say who we are (RFC 1928, 3), and
// does. auth is nil when there is nobody to be.
func socksChoose(nc net.Conn, auth []byte) error {
	greeting := []byte{socksVersion, 1, socksNoAuth}
	if auth != nil {
		greeting = []byte{socksVersion, 2, socksNoAuth, socksPassword}
	}
	if _, err := nc.Write(greeting); err != nil {
		return err
	}
	var chosen [2]byte
	if _, err := io.ReadFull(nc, chosen[:]); err != nil {
		return err
	}
	switch {
	case chosen[0] != socksVersion:
		return fmt.Errorf("the proxy speaks version %d", chosen[0])
	case chosen[1] == socksNoAuth:
		return nil
	case chosen[1] == socksPassword && auth != nil:
		return socksAuthenticate(nc, auth)
	case chosen[1] == socksNoMethod:
		return errors.New("the proxy accepts none of our authentication methods")
	}
	return fmt.Errorf("the proxy chose authentication method %d, which was not offered", chosen[1])
}

// socksAuthenticate sends the user's name and password (RFC 1929, 2).
func socksAuthenticate(nc net.Conn, auth []byte) error {
	if _, err := nc.Write(auth); err != nil {
		return err
	}
	var status [2]byte
	if _, err := io.ReadFull(nc, status[:]); err != nil {
		return err
	}
	switch {
	case status[0] != socksAuthVersion:
		return fmt.Errorf("the proxy's authentication has version %d", status[0])
	case status[1] != 0:
		return errors.New("the proxy refused the user name or the password")
	}
	return nil
}

// socksReply reads the reply to the request (RFC 1928, 6). The address in it is
// the proxy's own end, of which nobody makes use.
func socksReply(nc net.Conn) error {
	var head [4]byte
	if _, err := io.ReadFull(nc, head[:]); err != nil {
		return err
	}
	switch {
	case head[0] != socksVersion:
		return fmt.Errorf("the proxy's reply has version %d", head[0])
	case head[1] != 0:
		return errors.New("the proxy cannot connect: " + socksFailure(head[1]))
	case head[2] != 0:
		return fmt.Errorf("the proxy's reply has %d in the reserved byte", head[2])
	}
	var size int
	switch head[3] {
	case socksIPv4:
		size = net.IPv4len
	case socksIPv6:
		size = net.IPv6len
	case socksName:
		var length [1]byte
		if _, err := io.ReadFull(nc, length[:]); err != nil {
			return err
		}
		size = int(length[0])
	default:
		return fmt.Errorf("the proxy's reply has an address of type %d", head[3])
	}
	const portSize = 2
	var bound [socksMaxFieldSize + portSize]byte
	_, err := io.ReadFull(nc, bound[:size+portSize])
	return err
}

// socksFailure names the reply codes.
func socksFailure(code byte) string {
	names := [...]string{
		1: "general failure",
		2: "not allowed by the ruleset",
		3: "network unreachable",
		4: "host unreachable",
		5: "connection refused",
		6: "time to live expired",
		7: "command not supported",
		8: "address type not supported",
	}
	if int(code) < len(names) {
		return names[code]
	}
	return "code " + strconv.Itoa(int(code))
}

// eofUnexpected is the error for an answer that did not come in full.
func eofUnexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
