// Package fuse implements outbound.Breaches with a file of binary fuse filters:
// 2.3 bytes for every password that leaked, no network, and one good password
// in 65536 taken for one that leaked. It owns the format of the file, how it is
// built from a list, and that it is looked at where it lies. Where the list
// comes from is its user's business.
package fuse

import (
	"context"
	"crypto/sha1" //nolint:gosec // what leaked is published by this hash; nothing is protected by it
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/FastFilter/xorfilter"

	"gatehouse/domain/password"
	"gatehouse/ports/outbound"
)

var _ outbound.Breaches = (*Filter)(nil)

// Filter is an [outbound.Breaches].
type Filter struct {
	buckets [buckets]xorfilter.BinaryFuse[uint16]
	keys    uint64
	unmap   func() error
}

// Open reads a file that [Build] wrote, all of it once, and refuses any other
// and one that has changed. The file stays in use until Close: to replace it,
// put another one in its place, as Build does.
func Open(path string) (*Filter, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	content, unmap, err := look(f)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	filter, err := parse(content)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), unmap())
	}
	filter.unmap = unmap
	return filter, nil
}

// Close forgets the file. No call may be under way.
func (f *Filter) Close() error { return f.unmap() }

// Len returns how many passwords there are in the file.
func (f *Filter) Len() uint64 { return f.keys }

// errGone is what becomes of a file that was cut off in place.
var errGone = errors.New("the filter file was changed while in use")

// Breached implements [outbound.Breaches]. It asks nobody and takes less than
// a microsecond while the file is in memory.
func (f *Filter) Breached(_ context.Context, p password.Plain) (known bool, err error) {
	if p.TooLong() {
		return false, nil
	}
	// Whoever cuts the file off, where we look at it, would end the process.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() != nil {
			known, err = false, errGone
		}
	}()
	return f.has(keyOf(sha1.Sum([]byte(p.Reveal())))), nil //nolint:gosec // see the import
}

func (f *Filter) has(key uint64) bool {
	b := &f.buckets[bucketOf(key)]
	return len(b.Fingerprints) > 0 && b.Contains(key)
}

// buckets divide the hashes by their first byte, so that a list of any size is
// built in little memory.
const buckets = 256

// keyOf is the part of a hash that tells passwords apart.
func keyOf(hash [sha1.Size]byte) uint64 { return binary.BigEndian.Uint64(hash[:]) }

func bucketOf(key uint64) int { return int(key >> 56) }
