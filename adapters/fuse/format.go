package fuse

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/bits"
	"unsafe"

	"github.com/FastFilter/xorfilter"
)

// The file is a header and the fingerprints of all buckets, in order, two bytes
// each. All numbers are little-endian. The header:
//
//	 0  magic (8 bytes)
//	 8  version of the format (4)
//	12  CRC-32C of the fingerprints (4)
//	16  passwords (8)
//	24  for each bucket: seed (8), length of a segment (4), segments (4)
//	    CRC-32C of the header up to here (4), zero (4)
const (
	magic   = "ghleaked"
	version = 1

	tableAt    = 24
	rowSize    = 16
	sumAt      = tableAt + buckets*rowSize
	headerSize = sumAt + 8

	// longestSegment is the longest the library makes.
	longestSegment = 1 << 18
)

// How a file is no good.
var (
	ErrForeign = errors.New("is not a filter that gatehouse passwords build-filter wrote")
	ErrVersion = errors.New("is of a format this version does not know: build it again")
	ErrCorrupt = errors.New("has changed since it was written, or is not complete")

	errByteOrder = errors.New("filters need a little-endian machine")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// parse returns the filter in content, which it goes on using. Whatever it
// returns can be asked for any key.
func parse(content []byte) (*Filter, error) {
	if len(content) < headerSize || string(content[:8]) != magic {
		return nil, ErrForeign
	}
	number := binary.LittleEndian
	switch {
	case number.Uint32(content[8:]) != version:
		return nil, ErrVersion
	case number.Uint64(content[sumAt:]) != uint64(crc32.Checksum(content[:sumAt], castagnoli)),
		number.Uint32(content[12:]) != crc32.Checksum(content[headerSize:], castagnoli):
		return nil, ErrCorrupt
	}
	prints, err := fingerprints(content[headerSize:])
	if err != nil {
		return nil, err
	}
	f := &Filter{keys: number.Uint64(content[16:])}
	for i := range f.buckets {
		row := content[tableAt+i*rowSize:]
		b, ok := bucket(number.Uint64(row), number.Uint32(row[8:]), number.Uint32(row[12:]), len(prints))
		if !ok {
			return nil, ErrCorrupt
		}
		n := size(b)
		b.Fingerprints, prints = prints[:n:n], prints[n:]
		f.buckets[i] = b
	}
	if len(prints) > 0 {
		return nil, ErrCorrupt
	}
	return f, nil
}

// bucket refuses what does not fit into the fingerprints that are left, or
// would look outside of its own.
func bucket(seed uint64, length, segments uint32, left int) (b xorfilter.BinaryFuse[uint16], ok bool) {
	if length == 0 && segments == 0 {
		return b, true // nobody's hash begins so
	}
	if bits.OnesCount32(length) != 1 || length > longestSegment || segments == 0 ||
		(uint64(segments)+2)*uint64(length) > uint64(left) { //nolint:gosec // no length is negative
		return b, false
	}
	return xorfilter.BinaryFuse[uint16]{
		Seed: seed, SegmentLength: length, SegmentLengthMask: length - 1,
		SegmentCount: segments, SegmentCountLength: segments * length,
	}, true
}

// size is how many fingerprints a bucket has.
func size(b xorfilter.BinaryFuse[uint16]) int { return int(b.SegmentCountLength + 2*b.SegmentLength) }

// fingerprints returns content as the numbers that it is, without a copy.
func fingerprints(content []byte) ([]uint16, error) {
	switch {
	case binary.NativeEndian.Uint16([]byte{1, 0}) != 1:
		return nil, errByteOrder
	case len(content)%2 != 0:
		return nil, ErrCorrupt
	case len(content) == 0:
		return nil, nil
	}
	start := unsafe.Pointer(unsafe.SliceData(content)) //nolint:gosec // read-only, as long as content; the header keeps it even
	return unsafe.Slice((*uint16)(start), len(content)/2), nil
}

// header is what stands before the fingerprints.
func header(table *[buckets]xorfilter.BinaryFuse[uint16], keys uint64, sum uint32) []byte {
	number := binary.LittleEndian
	h := make([]byte, headerSize)
	copy(h, magic)
	number.PutUint32(h[8:], version)
	number.PutUint32(h[12:], sum)
	number.PutUint64(h[16:], keys)
	for i, b := range table {
		row := h[tableAt+i*rowSize:]
		number.PutUint64(row, b.Seed)
		number.PutUint32(row[8:], b.SegmentLength)
		number.PutUint32(row[12:], b.SegmentCount)
	}
	number.PutUint64(h[sumAt:], uint64(crc32.Checksum(h[:sumAt], castagnoli)))
	return h
}
