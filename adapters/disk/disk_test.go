package disk_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/adapters/disk"
	"gatehouse/ports/outbound"
	"gatehouse/ports/outbound/outboundtest"
)

func open(t *testing.T, path string) *disk.Folder {
	t.Helper()
	f, err := disk.Open(path, time.Now())
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

func TestStorage(t *testing.T) {
	outboundtest.Storage(t, func(t *testing.T) outbound.Storage { return open(t, filepath.Join(t.TempDir(), "avatars")) })
}

func TestFilesOutliveTheProcessAndAreTheOwnersAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "avatars")
	if err := open(t, path).Put(t.Context(), "a", "image/png", []byte("one")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{path: os.ModeDir | 0o700, filepath.Join(path, "a"): 0o600} {
		if info, err := os.Stat(name); err != nil || info.Mode() != want {
			t.Errorf("%s: %v (%v), want %v", name, info.Mode(), err, want)
		}
	}
	c, err := open(t, path).Open(t.Context(), "a")
	if err != nil || c.Size != 3 {
		t.Fatalf("%d bytes (%v)", c.Size, err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func TestLinksLeadNowhere(t *testing.T) {
	dir := t.TempDir()
	path, outside := filepath.Join(dir, "avatars"), filepath.Join(dir, "secret")
	if err := os.WriteFile(outside, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := open(t, path)
	if err := os.Symlink(outside, filepath.Join(path, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(path, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"link", "folder"} {
		c, err := f.Open(t.Context(), key)
		if err == nil {
			_ = c.Close()
		}
		if err == nil || errors.Is(err, outbound.ErrNotFound) {
			t.Errorf("%s: %v, want a failure", key, err)
		}
	}
	if err := f.Put(t.Context(), "link", "image/png", []byte("one")); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(outside); err != nil || string(b) != "secret" {
		t.Errorf("outside there is %q (%v)", b, err)
	}
}

func TestAStartRemovesWhatACrashLeftHalfWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "avatars")
	if err := open(t, path).Put(t.Context(), "a", "image/png", []byte("one")); err != nil {
		t.Fatal(err)
	}
	parts := filepath.Join(path, ".partial")
	old, fresh := filepath.Join(parts, "OLD"), filepath.Join(parts, "FRESH")
	for _, name := range []string{old, fresh} {
		if err := os.WriteFile(name, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	past := time.Now().Add(-2 * time.Hour)
	for _, name := range []string{old, filepath.Join(path, "a")} {
		if err := os.Chtimes(name, past, past); err != nil {
			t.Fatal(err)
		}
	}
	open(t, path)
	if got := names(t, path) + " " + names(t, parts); got != ".partial a FRESH" {
		t.Errorf("left: %s", got)
	}
}

func TestWhatCannotBeWrittenLeavesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "avatars")
	f := open(t, path)
	if err := os.MkdirAll(filepath.Join(path, "a", "b"), 0o700); err != nil { // nothing can replace it
		t.Fatal(err)
	}
	if err := f.Put(t.Context(), "a", "image/png", []byte("one")); err == nil {
		t.Error("put a file over a folder")
	}
	if got := names(t, filepath.Join(path, ".partial")); got != "" {
		t.Errorf("left: %s", got)
	}
}

func names(t *testing.T, folder string) string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	all := make([]string, len(entries))
	for i, e := range entries {
		all[i] = e.Name()
	}
	return strings.Join(all, " ")
}
