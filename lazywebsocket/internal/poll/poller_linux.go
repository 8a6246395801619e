package poll

import (
	"errors"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
)

// Poller waits for sockets. Its methods may be called from any goroutine.
type Poller struct {
	loops []*loop
	out   *loop // waits for room to write, so that who waits in a loop never waits for that loop
	next  atomic.Uint32
	count atomic.Int64

	mu      sync.RWMutex // guards the fields below; held while a socket is added
	started bool
	closed  bool

	open    sync.WaitGroup // sockets whose descriptor is open
	running sync.WaitGroup // goroutines
}

// New returns a Poller whose sockets are shared out among the given number of
// loops. If it is zero or less, there are as many as GOMAXPROCS. It fails with
// errors.ErrUnsupported where there is no epoll. A Poller uses three descriptors
// for each loop and three more; its goroutines, one for each loop and one more,
// start with the first socket.
func New(loops int) (*Poller, error) {
	if loops <= 0 {
		loops = runtime.GOMAXPROCS(0)
	}
	p := new(Poller)
	for i := range loops + 1 {
		l, err := newLoop(p, i == loops)
		if err != nil {
			p.release()
			if errors.Is(err, syscall.ENOSYS) {
				err = errors.ErrUnsupported
			}
			return nil, err
		}
		p.loops = append(p.loops, l)
	}
	p.out = p.loops[loops]
	return p, nil
}

// release closes the epolls.
func (p *Poller) release() {
	for _, l := range p.loops {
		l.close()
	}
}

// Adopt takes over the connection of nc, a *net.TCPConn or a *net.UnixConn of a
// stream, and closes nc, whose deadlines are forgotten. Nothing may be using nc.
// On an error nc is as it was: errors.ErrUnsupported if it is of another type,
// net.ErrClosed if p or nc is closed, or what the system says.
//
// A Socket that is not closed stays for ever: the collector does not close it.
func (p *Poller) Adopt(nc net.Conn) (*Socket, error) {
	unix, err := kindOf(nc)
	if err != nil {
		return nil, err
	}
	fd, err := takeDescriptor(nc.(syscall.Conn))
	if err != nil {
		return nil, err
	}
	s := &Socket{fd: int32(fd), gen: newGeneration()} //nolint:gosec // a descriptor
	if unix {
		s.state.Or(unixDomain)
	}
	// Reads stop short without having emptied the socket where a message begins
	// that has descriptors with it (Unix); what other protocols do is not known.
	if proto, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_PROTOCOL); err != nil || proto != syscall.IPPROTO_TCP {
		s.state.Or(eager)
	}
	if err := p.add(s); err != nil {
		_ = syscall.Close(fd)
		return nil, err
	}
	_ = nc.Close() // the connection goes on with the duplicate
	return s, nil
}

// kindOf says whether nc is of the Unix domain.
func kindOf(nc net.Conn) (unix bool, err error) {
	switch nc.(type) {
	case *net.TCPConn:
		return false, nil
	case *net.UnixConn:
		if addr := nc.LocalAddr(); addr != nil && addr.Network() == "unix" {
			return true, nil
		}
	}
	return false, errors.ErrUnsupported
}

// takeDescriptor duplicates the descriptor of nc and makes it non-blocking.
func takeDescriptor(nc syscall.Conn) (int, error) {
	raw, err := nc.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd := -1
	cerr := raw.Control(func(from uintptr) { fd, err = duplicate(int(from)) })
	if cerr != nil {
		return -1, cerr
	}
	if err != nil {
		return -1, os.NewSyscallError("fcntl", err)
	}
	// It is, unless somebody has used the File method of nc.
	if err := syscall.SetNonblock(fd, true); err != nil {
		_ = syscall.Close(fd)
		return -1, os.NewSyscallError("fcntl", err)
	}
	return fd, nil
}

// newGeneration never returns 0, which is no socket's.
func newGeneration() int32 {
	for {
		if gen := int32(generations.Add(1)); gen != 0 { //nolint:gosec // wraps around
			return gen
		}
	}
}

// add gives s to a loop, and starts the loops with the first one.
func (p *Poller) add(s *Socket) error {
	if err := p.start(); err != nil {
		return err
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.closed {
		return net.ErrClosed
	}
	n := len(p.loops) - 1
	s.loop = p.loops[int(p.next.Add(1)%uint32(n))] //nolint:gosec // few
	sockets.put(s.fd, s)
	if err := epollControl(s.loop.epfd, syscall.EPOLL_CTL_ADD, s, readEvents); err != nil {
		sockets.put(s.fd, nil)
		return os.NewSyscallError("epoll_ctl", err)
	}
	p.open.Add(1)
	p.count.Add(1)
	return nil
}

func (p *Poller) start() error {
	p.mu.RLock()
	started, closed := p.started, p.closed
	p.mu.RUnlock()
	if closed {
		return net.ErrClosed
	}
	if started {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.started {
		return nil // add looks again
	}
	p.started = true
	for _, l := range p.loops {
		l.start()
	}
	return nil
}

// Sockets returns how many sockets are open.
func (p *Poller) Sockets() int { return int(p.count.Load()) }

// Close closes every socket and ends the loops. It waits for their goroutines,
// and so for watchers that are being called: a watcher must not call it. Later
// calls return net.ErrClosed at once.
func (p *Poller) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return net.ErrClosed
	}
	p.closed = true
	p.mu.Unlock()
	for _, s := range sockets.of(p) {
		_ = s.Close()
	}
	p.open.Wait() // nobody uses an epoll any more but the loops
	for _, l := range p.loops {
		l.end()
	}
	p.running.Wait()
	p.release()
	return nil
}
