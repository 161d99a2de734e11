package argon2

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-crypt/crypt/algorithm"
	"github.com/go-crypt/crypt/algorithm/argon2"
)

// Sizes in bytes of what is made here (RFC 9106 §4).
const (
	saltSize   = 16
	outputSize = 32
)

// cost is the parameters of a hash. The sizes are in bytes.
type cost struct {
	memory     int // KiB
	iterations int
	lanes      int

	salt, output int
}

// affordable says whether a hash of this cost may be computed at all: one that
// was imported, or put there, must not take the machine down (F84).
func (c cost) affordable() bool {
	return within(c.lanes, 1, 4) && within(c.iterations, 1, 10) && within(c.memory, 8*c.lanes, 256<<10) &&
		within(c.salt, 8, 64) && within(c.output, 16, 64)
}

// hasher makes hashes of this cost, which is affordable.
func (c cost) hasher() (*argon2.Hasher, error) {
	return argon2.New(
		argon2.WithVariantID(), argon2.WithM(uint32(c.memory)), argon2.WithT(c.iterations), //nolint:gosec // in bounds
		argon2.WithP(c.lanes), argon2.WithS(c.salt), argon2.WithK(c.output),
	)
}

func within(n, least, most int) bool { return least <= n && n <= most }

var (
	errNotOurs    = errors.New("not an argon2id hash")
	errTooCostly  = errors.New("the cost of the hash is out of bounds")
	longestString = len("$argon2id$v=19$m=262144,t=10,p=4$") + 2*base64.RawStdEncoding.EncodedLen(64) + 1
)

// parse reads a PHC string, in its only spelling, and computes nothing. Its
// errors have no cause, which might quote the hash.
func parse(s string) (algorithm.Digest, cost, error) {
	c, err := costOf(s)
	if err != nil {
		return nil, cost{}, err
	}
	digest, err := argon2.DecodeVariant(argon2.VariantID)(s)
	if err != nil {
		return nil, cost{}, errNotOurs
	}
	return digest, c, nil
}

func costOf(s string) (cost, error) {
	if len(s) > longestString {
		return cost{}, errNotOurs
	}
	// "", variant, version, parameters, salt, output
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != "v=19" {
		return cost{}, errNotOurs
	}
	c, ok := parameters(parts[3])
	if !ok {
		return cost{}, errNotOurs
	}
	for i, size := range []*int{&c.salt, &c.output} {
		text := parts[4+i]
		b, err := base64.RawStdEncoding.DecodeString(text)
		if err != nil || base64.RawStdEncoding.EncodeToString(b) != text {
			return cost{}, errNotOurs
		}
		*size = len(b)
	}
	if !c.affordable() {
		return cost{}, errTooCostly
	}
	return c, nil
}

func parameters(s string) (c cost, ok bool) {
	parts := strings.Split(s, ",")
	if len(parts) != 3 {
		return cost{}, false
	}
	for i, n := range []*int{&c.memory, &c.iterations, &c.lanes} {
		_, digits, _ := strings.Cut(parts[i], "=")
		v, err := strconv.ParseUint(digits, 10, 32)
		if err != nil {
			return cost{}, false
		}
		*n = int(v)
	}
	return c, s == fmt.Sprintf("m=%d,t=%d,p=%d", c.memory, c.iterations, c.lanes)
}
