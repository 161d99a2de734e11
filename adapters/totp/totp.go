// Package totp implements outbound.TOTP with pquerna/otp. It owns the
// parameters of the contract (§7.4) and the window of steps. It keeps no
// secret, and does not know which step was accepted last.
package totp

import (
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"

	"gatehouse/domain/factor"
	"gatehouse/domain/fault"
	"gatehouse/domain/secret"
	"gatehouse/ports/outbound"
)

var _ outbound.TOTP = Codes{}

const (
	secretSize = 20 // bytes: the output of SHA-1 (RFC 4226 §4, R6)
	period     = 30 // seconds
	skew       = 1  // steps a clock may be off, either way
)

var options = hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1}

// Codes is an [outbound.TOTP].
type Codes struct{}

// NewSecret implements [outbound.TOTP].
func (Codes) NewSecret() (secret.Text, error) {
	random := make([]byte, secretSize)
	if _, err := rand.Read(random); err != nil {
		return secret.Text{}, failure(fmt.Errorf("make a secret: %w", err))
	}
	return secret.New(base32.StdEncoding.EncodeToString(random)), nil
}

// Step implements [outbound.TOTP]. The library is asked step by step: it does
// not tell which of several matched, and its window begins in the middle.
func (Codes) Step(of secret.Text, c factor.Code, now time.Time, after int64) (step int64, ok bool, err error) {
	if of.Missing() || c.Missing() {
		return 0, false, failure(errors.New("a code needs a secret, and a secret needs a code"))
	}
	current := now.Unix() / period
	for s := max(current-skew, after+1, 0); s <= current+skew; s++ {
		matches, err := hotp.ValidateCustom(c.Reveal(), uint64(s), of.Reveal(), options)
		if err != nil {
			return 0, false, failure(errors.New("the secret is not in base32")) // err may quote it
		}
		if matches && !ok {
			step, ok = s, true
		}
	}
	return step, ok, nil
}

func failure(cause error) error { return fault.New(fault.TOTPCodeValidationFailure).Because(cause) }
