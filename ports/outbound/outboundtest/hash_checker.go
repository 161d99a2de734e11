package outboundtest

import (
	"errors"
	"testing"

	"gatehouse/domain/password"
	"gatehouse/ports/outbound"
)

// HashChecker runs the suite of [outbound.HashChecker]: what it passes can be
// judged by the hasher that it is, and nothing else. Those it has to know are of
// other systems, by name; text is the password all of them are of.
func HashChecker(t *testing.T, open func(t *testing.T) (outbound.HashChecker, outbound.Hasher), text string, known map[string]string) {
	check, hasher := open(t)
	turn, err := hasher.Admit(t.Context(), "192.0.2.0/24")
	if err != nil {
		t.Fatal(err)
	}
	defer turn.Done()
	own, err := turn.Hash(password.NewPlain(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := check.Check(own); err != nil {
		t.Errorf("its own hash: %v", err)
	}
	for name, encoded := range known {
		h := password.NewHash(encoded)
		if err := check.Check(h); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if ok, outdated, err := turn.Matches(password.NewPlain(text), h); !ok || !outdated || err != nil {
			t.Errorf("%s: Matches = %v, %v, %v, want it outdated", name, ok, outdated, err)
		}
		if ok, outdated, err := turn.Matches(password.NewPlain(text+"x"), h); ok || outdated || err != nil {
			t.Errorf("%s: Matches of another password = %v, %v, %v", name, ok, outdated, err)
		}
	}
	for encoded, want := range map[string]error{
		"": outbound.ErrHashUnknown, "plain text": outbound.ErrHashUnknown, "$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/": outbound.ErrHashUnknown,
		"5f4dcc3b5aa765d61d8327deb882cf99":                                                         outbound.ErrHashUnknown,
		"$argon2id$v=19$m=4194304,t=1,p=1$c2FsdHNhbHQ$a2V5a2V5a2V5a2V5a2V5":                        outbound.ErrHashTooCostly,
		"$argon2id$v=19$m=65536,t=1,p=255$c2FsdHNhbHQ$a2V5a2V5a2V5a2V5a2V5":                        outbound.ErrHashTooCostly,
		"$2b$31$abcdefghijklmnopqrstuuR5uy782Qx/UHkrBefTMKxGi.ufnQrC.":                             outbound.ErrHashTooCostly,
		"$scrypt$ln=24,r=8,p=1$AAECAwQFBgcICQoLDA0ODw$iS664JNnzQHI5NaFkX1CvvtAUmuj+KhFPNBVe7P75BM": outbound.ErrHashTooCostly,
	} {
		h := password.NewHash(encoded)
		if err := check.Check(h); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", encoded, err, want)
		}
		if ok, _, err := turn.Matches(password.NewPlain(text), h); ok || err == nil && encoded != "" {
			t.Errorf("%q: Matches = %v, %v", encoded, ok, err)
		}
	}
}
