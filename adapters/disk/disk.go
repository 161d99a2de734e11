// Package disk implements [outbound.Storage] as files of one folder, which it
// cannot leave. Replicas that share it have to see the same folder.
package disk

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"time"

	"gatehouse/domain/avatar"
	"gatehouse/ports/outbound"
)

var _ outbound.Storage = (*Folder)(nil)

// Folder is the storage. Its files are in it side by side, those that are not
// whole yet in a folder of their own.
type Folder struct{ root *os.Root }

// partial is where files are that are not whole. It is no key.
const partial = ".partial"

// abandoned is the age at which nobody can be writing a partial file any more.
const abandoned = time.Hour

// Open returns the storage in a folder, which it makes if there is none, and
// removes what a crash before now left half written there.
func Open(folder string, now time.Time) (*Folder, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("make folder of files: %w", err)
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("open folder of files: %w", err)
	}
	f := &Folder{root}
	if err := f.sweep(now.Add(-abandoned)); err != nil {
		return nil, errors.Join(fmt.Errorf("sweep folder of files: %w", err), root.Close())
	}
	return f, nil
}

// Close frees the folder.
func (f *Folder) Close() error { return f.root.Close() }

func (f *Folder) sweep(before time.Time) error {
	if err := f.root.Mkdir(partial, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	left, err := fs.ReadDir(f.root.FS(), partial)
	if err != nil {
		return err
	}
	for _, entry := range left {
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) { // another replica sweeps as well
			continue
		}
		if err == nil && info.ModTime().Before(before) {
			err = f.remove(path.Join(partial, entry.Name()))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Put implements [outbound.Storage]: what is whole and on the disk gets the
// name, which is then brought to the disk too.
func (f *Folder) Put(ctx context.Context, key, _ string, content []byte) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !avatar.IsKey(key) {
		return errors.New("not the key of a file")
	}
	part := path.Join(partial, rand.Text())
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("put file: %w", err), f.remove(part))
		}
	}()
	if err := f.write(part, content); err != nil {
		return err
	}
	if err := f.root.Rename(part, key); err != nil {
		return err
	}
	return f.flush()
}

func (f *Folder) write(name string, content []byte) (err error) {
	file, err := f.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := file.Write(content); err != nil {
		return err
	}
	return file.Sync()
}

// flush brings names to the disk.
func (f *Folder) flush() error {
	dir, err := f.root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Open implements [outbound.Storage].
func (f *Folder) Open(_ context.Context, key string) (outbound.Content, error) {
	if !avatar.IsKey(key) {
		return outbound.Content{}, fmt.Errorf("open file: %w", outbound.ErrNotFound)
	}
	file, err := f.root.Open(key)
	if errors.Is(err, fs.ErrNotExist) {
		return outbound.Content{}, fmt.Errorf("open file: %w", outbound.ErrNotFound)
	}
	if err != nil {
		return outbound.Content{}, fmt.Errorf("open file: %w", err)
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		return outbound.Content{}, errors.Join(fmt.Errorf("open file: %w", err), file.Close())
	}
	return outbound.Content{ReadCloser: file, Size: info.Size()}, nil
}

// Remove implements [outbound.Storage].
func (f *Folder) Remove(_ context.Context, key string) error {
	if !avatar.IsKey(key) {
		return errors.New("not the key of a file")
	}
	return f.remove(key)
}

func (f *Folder) remove(name string) error {
	if err := f.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove file: %w", err)
	}
	return nil
}
