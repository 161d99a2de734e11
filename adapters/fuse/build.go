package fuse

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // see package comment
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"unicode/utf8"

	"github.com/FastFilter/xorfilter"

	"gatehouse/domain/password"
)

// Form is what stands in the lines of a list.
type Form int

// The forms. A line of hashes is a SHA-1 in hexadecimal digits and, if
// anything follows, a colon and how often it was seen; seen 0 times, it is not
// in the list. A plain line is a password; what can be nobody's password here
// is passed over.
const (
	Hashes Form = iota
	Plain
)

// Built is what became of a list.
type Built struct {
	Passwords int // different ones
	Skipped   int // lines
	Bytes     int64
}

// ErrEmpty is a list of no passwords.
var ErrEmpty = errors.New("there is no password in the list")

// Build reads a list and writes the filter of it to path, where it stands
// complete or not at all. It needs 8 bytes of disk beside path for each line
// and, in memory, some 40 bytes for each password of one bucket in 256: 200 MB
// for a billion. It refuses a line of hashes that is none, by its number.
func Build(ctx context.Context, list io.Reader, form Form, path string) (built Built, err error) {
	dir, err := os.MkdirTemp(filepath.Dir(path), ".filter-*")
	if err != nil {
		return built, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s := &sorter{dir: dir}
	defer func() { err = errors.Join(err, s.close()) }()
	if built.Skipped, err = s.read(ctx, list, form); err != nil {
		return built, err
	}
	w := writer{path: filepath.Join(dir, "filter")}
	if err := w.write(ctx, s); err != nil {
		return built, err
	}
	built.Passwords, built.Bytes = w.keys, w.size
	return built, publish(w.path, path)
}

// publish puts a file that is on the disk where it belongs.
func publish(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(to))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// sorter divides keys into buckets, each in a file of its own if there is any.
type sorter struct {
	dir     string
	files   [buckets]*os.File
	writers [buckets]*bufio.Writer
}

func (s *sorter) add(key uint64) error {
	i := bucketOf(key)
	if s.files[i] == nil {
		f, err := os.Create(filepath.Join(s.dir, fmt.Sprintf("bucket-%03d", i)))
		if err != nil {
			return err
		}
		s.files[i], s.writers[i] = f, bufio.NewWriterSize(f, 64<<10)
	}
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], key)
	_, err := s.writers[i].Write(b[:])
	return err
}

func (s *sorter) flush() (err error) {
	for _, w := range s.writers {
		if w != nil {
			err = errors.Join(err, w.Flush())
		}
	}
	return err
}

func (s *sorter) close() (err error) {
	for _, f := range s.files {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	return err
}

const (
	longestLine = 1 << 20
	breath      = 1 << 16 // lines between two looks at whether to go on
)

func (s *sorter) read(ctx context.Context, list io.Reader, form Form) (skipped int, err error) {
	lines := bufio.NewScanner(list)
	lines.Buffer(nil, longestLine)
	n := 0
	for ; lines.Scan(); n++ {
		if n%breath == 0 && ctx.Err() != nil {
			return skipped, ctx.Err()
		}
		hash, use, err := form.read(lines.Bytes())
		switch {
		case err != nil:
			return skipped, fmt.Errorf("line %d: %w", n+1, err)
		case !use:
			skipped++
			continue
		}
		if err := s.add(keyOf(hash)); err != nil {
			return skipped, err
		}
	}
	if err := lines.Err(); err != nil {
		return skipped, fmt.Errorf("line %d: %w", n+1, err)
	}
	return skipped, s.flush()
}

// keys returns what is in a bucket, each once.
func (s *sorter) keys(bucket int) ([]uint64, error) {
	if s.files[bucket] == nil {
		return nil, nil
	}
	content, err := os.ReadFile(s.files[bucket].Name())
	if err != nil {
		return nil, err
	}
	keys := make([]uint64, len(content)/8)
	for i := range keys {
		keys[i] = binary.LittleEndian.Uint64(content[8*i:])
	}
	slices.Sort(keys)
	return slices.Compact(keys), nil
}

var errNoHash = errors.New("is not a SHA-1 in 40 hexadecimal digits (for a list of passwords say --plain)")

// read returns the hash of the password in a line, unless there is none.
func (f Form) read(line []byte) (hash [sha1.Size]byte, use bool, err error) {
	line = bytes.TrimSuffix(line, []byte("\r"))
	if f == Plain {
		p := password.NewPlain(string(line))
		if len(line) == 0 || p.TooLong() || !utf8.Valid(line) {
			return hash, false, nil
		}
		return sha1.Sum([]byte(p.Reveal())), true, nil //nolint:gosec // see package comment
	}
	digits, seen, counted := bytes.Cut(line, []byte(":"))
	if len(line) == 0 {
		return hash, false, nil
	}
	if len(digits) != 2*sha1.Size || counted && !isNumber(seen) {
		return hash, false, errNoHash
	}
	if _, err := hex.Decode(hash[:], digits); err != nil {
		return hash, false, errNoHash
	}
	return hash, !counted || len(bytes.Trim(seen, "0")) > 0, nil
}

func isNumber(b []byte) bool {
	return len(b) > 0 && !slices.ContainsFunc(b, func(c byte) bool { return c < '0' || c > '9' })
}

// writer writes the file of a filter.
type writer struct {
	path string
	keys int
	size int64
}

func (w *writer) write(ctx context.Context, s *sorter) (err error) {
	f, err := os.OpenFile(w.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644) //nolint:gosec // it is no secret, and the service may be another user
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Seek(headerSize, io.SeekStart); err != nil {
		return err
	}
	sum := crc32.New(castagnoli)
	out := bufio.NewWriterSize(io.MultiWriter(f, sum), 1<<20)
	var (
		table   [buckets]xorfilter.BinaryFuse[uint16]
		builder xorfilter.BinaryFuseBuilder
	)
	w.size = headerSize
	for i := range table {
		if err := ctx.Err(); err != nil {
			return err
		}
		if table[i], err = w.add(out, s, i, &builder); err != nil {
			return err
		}
	}
	if w.keys == 0 {
		return ErrEmpty
	}
	if err := out.Flush(); err != nil {
		return err
	}
	// Last, so that what is not complete is no filter.
	if _, err := f.WriteAt(header(&table, uint64(w.keys), sum.Sum32()), 0); err != nil { //nolint:gosec // a count
		return err
	}
	return f.Sync()
}

func (w *writer) add(out io.Writer, s *sorter, i int, builder *xorfilter.BinaryFuseBuilder) (b xorfilter.BinaryFuse[uint16], err error) {
	keys, err := s.keys(i)
	if err != nil || len(keys) == 0 {
		return b, err
	}
	w.keys += len(keys)
	if b, err = xorfilter.BuildBinaryFuse[uint16](builder, keys); err != nil {
		return b, fmt.Errorf("build filter: %w", err)
	}
	w.size += 2 * int64(len(b.Fingerprints))
	return b, binary.Write(out, binary.LittleEndian, b.Fingerprints)
}
