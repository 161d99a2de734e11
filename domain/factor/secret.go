package factor

import (
	"encoding/base32"
	"strings"

	"gatehouse/domain/secret"
)

// Sizes of secrets in bytes. RFC 4226 asks for 16; many an app was set up with
// 10.
const leastSecret, mostSecret = 10, 128

// ParseSecret reads the secret of an authenticator app that was set up
// elsewhere: Base32 with or without padding, blanks and hyphens, in any case.
// It returns what [App] keeps.
func ParseSecret(typed secret.Text) (secret.Text, bool) {
	s := strings.ToUpper(strings.NewReplacer(" ", "", "-", "").Replace(typed.Reveal()))
	s = strings.TrimRight(s, "=")
	b, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(s)
	if err != nil || strings.ContainsAny(s, "\r\n") || len(b) < leastSecret || len(b) > mostSecret {
		return secret.Text{}, false
	}
	return secret.New(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b)), true
}
