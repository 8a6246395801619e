package lazywebsocket

import (
	"errors"
	"net"
	"net/url"
	"strings"
)

// proxyFor asks the application for the proxy.
func (d *Dialer) proxyFor(hs *clientHandshake) (*url.URL, error) {
	if d.Proxy == nil {
		return nil, nil //nolint:nilnil // no proxy is no error
	}
	proxy, err := d.Proxy(hs.req.Clone(hs.req.Context())) // what is sent was checked already
	if proxy == nil || err != nil {
		return nil, err
	}
	switch {
	case defaultPorts[proxy.Scheme] == "":
		return nil, errors.New("proxy: unknown scheme: " + proxy.Scheme)
	case proxy.Hostname() == "" || !validPort(proxy.Port()):
		return nil, errors.New("proxy: its URL has no valid host and port")
	case strings.Contains(hs.addr, "%"):
		return nil, errors.New("proxy: the zone of an IPv6 address means nothing to it")
	}
	return proxy, nil
}

// tunnel asks the proxy at the other end of nc for a connection to addr.
func tunnel(nc net.Conn, proxy *url.URL, addr string) (net.Conn, error) {
	if strings.HasPrefix(proxy.Scheme, "socks5") {
		return nc, socks5(nc, proxy.User, addr)
	}
	return httpConnect(nc, proxy.User, addr)
}
