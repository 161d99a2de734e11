package argon2

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-crypt/crypt/algorithm/argon2"

	"gatehouse/adapters/argon2/foreign"
)

// Sizes in bytes of what is made here (RFC 9106 §4).
const (
	saltSize   = 16
	outputSize = 32
)

// digest is a hash to compare with.
type digest interface {
	MatchAdvanced(text string) (bool, error)
}

// read reads a hash of whatever kind. One of other systems has no cost that is
// ever ours.
func read(s string) (digest, cost, error) {
	if strings.HasPrefix(s, "$argon2") {
		return parse(s)
	}
	d, err := foreign.Parse(s)
	if err != nil {
		return nil, cost{}, err
	}
	return d, cost{}, nil
}

// cost is the parameters of a hash. The sizes are in bytes.
type cost struct {
	variant    argon2.Variant // id, or i in those of other systems
	memory     int            // KiB
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
	errNotArgon2  = errors.New("not an argon2id or argon2i hash")
	errNotOurs    = errors.New("not an argon2id hash")
	errTooCostly  = errors.New("the cost of the hash is out of bounds")
	longestString = len("$argon2id$v=19$m=262144,t=10,p=4$") + 2*base64.RawStdEncoding.EncodedLen(64) + 1
)

// parse reads a PHC string, in its only spelling, and computes nothing. Its
// errors have no cause, which might quote the hash.
func parse(s string) (digest, cost, error) {
	c, err := costOf(s)
	if err != nil {
		return nil, cost{}, err
	}
	decoded, err := argon2.DecodeVariant(c.variant)(s)
	if err != nil {
		return nil, cost{}, errNotArgon2
	}
	return decoded, c, nil
}

func costOf(s string) (cost, error) {
	if len(s) > longestString {
		return cost{}, errNotArgon2
	}
	// "", variant, version, parameters, salt, output
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[2] != "v=19" {
		return cost{}, errNotArgon2
	}
	c, ok := parameters(parts[3])
	if !ok {
		return cost{}, errNotArgon2
	}
	switch parts[1] {
	case "argon2id":
		c.variant = argon2.VariantID
	case "argon2i":
		c.variant = argon2.VariantI
	default:
		return cost{}, errNotArgon2
	}
	for i, size := range []*int{&c.salt, &c.output} {
		text := parts[4+i]
		b, err := base64.RawStdEncoding.DecodeString(text)
		if err != nil || base64.RawStdEncoding.EncodeToString(b) != text {
			return cost{}, errNotArgon2
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
