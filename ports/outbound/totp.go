package outbound

import (
	"time"

	"gatehouse/domain/factor"
	"gatehouse/domain/secret"
)

// TOTP makes the secrets of authenticator apps and checks their codes
// (RFC 6238: SHA-1, six digits, steps of 30 s). All its failures are
// TOTP_CODE_VALIDATION_FAILURE.
type TOTP interface {
	// NewSecret returns 160 random bits, in Base32 without padding.
	NewSecret() (secret.Text, error)
	// Step returns the step that c is the code of, if that is the one of now or
	// one beside it, and later than after: the step of the code that was
	// accepted last, 0 if none ever was. Of several it returns the earliest. It
	// compares in constant time. Who accepts a code stores its step, or the code
	// works again.
	Step(of secret.Text, c factor.Code, now time.Time, after int64) (step int64, ok bool, err error)
}

// QRCoder draws text for cameras.
type QRCoder interface {
	// QRCode returns a PNG of text, which is as secret as the text.
	QRCode(text secret.Text) (png secret.Text, err error)
}
