// Package ledger implements [outbound.Ledger] as a file beside the database:
// one line of JSON for each erasure. It holds ids and instants. When what it
// says is heeded is not its business.
package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"gatehouse/domain/principal"
	"gatehouse/ports/outbound"
)

var _ outbound.Ledger = (*File)(nil)

// File is a ledger that processes of one machine may share.
type File struct{ path string }

// New returns the ledger in a file, which Add makes if there is none.
func New(path string) *File { return &File{path} }

type line struct {
	ID principal.ID `json:"id"`
	At time.Time    `json:"at"`
}

// Add implements [outbound.Ledger]. All lines are one write.
func (f *File) Add(_ context.Context, all ...principal.Erasure) (err error) {
	if len(all) == 0 {
		return nil
	}
	var b bytes.Buffer
	lines := json.NewEncoder(&b)
	for _, e := range all {
		if err := lines.Encode(line{e.ID, e.At.UTC()}); err != nil {
			return fmt.Errorf("write erasure: %w", err)
		}
	}
	return f.locked(os.O_CREATE|os.O_RDWR, syscall.LOCK_EX, func(file *os.File) error {
		end, err := wholeLines(file)
		if err != nil {
			return err
		}
		if _, err := file.WriteAt(b.Bytes(), end); err != nil {
			return err
		}
		return errors.Join(file.Sync(), flush(filepath.Dir(f.path)))
	})
}

// All implements [outbound.Ledger].
func (f *File) All(context.Context) (all map[principal.ID]principal.Erasure, err error) {
	err = f.locked(os.O_RDONLY, syscall.LOCK_SH, func(file *os.File) error {
		b, err := io.ReadAll(file)
		if err != nil {
			return err
		}
		all, err = parse(b)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return all, err
}

// locked opens the file, and keeps other processes from it while fn runs.
func (f *File) locked(flags, lock int, fn func(*os.File) error) (err error) {
	file, err := os.OpenFile(f.path, flags, 0o600)
	if err != nil {
		return fmt.Errorf("open ledger of erasures: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := syscall.Flock(int(file.Fd()), lock); err != nil { // until it is closed
		return fmt.Errorf("lock %s: %w", f.path, err)
	}
	if err := fn(file); err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	return nil
}

// wholeLines returns where the last whole line ends. What is behind it was cut
// off by a crash before anybody was told that it is kept.
func wholeLines(file *os.File) (int64, error) {
	b, err := io.ReadAll(file)
	if err != nil {
		return 0, err
	}
	end := int64(bytes.LastIndexByte(b, '\n') + 1)
	if end < int64(len(b)) {
		err = file.Truncate(end)
	}
	return end, err
}

func flush(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

var errNoErasure = errors.New("is no erasure")

// parse reads whole lines. What is behind the last of them counts for nothing;
// a line that makes no sense is an error, because whose it was is not known.
func parse(b []byte) (map[principal.ID]principal.Erasure, error) {
	all := map[principal.ID]principal.Erasure{}
	for n := 1; ; n++ {
		text, rest, whole := bytes.Cut(b, []byte{'\n'})
		if !whole {
			return all, nil
		}
		var l line
		if err := json.Unmarshal(text, &l); err != nil || l.ID == "" || l.At.IsZero() {
			return nil, fmt.Errorf("line %d %w", n, errNoErasure)
		}
		all[l.ID] = principal.Erasure{ID: l.ID, At: l.At.UTC()}
		b = rest
	}
}
