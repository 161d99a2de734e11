// Package password holds what a password is and which ones are acceptable:
// normal form, policies and the list of common passwords. How passwords are
// hashed, compared and counted is not its business.
package password

import (
	"golang.org/x/text/unicode/norm"

	"gatehouse/domain/secret"
)

// Plain is a password as someone typed it, in Unicode normal form C: the same
// characters typed on another keyboard are the same password. Form KC would
// also make different characters equal, and is never used. The zero Plain is
// one that was not sent.
type Plain struct {
	secret.Text
	tooLong bool
}

// maxBytes bounds the work of normalising: 4 KiB of combining marks take a
// fifth of a millisecond, a megabyte takes a tenth of a second.
const maxBytes = 4 << 10

// NewPlain normalises and wraps s. More than 4 KiB stay as they are, and the
// result is [Plain.TooLong].
func NewPlain(s string) Plain {
	if len(s) > maxBytes {
		return Plain{secret.New(s), true}
	}
	return Plain{secret.New(norm.NFC.String(s)), false}
}

// TooLong reports whether more than 4 KiB were sent. Such a password breaks
// max_length when it is set, and is wrong when it is compared, whatever it is
// compared with.
func (p Plain) TooLong() bool { return p.tooLong }

// Equal compares in constant time. A password that is too long equals none.
func (p Plain) Equal(q Plain) bool {
	return p.Text.Equal(q.Text) && !p.tooLong && !q.tooLong
}

// UnmarshalText lets a request body decode straight into a Plain, so that no
// printable copy exists.
func (p *Plain) UnmarshalText(b []byte) error {
	*p = NewPlain(string(b))
	return nil
}
