// Package recovery holds the codes that stand in for a lost authenticator: how
// they are made, what they look like and how they are recognised. How they are
// hashed and where they are kept is not its business.
package recovery

import (
	"slices"
	"strings"
	"unicode"

	"gatehouse/domain/password"
	"gatehouse/domain/secret"
)

// Length is how many characters a code has, of five random bits each.
const Length = 10

// alphabet has no I and no O, which are read as 1 and 0 (contract §7.4). A
// byte taken modulo its 32 letters favours none.
const alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"

// Code is a recovery code in its normal form. The zero Code is none, and works
// nowhere.
type Code struct{ secret.Text }

// Make returns a code made of random bytes.
func Make(random [Length]byte) Code {
	for i, b := range random {
		random[i] = alphabet[int(b)%len(alphabet)]
	}
	return Code{secret.New(string(random[:]))}
}

// Parse reads what somebody typed, without regard to case, blanks and hyphens.
// It returns false for what can be no code.
func Parse(typed secret.Text) (Code, bool) {
	normal := make([]byte, 0, Length)
	for _, r := range typed.Reveal() {
		if unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) {
			continue
		}
		if 'a' <= r && r <= 'z' {
			r -= 'a' - 'A'
		}
		if len(normal) == Length || !strings.ContainsRune(alphabet, r) {
			return Code{}, false
		}
		normal = append(normal, byte(r)) //nolint:gosec // it is in the alphabet
	}
	if len(normal) < Length {
		return Code{}, false
	}
	return Code{secret.New(string(normal))}, true
}

// Plain is the code as a hasher takes it.
func (c Code) Plain() password.Plain { return password.NewPlain(c.Reveal()) }

// Set is the hashes of the codes of one account that have not been used. They
// share one salt, so that hashing what was typed once is enough to find it
// (faults §9.5).
type Set []password.Hash

// Like is a hash with the salt of the set, of nobody when it is empty.
func (s Set) Like() password.Hash {
	if len(s) == 0 {
		return password.Hash{}
	}
	return s[0]
}

// Without returns the set without a hash, and whether it was there. It looks at
// every hash, however soon it finds one, and leaves s as it is.
func (s Set) Without(h password.Hash) (rest Set, found bool) {
	at := -1
	for i := range s {
		if s[i].Equal(h) {
			at = i
		}
	}
	if at < 0 || h.IsZero() {
		return s, false
	}
	return slices.Delete(slices.Clone(s), at, at+1), true
}
