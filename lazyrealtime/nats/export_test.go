package nats

// Kill ends a log as kill -9 of its process would: leases stay, nothing is said.
func (l *Log) Kill() {
	l.mu.Lock()
	nodes := l.nodes
	l.nodes = nil
	l.mu.Unlock()
	l.pub.nc.Close()
	for _, c := range l.gets {
		c.nc.Close()
	}
	for n := range nodes {
		n.mu.Lock()
		n.closed = true
		n.mu.Unlock()
		n.stop()
	}
	l.close()
}
