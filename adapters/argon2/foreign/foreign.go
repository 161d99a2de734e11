// Package foreign compares passwords with hashes that other systems made:
// bcrypt, scrypt, PBKDF2 and the scrypt of Firebase. It owns which spellings of
// them are known and what one of them may cost. It makes none: whoever proves to
// know the password gets a better one.
package foreign

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-crypt/crypt/algorithm"
	"github.com/go-crypt/crypt/algorithm/bcrypt"
	"github.com/go-crypt/crypt/algorithm/pbkdf2"
	"github.com/go-crypt/crypt/algorithm/scrypt"
)

// How a hash is no good. Neither quotes it.
var (
	ErrUnknown   = errors.New("not a hash of a known kind, in its usual spelling")
	ErrTooCostly = errors.New("the cost of the hash is out of bounds")
)

// What a hash may cost at most, whoever put it there (F84). A comparison cannot
// be stopped, takes one turn of few, and stays below some two seconds.
const (
	longest = 1024 // bytes of the text

	leastSalt, mostSalt     = 8, 64 // bytes
	leastOutput, mostOutput = 16, 64

	leastBcrypt, mostBcrypt = 4, 15 // logarithm of rounds

	mostPBKDF2 = 2_000_000 // iterations, of all blocks

	mostScryptMemory = 256 << 20 // bytes
	mostScryptWork   = 1 << 30   // bytes gone through
	mostBlockSize    = 64
	mostLanes        = 16
)

// bcryptInput is how much of a password bcrypt looks at. Others cut a longer
// one off, and take every password that begins alike.
const bcryptInput = 72

const bcryptDigits = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// Digest is a hash to compare with.
type Digest struct {
	digest matcher
	atMost int // bytes of a password, 0 for any
}

type matcher interface {
	MatchAdvanced(text string) (bool, error)
}

// Parse reads a hash in the form of crypt or PHC, in its only spelling, and
// computes nothing. It fails with [ErrUnknown] or [ErrTooCostly].
func Parse(s string) (*Digest, error) {
	if len(s) > longest {
		return nil, ErrUnknown
	}
	kind, _, _ := strings.Cut(strings.TrimPrefix(s, "$"), "$")
	switch kind {
	case "2a", "2b", "2y":
		return parseBcrypt(s)
	case "scrypt":
		return parseScrypt(s)
	case "pbkdf2", "pbkdf2-sha1", "pbkdf2-sha256", "pbkdf2-sha512":
		return parsePBKDF2(s)
	case "fbscrypt":
		return parseFirebase(s)
	}
	return nil, ErrUnknown
}

// MatchAdvanced compares in constant time. A password that is too long for the
// algorithm costs as much as any other, and does not match.
func (d *Digest) MatchAdvanced(text string) (bool, error) {
	fits := d.atMost == 0 || len(text) <= d.atMost
	if !fits {
		text = ""
	}
	ok, err := d.digest.MatchAdvanced(text)
	return ok && fits, err
}

// parseBcrypt reads $2b$10$ and 53 characters; a and y are other names of b,
// and x is that of a mistake.
func parseBcrypt(s string) (*Digest, error) {
	parts, err := split(s, 4)
	if err != nil {
		return nil, err
	}
	rounds, ok := number(strings.TrimPrefix(parts[2], "0"))
	if !ok || len(parts[2]) != 2 || len(parts[3]) != 53 {
		return nil, ErrUnknown
	}
	if !within(rounds, leastBcrypt, mostBcrypt) {
		return nil, ErrTooCostly
	}
	decoded, err := bcrypt.DecodeVariant(bcrypt.VariantStandard)(s)
	if err != nil || !strings.HasSuffix(decoded.Encode(), "$"+parts[3]) || strings.Trim(parts[3], bcryptDigits) != "" {
		return nil, ErrUnknown
	}
	return &Digest{decoded, bcryptInput}, nil
}

func parseScrypt(s string) (*Digest, error) {
	parts, err := split(s, 5)
	if err != nil {
		return nil, err
	}
	c, ok := scryptCost(parts[2], "ln=%d,r=%d,p=%d")
	if !ok {
		return nil, ErrUnknown
	}
	if !c.affordable() {
		return nil, ErrTooCostly
	}
	decoded, err := scrypt.DecodeVariant(scrypt.VariantScrypt)(s)
	return checked(decoded, err, s)
}

func parsePBKDF2(s string) (*Digest, error) {
	parts, err := split(s, 5)
	if err != nil {
		return nil, err
	}
	iterations, ok := number(parts[2])
	if !ok {
		return nil, ErrUnknown
	}
	if !within(iterations, 1, mostPBKDF2) {
		return nil, ErrTooCostly
	}
	decoded, err := pbkdf2.DecodeVariant(pbkdf2.NewVariant(parts[1]))(s)
	if err != nil {
		return nil, ErrUnknown
	}
	variant := pbkdf2.NewVariant(parts[1])
	size := variant.HashFunc()().Size()
	if blocks := (len(decoded.Key()) + size - 1) / size; iterations*blocks > mostPBKDF2 {
		return nil, ErrTooCostly
	}
	if rest, named := strings.CutPrefix(s, "$pbkdf2-sha1$"); named { // what passlib calls pbkdf2
		s = "$pbkdf2$" + rest
	}
	return checked(decoded, nil, s)
}

// checked refuses sizes that are out of bounds, and any other spelling than that
// of the library.
func checked(decoded algorithm.Digest, err error, s string) (*Digest, error) {
	switch {
	case err != nil, decoded.Encode() != s:
		return nil, ErrUnknown
	case !within(len(decoded.Salt()), leastSalt, mostSalt), !within(len(decoded.Key()), leastOutput, mostOutput):
		return nil, ErrTooCostly
	}
	return &Digest{decoded, 0}, nil
}

// split cuts a hash into its parts, the first of which is empty.
func split(s string, n int) ([]string, error) {
	parts := strings.Split(s, "$")
	if len(parts) != n || parts[0] != "" {
		return nil, ErrUnknown
	}
	return parts, nil
}

// number reads digits in their shortest form.
func number(s string) (int, bool) {
	n, err := strconv.ParseUint(s, 10, 31)
	return int(n), err == nil && strconv.FormatUint(n, 10) == s
}

func within(n, least, most int) bool { return least <= n && n <= most }

// scryptParameters are those of RFC 7914: N as its logarithm.
type scryptParameters struct{ logN, r, p int }

func scryptCost(s, format string) (c scryptParameters, ok bool) {
	parts := strings.Split(s, ",")
	if len(parts) != 3 {
		return c, false
	}
	for i, n := range []*int{&c.logN, &c.r, &c.p} {
		_, digits, _ := strings.Cut(parts[i], "=")
		if *n, ok = number(digits); !ok {
			return c, false
		}
	}
	return c, fmt.Sprintf(format, c.logN, c.r, c.p) == s
}

func (c scryptParameters) affordable() bool {
	if !within(c.logN, 1, 24) || !within(c.r, 1, mostBlockSize) || !within(c.p, 1, mostLanes) {
		return false
	}
	memory := (128 * c.r) << c.logN
	return memory <= mostScryptMemory && memory*c.p <= mostScryptWork
}
