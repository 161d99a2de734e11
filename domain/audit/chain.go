package audit

import (
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"
)

// Hash ties an entry to all before it.
type Hash [32]byte

// Head names an entry, and by its hash everything before it. The zero value is
// the beginning of the chain.
type Head struct {
	Position int
	Hash     Hash
}

// String writes a head in one word: position and hash.
func (h Head) String() string {
	return strconv.Itoa(h.Position) + ":" + hex.EncodeToString(h.Hash[:])
}

// ParseHead reads what [Head.String] wrote.
func ParseHead(s string) (h Head, ok bool) {
	position, sum, _ := strings.Cut(s, ":")
	n, err := strconv.Atoi(position)
	b, hexErr := hex.DecodeString(sum)
	if err != nil || hexErr != nil || n < 0 || len(b) != len(h.Hash) {
		return Head{}, false
	}
	h = Head{Position: n, Hash: Hash(b)}
	return h, h.String() == s
}

// Link is an entry as it is stored, where its network is sealed, or nil.
type Link struct {
	Entry

	Sealed []byte
}

// Text is what the hash of a link is made of, after what comes before it in the
// chain. No two links have the same.
func (l Link) Text(before Hash) []byte {
	b := append([]byte("gatehouse/audit/v1"), before[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(l.Position)) //nolint:gosec // the same bits
	b = binary.BigEndian.AppendUint64(b, uint64(l.At.UnixMicro()))
	for _, s := range []string{
		l.ID, l.Command, string(l.Principal), string(l.Session), string(l.Target.Principal), l.Target.Thing, string(l.Outcome), l.Request,
	} {
		b = lengthy(b, s)
	}
	if l.Sealed == nil {
		return append(b, 0)
	}
	return lengthy(append(b, 1), string(l.Sealed))
}

func lengthy(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(len(s)))
	return append(b, s...)
}

// Ends are where the chain that is kept begins, after the last entry that was
// purged, and where it ends.
type Ends struct{ Anchor, Head Head }

// Text is what proves that both ends are ours. No two pairs have the same.
func (e Ends) Text() []byte {
	return []byte("gatehouse/audit/ends/v1 " + e.Anchor.String() + " " + e.Head.String())
}

// Entries is how many there are between the ends.
func (e Ends) Entries() int { return e.Head.Position - e.Anchor.Position }

// Checked is how far a part of the chain holds.
type Checked struct {
	Good   Head // the last entry before which nothing was changed
	Seen   int  // entries, the broken one included
	Broken bool // what comes after Good was changed, or is missing
}
