package fuse_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/adapters/fuse"
	"gatehouse/domain/password"
	"gatehouse/ports/outbound"
	"gatehouse/ports/outbound/outboundtest"
)

func build(t *testing.T, list string, form fuse.Form) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "leaked.filter")
	if _, err := fuse.Build(t.Context(), strings.NewReader(list), form, path); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t *testing.T, path string) *fuse.Filter {
	t.Helper()
	f, err := fuse.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func hashes(texts []string) string {
	var out strings.Builder
	for i, text := range texts {
		if h := sha1.Sum([]byte(text)); i%2 == 0 {
			fmt.Fprintf(&out, "%x\n", h)
		} else {
			fmt.Fprintf(&out, "%X:%d\r\n", h, i)
		}
	}
	return out.String()
}

func TestBreaches(t *testing.T) {
	t.Run("hashes", func(t *testing.T) {
		outboundtest.Breaches(t, func(t *testing.T, leaked []string) outbound.Breaches {
			return open(t, build(t, hashes(leaked), fuse.Hashes))
		})
	})
	t.Run("plain", func(t *testing.T) {
		outboundtest.Breaches(t, func(t *testing.T, leaked []string) outbound.Breaches {
			return open(t, build(t, strings.Join(leaked, "\n"), fuse.Plain))
		})
	})
}

func TestTellsWhatItBuilt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	one := fmt.Sprintf("%x", sha1.Sum([]byte("one")))
	two := fmt.Sprintf("%X", sha1.Sum([]byte("two")))
	list := one + ":5\n" + two + "\r\n\n" + strings.ToUpper(one) + ":1\n" + strings.Repeat("0", 40) + ":0"
	got, err := fuse.Build(t.Context(), strings.NewReader(list), fuse.Hashes, path)
	info, statErr := os.Stat(path)
	if err != nil || statErr != nil || got.Passwords != 2 || got.Skipped != 2 || got.Bytes != info.Size() || info.Mode().Perm() != 0o644 {
		t.Errorf("Build = %+v, %v; the file is %v, %v", got, err, info, statErr)
	}
	if f := open(t, path); f.Len() != 2 {
		t.Errorf("Len = %d", f.Len())
	}
	plain := "caf\u00e9\ncafe\u0301\n\nlatin1 \xe9\n" + strings.Repeat("x", 5000)
	if got, err = fuse.Build(t.Context(), strings.NewReader(plain), fuse.Plain, path); got.Passwords != 1 || got.Skipped != 3 || err != nil {
		t.Errorf("Build of plain lines = %+v, %v", got, err)
	}
	if known, err := open(t, path).Breached(t.Context(), password.NewPlain("one")); known || err != nil {
		t.Errorf("the list before is still there: %v, %v", known, err)
	}
}

// A list that is no good, or a build that is stopped, leaves what was there.
func TestBuildsAllOrNothing(t *testing.T) {
	good := fmt.Sprintf("%x\n", sha1.Sum([]byte("one")))
	stopped, stop := context.WithCancel(t.Context())
	stop()
	for name, c := range map[string]struct {
		ctx  context.Context
		list io.Reader
		want string
	}{
		"a word":       {t.Context(), strings.NewReader(good + "password\n"), "line 2"},
		"39 digits":    {t.Context(), strings.NewReader(good + good + good[1:]), "line 3"},
		"41 digits":    {t.Context(), strings.NewReader("0" + good), "line 1"},
		"no digits":    {t.Context(), strings.NewReader(strings.Repeat("g", 40)), "line 1"},
		"no count":     {t.Context(), strings.NewReader(strings.TrimSpace(good) + ":"), "line 1"},
		"an odd count": {t.Context(), strings.NewReader(strings.TrimSpace(good) + ":x"), "line 1"},
		"a long line":  {t.Context(), strings.NewReader(good + strings.Repeat("0", 2<<20)), "line 2"},
		"nothing":      {t.Context(), strings.NewReader("\n"), fuse.ErrEmpty.Error()},
		"half a list":  {t.Context(), io.MultiReader(strings.NewReader(good), broken{}), "line 2: broken"},
		"stopped":      {stopped, strings.NewReader(good), context.Canceled.Error()},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "f")
		if err := os.WriteFile(path, []byte("before"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := fuse.Build(c.ctx, c.list, fuse.Hashes, path); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Build = %v, want %s", name, err, c.want)
		}
		left, err := os.ReadDir(dir)
		if content, readErr := os.ReadFile(path); err != nil || readErr != nil || len(left) != 1 || string(content) != "before" {
			t.Errorf("%s leaves %v: %q", name, left, content)
		}
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("broken") }

func TestOpensNothingElse(t *testing.T) {
	content, err := os.ReadFile(build(t, "one\ntwo\nthree", fuse.Plain))
	if err != nil {
		t.Fatal(err)
	}
	changed := func(at int) []byte {
		b := bytes.Clone(content)
		b[at] ^= 1
		return b
	}
	for name, c := range map[string]struct {
		content []byte
		want    error
	}{
		"empty":              {nil, fuse.ErrForeign},
		"a list":             {bytes.Repeat([]byte("password\n"), 1000), fuse.ErrForeign},
		"half a header":      {content[:100], fuse.ErrForeign},
		"another magic":      {changed(0), fuse.ErrForeign},
		"another version":    {changed(8), fuse.ErrVersion},
		"another sum":        {changed(12), fuse.ErrCorrupt},
		"another count":      {changed(16), fuse.ErrCorrupt},
		"another seed":       {changed(24), fuse.ErrCorrupt},
		"another bucket":     {changed(33), fuse.ErrCorrupt},
		"another print":      {changed(len(content) - 1), fuse.ErrCorrupt},
		"cut off":            {content[:len(content)-2], fuse.ErrCorrupt},
		"something appended": {append(bytes.Clone(content), 0, 0), fuse.ErrCorrupt},
	} {
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, c.content, 0o600); err != nil {
			t.Fatal(err)
		}
		if f, err := fuse.Open(path); f != nil || !errors.Is(err, c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: Open = %v, want %v", name, err, c.want)
		}
	}
	if f, err := fuse.Open(filepath.Join(t.TempDir(), "none")); f != nil || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Open of no file = %v", err)
	}
	if f, err := fuse.Open(t.TempDir()); f != nil || err == nil {
		t.Errorf("Open of a folder = %v", err)
	}
}

// Nobody should, but if somebody cuts the file off where it lies, the process
// lives.
func TestOutlivesItsFile(t *testing.T) {
	var list strings.Builder
	for i := range 20_000 {
		fmt.Fprintln(&list, "leaked", i)
	}
	path := build(t, list.String(), fuse.Plain)
	f := open(t, path)
	if err := os.Truncate(path, 4096); err != nil {
		t.Fatal(err)
	}
	failed := 0
	for i := range 1000 {
		if _, err := f.Breached(t.Context(), password.NewPlain(fmt.Sprint("leaked ", i))); err != nil {
			failed++
		}
	}
	if failed == 0 {
		t.Error("a file that is gone was read")
	}
}
