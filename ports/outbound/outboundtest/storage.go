package outboundtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"gatehouse/ports/outbound"
)

// Storage runs the suite of [outbound.Storage]. open returns an empty one, fresh
// for each check.
func Storage(t *testing.T, open func(*testing.T) outbound.Storage) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, outbound.Storage)
	}{
		{"WhatIsPutIsFound", putIsFound},
		{"WhatIsPutLastCounts", lastPutCounts},
		{"NobodySeesHalfAFile", nobodySeesHalfAFile},
		{"WhatIsOpenStaysAsItWas", openStaysAsItWas},
		{"WhatWasNeverPutIsNotFound", neverPutIsNotFound},
		{"WhatIsRemovedIsGone", removedIsGone},
		{"WhatIsNoKeyReachesNothing", noKeyReachesNothing},
		{"TheCallersBytesAreTheirOwn", bytesAreTheCallers},
		{"CanceledPutsNothing", canceledPutsNothing},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

const photo = "image/jpeg"

// contentOf reads a whole file.
func contentOf(t *testing.T, s outbound.Storage, key string) []byte {
	t.Helper()
	c, err := s.Open(t.Context(), key)
	must(t, err)
	b, err := io.ReadAll(c)
	must(t, errors.Join(err, c.Close()))
	if c.Size != int64(len(b)) {
		t.Errorf("%s: says it has %d bytes, and has %d", key, c.Size, len(b))
	}
	return b
}

func absent(t *testing.T, s outbound.Storage, key string) {
	t.Helper()
	c, err := s.Open(t.Context(), key)
	if err == nil {
		_ = c.Close()
	}
	if !errors.Is(err, outbound.ErrNotFound) {
		t.Errorf("open %q: %v, want ErrNotFound", key, err)
	}
}

func putIsFound(t *testing.T, s outbound.Storage) {
	large := bytes.Repeat([]byte{0, 1, 2, '\r', '\n', 0xff, 7}, 1<<20) // longer than any buffer
	for key, content := range map[string][]byte{"a": []byte("one"), "b-small.png": large, strings.Repeat("k", 128): []byte("two"), "z..-_": {0}} {
		must(t, s.Put(t.Context(), key, photo, content))
		if got := contentOf(t, s, key); !bytes.Equal(got, content) {
			t.Errorf("%s: %d other bytes than the %d that were put", key, len(got), len(content))
		}
	}
}

func lastPutCounts(t *testing.T, s outbound.Storage) {
	must(t, s.Put(t.Context(), "a", photo, []byte("a longer one")))
	must(t, s.Put(t.Context(), "b", photo, []byte("other")))
	must(t, s.Put(t.Context(), "a", photo, []byte("two")))
	if a, b := contentOf(t, s, "a"), contentOf(t, s, "b"); string(a) != "two" || string(b) != "other" {
		t.Errorf("got %q and %q", a, b)
	}
}

// halves is how often a file is replaced while it is read.
const halves = 20

func nobodySeesHalfAFile(t *testing.T, s outbound.Storage) {
	versions := [2][]byte{bytes.Repeat([]byte("a"), 100_000), bytes.Repeat([]byte("b"), 200_000)}
	must(t, s.Put(t.Context(), "k", photo, versions[0]))
	var all sync.WaitGroup
	for _, v := range versions {
		all.Go(func() {
			for range halves {
				if err := s.Put(t.Context(), "k", photo, v); err != nil {
					t.Errorf("put: %v", err)
				}
			}
		})
		all.Go(func() {
			for range halves {
				c, err := s.Open(t.Context(), "k")
				if err != nil {
					t.Errorf("open: %v", err)
					return
				}
				b, err := io.ReadAll(c)
				if err = errors.Join(err, c.Close()); err != nil || !bytes.Equal(b, versions[0]) && !bytes.Equal(b, versions[1]) {
					t.Errorf("%d bytes that nobody has put (%v)", len(b), err)
				}
			}
		})
	}
	all.Wait()
}

func openStaysAsItWas(t *testing.T, s outbound.Storage) {
	must(t, s.Put(t.Context(), "k", photo, []byte("before")))
	c, err := s.Open(t.Context(), "k")
	must(t, err)
	must(t, s.Put(t.Context(), "k", photo, []byte("afterwards")))
	must(t, s.Remove(t.Context(), "k"))
	if b, err := io.ReadAll(c); err != nil || string(b) != "before" {
		t.Errorf("got %q (%v)", b, err)
	}
	must(t, c.Close())
}

func neverPutIsNotFound(t *testing.T, s outbound.Storage) {
	absent(t, s, "a")
	must(t, s.Put(t.Context(), "ab", photo, []byte("one")))
	absent(t, s, "a")
	absent(t, s, "abc")
}

func removedIsGone(t *testing.T, s outbound.Storage) {
	must(t, s.Remove(t.Context(), "a"))
	must(t, s.Put(t.Context(), "a", photo, []byte("one")))
	must(t, s.Put(t.Context(), "b", photo, []byte("two")))
	must(t, s.Remove(t.Context(), "a"))
	absent(t, s, "a")
	must(t, s.Remove(t.Context(), "a"))
	if b := contentOf(t, s, "b"); string(b) != "two" {
		t.Errorf("removed too much: %q", b)
	}
}

func noKeyReachesNothing(t *testing.T, s outbound.Storage) {
	must(t, s.Put(t.Context(), "a", photo, []byte("one")))
	for _, key := range []string{"", ".", "..", "../a", "/a", "a/", "a/../a", `..\a`, "A", ".a", "a\x00", "a\n", "%2e%2e", strings.Repeat("k", 129)} {
		if err := s.Put(t.Context(), key, photo, []byte("other")); err == nil {
			t.Errorf("put %q", key)
		}
		absent(t, s, key)
		_ = s.Remove(t.Context(), key) // whatever it says, it does nothing
	}
	if b := contentOf(t, s, "a"); string(b) != "one" {
		t.Errorf("got %q", b)
	}
}

func bytesAreTheCallers(t *testing.T, s outbound.Storage) {
	content := []byte("one")
	must(t, s.Put(t.Context(), "a", photo, content))
	content[0] = 'X'
	if b := contentOf(t, s, "a"); string(b) != "one" {
		t.Errorf("got %q", b)
	}
}

func canceledPutsNothing(t *testing.T, s outbound.Storage) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Put(ctx, "a", photo, []byte("one")); !errors.Is(err, context.Canceled) {
		t.Errorf("put: %v, want it to be canceled", err)
	}
	absent(t, s, "a")
}
