package gorm

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"hash"
	"time"
)

// Sum is what a table holds, in short.
type Sum struct {
	Rows   int
	SHA256 [sha256.Size]byte // of all values, in the order of the primary key
}

// sumOf reads the whole table. Its order is that of bytes in both databases.
func (c columns) sumOf(ctx context.Context, db *sql.DB) (s Sum, err error) {
	h := sha256.New()
	err = c.each(ctx, db, func(row []any) {
		s.Rows++
		for _, v := range row {
			digest(h, v)
		}
	}, c.selection()+" ORDER BY "+quoted(c.key))
	h.Sum(s.SHA256[:0])
	return s, err
}

// digest writes a value so that no two lists of values are the same bytes.
func digest(h hash.Hash, v any) {
	switch v := v.(type) {
	case nil:
		h.Write([]byte{0})
	case string:
		lengthy(h, 1, []byte(v))
	case []byte:
		lengthy(h, 2, v)
	case int64:
		h.Write(binary.BigEndian.AppendUint64([]byte{3}, uint64(v))) //nolint:gosec // the same bits
	case bool:
		h.Write([]byte{4, map[bool]byte{true: 1}[v]})
	case time.Time:
		h.Write(binary.BigEndian.AppendUint64([]byte{5}, uint64(v.UnixMicro())))
	}
}

func lengthy(h hash.Hash, tag byte, b []byte) {
	h.Write(binary.BigEndian.AppendUint64([]byte{tag}, uint64(len(b))))
	h.Write(b)
}
