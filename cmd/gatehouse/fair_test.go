package main

import (
	"io"
	"net"
	"net/netip"
	"testing"
)

// served dials from an address and tells whether the other side talks to it.
func served(t *testing.T, l net.Listener, from string) (net.Conn, bool) {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := d.DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_, err = io.ReadFull(conn, make([]byte, 1))
	return conn, err == nil
}

// greeting accepts, says one byte to whoever comes in, and hands out what it
// has accepted.
func greeting(t *testing.T, share int, exempt ...netip.Prefix) (*fair, <-chan net.Conn) {
	t.Helper()
	inner, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, accepted := newFair(inner, share, exempt), make(chan net.Conn, 16)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte{1})
			accepted <- conn
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-ended })
	return l, accepted
}

func TestNobodyHoldsMoreConnectionsThanTheirShare(t *testing.T) {
	l, accepted := greeting(t, 2)
	for i, want := range []bool{true, true, false} {
		if _, ok := served(t, l, "127.0.0.1"); ok != want {
			t.Errorf("connection %d is served: %t", i+1, ok)
		}
	}
	if _, ok := served(t, l, "127.0.0.2"); !ok {
		t.Error("somebody else is not served")
	}
	first := <-accepted
	_ = first.Close()
	_ = first.Close() // counts once
	for i, want := range []bool{true, false} {
		if _, ok := served(t, l, "127.0.0.1"); ok != want {
			t.Errorf("connection %d after one has ended is served: %t", i+1, ok)
		}
	}
}

func TestAProxySpeaksForMany(t *testing.T) {
	l, _ := greeting(t, 1, netip.MustParsePrefix("127.0.0.1/32"))
	for range 3 {
		if _, ok := served(t, l, "127.0.0.1"); !ok {
			t.Error("the proxy is not served")
		}
	}
}
