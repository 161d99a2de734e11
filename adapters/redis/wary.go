package redis

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// wary is a connection that ends when its server says more than it was asked,
// or what no server says. The client library panics then, in a goroutine of its
// own, and the process with it.
type wary struct {
	net.Conn

	asked    atomic.Int64
	written  sync.Mutex
	commands frames

	// Of the one who reads.
	answered int64
	replies  frames
	strange  bool
}

// dialWary is how the client connects.
func dialWary(ctx context.Context, address string, d *net.Dialer, cfg *tls.Config) (net.Conn, error) {
	dial := d.DialContext
	if cfg != nil {
		dial = (&tls.Dialer{NetDialer: d, Config: cfg}).DialContext
	}
	conn, err := dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &wary{Conn: conn}, nil
}

// Write implements [net.Conn].
func (w *wary) Write(b []byte) (int, error) {
	w.written.Lock()
	defer w.written.Unlock()
	w.commands.feed(b, func(byte) bool { w.asked.Add(1); return true })
	return w.Conn.Write(b)
}

// Read implements [net.Conn]. It passes on what came before anything strange.
func (w *wary) Read(b []byte) (int, error) {
	if w.strange {
		return 0, errStrange
	}
	n, err := w.Conn.Read(b)
	fine := w.replies.feed(b[:n], func(kind byte) bool {
		w.answered++
		return kind != '>' && w.answered <= w.asked.Load() // nothing is subscribed to
	})
	if fine == n {
		return n, err
	}
	w.strange = true
	_ = w.Close()
	if fine == 0 {
		return 0, errStrange
	}
	return fine, nil
}

// Kinds of messages, by their first byte. Attributes and streams, which nobody
// sends us, are none.
const (
	lines = "+-:_#,("
	kinds = lines + "$!=" + "*~%>"
)

// What no message to or from us comes near to.
const (
	longestLine = 4 << 10
	longestText = 1 << 20
	mostParts   = 1 << 10
	deepest     = 8
)

// frames follows a stream of messages (RESP2 and RESP3). The zero value is at
// the begin of one.
type frames struct {
	line []byte // of a header that is not complete
	text int    // bytes of a text still to come, its end included
	open []int  // parts still to come, of the outermost message first
}

// feed follows b, and asks begin at each message that is no part of another. It
// returns how many bytes come before one that begin refuses, or before what is
// no message, or one too large.
func (f *frames) feed(b []byte, begin func(kind byte) bool) int {
	for n := 0; n < len(b); {
		if f.text > 0 {
			some := min(f.text, len(b)-n)
			n += some
			if f.text -= some; f.text == 0 {
				f.end()
			}
			continue
		}
		if len(f.line) == 0 && (strings.IndexByte(kinds, b[n]) < 0 || len(f.open) == 0 && !begin(b[n])) {
			return n
		}
		some := bytes.IndexByte(b[n:], '\n') + 1
		if some == 0 {
			some = len(b) - n
		}
		if len(f.line)+some > longestLine {
			return n
		}
		f.line = append(f.line, b[n:n+some]...)
		if f.line[len(f.line)-1] == '\n' {
			if !f.header(bytes.TrimSuffix(f.line, []byte("\r\n"))) {
				return n
			}
			f.line = f.line[:0]
		}
		n += some
	}
	return len(b)
}

// header takes what a line announces, and reports whether that is well.
func (f *frames) header(line []byte) bool {
	if strings.IndexByte(lines, line[0]) >= 0 {
		f.end()
		return true
	}
	size, err := strconv.Atoi(string(line[1:]))
	if err != nil || size < -1 {
		return false
	}
	if size == -1 { // nothing, as RESP2 says it
		f.end()
		return true
	}
	switch line[0] {
	case '$', '!', '=':
		f.text = size + len("\r\n")
		return size <= longestText
	case '%':
		size *= 2
	}
	f.open = append(f.open, size+1) // itself, until all its parts have come
	f.end()
	return size <= mostParts && len(f.open) <= deepest
}

// end ends a message, and those it was the last part of.
func (f *frames) end() {
	for last := len(f.open) - 1; last >= 0; last-- {
		if f.open[last]--; f.open[last] > 0 {
			return
		}
		f.open = f.open[:last]
	}
}
