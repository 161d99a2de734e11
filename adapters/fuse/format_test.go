package fuse

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Whatever is taken for a filter can be asked for any key, even what somebody
// made to harm: the sums are right here, whatever they are of.
func FuzzParse(f *testing.F) {
	path := filepath.Join(f.TempDir(), "f")
	if _, err := Build(f.Context(), strings.NewReader("one\ntwo\nthree"), Plain, path); err != nil {
		f.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(content[tableAt:tableAt+rowSize], 3, content[headerSize:])
	f.Add(row(1, 8, 1), 0, make([]byte, 48))
	f.Add(row(1, 8, 1), 0, make([]byte, 46))
	f.Add(row(1, 1<<31, 1<<31), 255, make([]byte, 48))
	f.Add(row(1, 6, 1), 0, make([]byte, 36))
	f.Add(row(1, 0, 7), 0, []byte{})
	f.Add(row(1, 4, 0), 9, make([]byte, 16))
	f.Add(row(1, 1<<18, 1<<14), 9, make([]byte, 17))
	f.Fuzz(func(t *testing.T, row []byte, at int, prints []byte) {
		c := bytes.Clone(content[:headerSize])
		clear(c[tableAt:sumAt])
		copy(c[tableAt+(at&(buckets-1))*rowSize:sumAt], row)
		c = append(c, prints...)
		binary.LittleEndian.PutUint32(c[12:], crc32.Checksum(prints, castagnoli))
		binary.LittleEndian.PutUint64(c[sumAt:], uint64(crc32.Checksum(c[:sumAt], castagnoli)))
		filter, err := parse(c)
		if (filter == nil) == (err == nil) {
			t.Fatalf("parse = %v, %v", filter, err)
		}
		if err != nil {
			return
		}
		for i := range buckets {
			for _, low := range []uint64{0, 1, 1<<56 - 1, 0x5555555555} {
				filter.has(uint64(i)<<56 | low)
			}
		}
	})
}

func row(seed uint64, length, segments uint32) []byte {
	b := make([]byte, rowSize)
	binary.LittleEndian.PutUint64(b, seed)
	binary.LittleEndian.PutUint32(b[8:], length)
	binary.LittleEndian.PutUint32(b[12:], segments)
	return b
}

// Garbage as a whole is refused, too.
func FuzzParseFile(f *testing.F) {
	f.Add([]byte(magic))
	f.Add(bytes.Repeat([]byte(magic), 1000))
	f.Fuzz(func(t *testing.T, content []byte) {
		if filter, err := parse(content); (filter == nil) == (err == nil) {
			t.Errorf("parse = %v, %v", filter, err)
		}
	})
}

func BenchmarkHas(b *testing.B) {
	path := filepath.Join(b.TempDir(), "f")
	if _, err := Build(b.Context(), strings.NewReader("one\ntwo\nthree"), Plain, path); err != nil {
		b.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		b.Fatal(err)
	}
	for key := uint64(0); b.Loop(); key += 0x9e3779b97f4a7c15 {
		f.has(key)
	}
}
