// Package secret holds text that must never be printed: passwords, tokens and
// codes, from the moment they are decoded.
package secret

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"log/slog"
)

const redacted = "[redacted]"

// Text is a secret someone typed or sent. Its zero value is one that was not
// sent at all. The text hides behind a pointer, because fmt ignores String and
// Format on values it reaches through unexported fields; a pointer prints as
// an address there.
type Text struct{ s *string }

// New wraps s.
func New(s string) Text { return Text{s: &s} }

// Reveal returns the secret. Call it where the secret is used up, nowhere else.
func (t Text) Reveal() string {
	if t.s == nil {
		return ""
	}
	return *t.s
}

// Missing reports whether no secret was sent, which differs from an empty one.
func (t Text) Missing() bool { return t.s == nil }

// Equal compares in constant time and tells nothing about lengths either.
func (t Text) Equal(u Text) bool {
	a, b := sha256.Sum256([]byte(t.Reveal())), sha256.Sum256([]byte(u.Reveal()))
	return t.Missing() == u.Missing() && subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// UnmarshalText lets a request body decode straight into a Text, so that no
// printable copy exists.
func (t *Text) UnmarshalText(b []byte) error {
	*t = New(string(b))
	return nil
}

func (Text) String() string               { return redacted }
func (Text) GoString() string             { return redacted }
func (Text) Format(f fmt.State, _ rune)   { _, _ = f.Write([]byte(redacted)) }
func (Text) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (Text) MarshalText() ([]byte, error) { return []byte(redacted), nil }
