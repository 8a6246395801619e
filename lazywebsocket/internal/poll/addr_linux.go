package poll

import (
	"net"
	"strconv"
	"syscall"
)

// LocalAddr asks the system for the socket's own address: none is kept. It
// returns an empty address when there is none any more, as after Close.
func (s *Socket) LocalAddr() net.Addr { return s.orEmpty(s.addr(syscall.Getsockname)) }

// RemoteAddr asks the system for the peer's address. It returns an empty address
// when there is none any more: after Close, or when the peer has reset the
// connection.
func (s *Socket) RemoteAddr() net.Addr { return s.orEmpty(s.addr(syscall.Getpeername)) }

func (s *Socket) orEmpty(addr net.Addr) net.Addr {
	switch {
	case addr != nil:
		return addr
	case s.state.Load()&unixDomain != 0:
		return &net.UnixAddr{Net: "unix"}
	}
	return &net.TCPAddr{}
}

// addr returns nil when the system knows none.
func (s *Socket) addr(get func(int) (syscall.Sockaddr, error)) net.Addr {
	if _, ok := s.acquire(); !ok {
		return nil
	}
	defer s.release()
	sa, err := get(int(s.fd))
	if err != nil {
		return nil
	}
	switch sa := sa.(type) {
	case *syscall.SockaddrInet4:
		return &net.TCPAddr{IP: sa.Addr[:], Port: sa.Port}
	case *syscall.SockaddrInet6:
		return &net.TCPAddr{IP: sa.Addr[:], Port: sa.Port, Zone: zone(sa.ZoneId)}
	case *syscall.SockaddrUnix:
		return &net.UnixAddr{Name: sa.Name, Net: "unix"}
	}
	return nil
}

// zone returns the name of the interface of a link-local address.
func zone(id uint32) string {
	if id == 0 {
		return ""
	}
	if i, err := net.InterfaceByIndex(int(id)); err == nil {
		return i.Name
	}
	return strconv.FormatUint(uint64(id), 10)
}

// opError returns the *net.OpError of an operation on s. Its addresses are
// missing where the system knows them no more.
func (s *Socket) opError(op string, err error) error {
	e := &net.OpError{
		Op: op, Net: "tcp", Err: err,
		Source: s.addr(syscall.Getsockname),
		Addr:   s.addr(syscall.Getpeername),
	}
	if s.state.Load()&unixDomain != 0 {
		e.Net = "unix"
	}
	return e
}
