//go:build unix

package fuse

import (
	"math"
	"os"
	"syscall"
)

// look maps a file into memory, where the system keeps what of it is used and
// all processes share it.
func look(f *os.File) (content []byte, done func() error, err error) {
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if n := info.Size(); n < headerSize || n > math.MaxInt || !info.Mode().IsRegular() {
		return nil, nil, ErrForeign
	}
	content, err = syscall.Mmap(int(f.Fd()), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, nil, err
	}
	return content, func() error { return syscall.Munmap(content) }, nil
}
