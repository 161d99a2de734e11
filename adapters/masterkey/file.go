package masterkey

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// ModeError says that a master key lies in a file which others than its owner
// may read or write.
type ModeError struct {
	Path string
	Mode fs.FileMode
}

// Error says so.
func (e *ModeError) Error() string {
	return fmt.Sprintf("%s has mode %04o, and should have 0600", e.Path, e.Mode.Perm())
}

// longest is more than any spelling of a key takes, and bounds what is read of
// a wrong file.
const longest = 1 << 10

// FromFile returns the wrapper of the master key in a file, which holds it as
// [FromBase64] wants it. With a [ModeError], and no other error, it returns the
// wrapper all the same: whether that matters is the caller's decision.
func FromFile(path string) (*Wrapper, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read master key: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read master key: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(f, longest))
	if err != nil {
		return nil, fmt.Errorf("read master key: %w", err)
	}
	w, err := FromBase64(string(text))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return w, &ModeError{Path: path, Mode: info.Mode()}
	}
	return w, nil
}

// Generate writes a new random master key to a file with mode 0600. The file
// appears with the key in it or not at all, and never replaces another one:
// then it fails with [fs.ErrExist], and of any number of callers one wins.
func Generate(path string) error {
	err := generate(path)
	if err != nil {
		return fmt.Errorf("generate master key: %w", err)
	}
	return nil
}

func generate(path string) (err error) {
	master := make([]byte, size)
	rand.Read(master)
	f, err := os.CreateTemp(filepath.Dir(path), ".master-key-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	if err := fill(f, base64.StdEncoding.EncodeToString(master)+"\n"); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil { // a rename would replace
		return err
	}
	return syncDir(filepath.Dir(path))
}

// fill writes and closes f. CreateTemp has given it mode 0600.
func fill(f *os.File, text string) error {
	_, err := f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// syncDir makes a new name in dir survive a loss of power: data sealed under a
// key that is gone would be lost with it.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
