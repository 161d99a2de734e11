package main

import (
	"net"
	"net/netip"
	"sync"
)

// fair is a listener that lets no single address hold more than its share of
// the connections, so that others are served while somebody holds on to all
// they can get (faults F61). Exempt are proxies, who speak for many.
type fair struct {
	net.Listener
	share  int
	exempt []netip.Prefix

	mu   sync.Mutex
	open map[netip.Addr]int
}

func newFair(l net.Listener, share int, exempt []netip.Prefix) *fair {
	return &fair{Listener: l, share: max(1, share), exempt: exempt, open: map[netip.Addr]int{}}
}

// Accept implements [net.Listener]. A connection beyond the share is closed at
// once.
func (f *fair) Accept() (net.Conn, error) {
	for {
		conn, err := f.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from, ok := addressOf(conn)
		if !ok || f.exempts(from) {
			return conn, nil
		}
		if f.enter(from) {
			return &seated{Conn: conn, leave: sync.OnceFunc(func() { f.leave(from) })}, nil
		}
		_ = conn.Close()
	}
}

func addressOf(conn net.Conn) (netip.Addr, bool) {
	at, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	return at.Addr().Unmap(), err == nil
}

func (f *fair) exempts(from netip.Addr) bool {
	for _, p := range f.exempt {
		if p.Contains(from) {
			return true
		}
	}
	return false
}

func (f *fair) enter(from netip.Addr) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open[from] >= f.share {
		return false
	}
	f.open[from]++
	return true
}

func (f *fair) leave(from netip.Addr) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open[from]--; f.open[from] == 0 {
		delete(f.open, from)
	}
}

// seated is a connection that gives its place back when it is closed.
type seated struct {
	net.Conn
	leave func()
}

// Close implements [net.Conn].
func (c *seated) Close() error {
	c.leave()
	return c.Conn.Close()
}
