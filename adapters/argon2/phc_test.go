package argon2

import (
	"strings"
	"testing"

	"github.com/go-crypt/crypt/algorithm"
)

// Whatever is taken for a hash has one spelling and can be computed without
// harm.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
		"$argon2id$v=19$m=262144,t=10,p=4$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
		"$argon2id$v=19$m=99999999999,t=2,p=255$c29tZXNhbHQ$nf65EOgLrQMR",
		"$argon2i$v=19$m=256,t=2,p=1$$", "$2a$10$N9qo8uLOickgx2ZMRZoMye", "", "$$$$$",
	} {
		f.Add(s)
	}
	f.Add("$argon2i$v=19$m=256,t=2,p=2$c29tZXNhbHRzb21lc2FsdA$a8qUmg4CUxjD/jpXa+f6afOEMUhRPGUyhCemlf/FHj0")
	f.Fuzz(func(t *testing.T, s string) {
		of, c, err := parse(s)
		switch {
		case err != nil:
			if of != nil || c != (cost{}) || len(s) > 8 && strings.Contains(err.Error(), s) {
				t.Errorf("parse(%q) = %v, %+v, %v", s, of, c, err)
			}
		case of.(algorithm.Digest).Encode() != s:
			t.Errorf("parse(%q) encodes to %q", s, of.(algorithm.Digest).Encode())
		case c.memory > 256<<10 || c.iterations > 10 || c.lanes > 4 || c.salt < 8 || c.output < 16 || c.output > 64 ||
			c.memory < 8*c.lanes || c.iterations < 1 || c.lanes < 1:
			t.Errorf("parse(%q) lets %+v through", s, c)
		}
	})
}
