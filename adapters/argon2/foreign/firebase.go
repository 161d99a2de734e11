package foreign

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/base64"
	"strings"

	"golang.org/x/crypto/scrypt"
)

// firebase is a hash of Firebase Authentication: scrypt makes a key of the
// password and of salt and separator, with which a key of the project, the
// signer key, is encrypted (AES-256-CTR from zero). What comes out is the hash
// (github.com/firebase/scrypt).
type firebase struct {
	cost            scryptParameters
	salt            []byte // and separator
	signer, expects []byte
}

// parseFirebase reads the spelling that others who import from there use too:
//
//	$fbscrypt$v=1,n=14,r=8,p=1,ss=SEPARATOR,sk=SIGNER_KEY$SALT$HASH
//
// n is the memory cost, r the rounds, and all texts are padded base64.
func parseFirebase(s string) (*Digest, error) {
	parts, err := split(s, 5)
	if err != nil {
		return nil, err
	}
	rest, isFirst := strings.CutPrefix(parts[2], "v=1,")
	fields := strings.Split(rest, ",")
	if !isFirst || len(fields) != 5 {
		return nil, ErrUnknown
	}
	c, ok := scryptCost(strings.Join(fields[:3], ","), "n=%d,r=%d,p=%d")
	separator, hasSeparator := strings.CutPrefix(fields[3], "ss=")
	signer, hasSigner := strings.CutPrefix(fields[4], "sk=")
	if !ok || !hasSeparator || !hasSigner {
		return nil, ErrUnknown
	}
	f := firebase{cost: c}
	var middle []byte
	for _, field := range []struct {
		text string
		into *[]byte
	}{{parts[3], &f.salt}, {separator, &middle}, {signer, &f.signer}, {parts[4], &f.expects}} {
		if *field.into, ok = decode(field.text); !ok {
			return nil, ErrUnknown
		}
	}
	if !c.affordable() || !within(len(f.salt), leastSalt, mostSalt) || len(middle) > mostSalt ||
		!within(len(f.signer), leastOutput, 4*mostOutput) {
		return nil, ErrTooCostly
	}
	if len(f.expects) != len(f.signer) {
		return nil, ErrUnknown
	}
	f.salt = append(f.salt, middle...)
	return &Digest{f, 0}, nil
}

func decode(text string) ([]byte, bool) {
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	return b, err == nil && base64.StdEncoding.EncodeToString(b) == text
}

// MatchAdvanced compares in constant time.
func (f firebase) MatchAdvanced(text string) (bool, error) {
	key, err := scrypt.Key([]byte(text), f.salt, 1<<f.cost.logN, f.cost.r, f.cost.p, 32)
	if err != nil {
		return false, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return false, err
	}
	got := make([]byte, len(f.signer))
	cipher.NewCTR(block, make([]byte, aes.BlockSize)).XORKeyStream(got, f.signer) //nolint:gosec // it is defined so: the key is used once
	return subtle.ConstantTimeCompare(got, f.expects) == 1, nil
}
