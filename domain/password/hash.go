package password

import (
	"fmt"
	"log/slog"

	"gatehouse/domain/secret"
)

// Hash is an encoded password hash (PHC string format) that cannot be printed.
// The zero Hash means that there is no password. Like [secret.Text] it hides
// behind a pointer, so compare with [Hash.Equal]; == does not compile.
type Hash struct {
	_       [0]func()
	encoded secret.Text
}

// NewHash wraps an encoded hash; "" gives the zero Hash.
func NewHash(encoded string) Hash {
	if encoded == "" {
		return Hash{}
	}
	return Hash{encoded: secret.New(encoded)}
}

// Encoded returns the PHC string, "" for the zero Hash. Call it to store or to
// compare, nowhere else.
func (h Hash) Encoded() string { return h.encoded.Reveal() }

// IsZero reports whether there is no password.
func (h Hash) IsZero() bool { return h.encoded.Missing() }

// Equal reports whether both are the same string, which is not whether they
// are of the same password.
func (h Hash) Equal(o Hash) bool { return h.encoded.Equal(o.encoded) }

func (h Hash) String() string                { return h.encoded.String() }
func (h Hash) GoString() string              { return h.encoded.GoString() }
func (h Hash) Format(f fmt.State, verb rune) { h.encoded.Format(f, verb) }
func (h Hash) LogValue() slog.Value          { return h.encoded.LogValue() }
func (h Hash) MarshalText() ([]byte, error)  { return h.encoded.MarshalText() }
