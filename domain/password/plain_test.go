package password_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"

	"gatehouse/domain/password"
)

func TestOneDecodedPasswordForTwoKeyboards(t *testing.T) {
	var composed, decomposed struct{ P password.Plain }
	for text, into := range map[string]any{
		`{"P":"caf\u00e9"}`:  &composed,
		`{"P":"cafe\u0301"}`: &decomposed,
	} {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Fatal(err)
		}
	}
	if !composed.P.Equal(decomposed.P) || composed.P.Reveal() != "caf\u00e9" {
		t.Errorf("%q and %q", composed.P.Reveal(), decomposed.P.Reveal())
	}
}

func TestWhatIsKeptApart(t *testing.T) {
	long := strings.Repeat("x", 255)
	at := func(i int) string { return long[:i] + "y" + long[i+1:] }
	for name, pair := range map[string][2]string{
		"compatible characters": {"\ufb01nd", "find"},
		"width":                 {"\uff21bc", "Abc"},
		"case":                  {"Secret", "secret"},
		"byte 73":               {long, at(72)},
		"byte 200":              {long, at(199)},
		"last byte":             {long, at(254)},
		"length":                {long, long + "x"},
		"after NUL":             {"a\x00b", "a\x00c"},
		"blank in front":        {" secret", "secret"},
		"blank behind":          {"secret ", "secret"},
	} {
		if p, q := password.NewPlain(pair[0]), password.NewPlain(pair[1]); p.Equal(q) || p.Reveal() == q.Reveal() {
			t.Errorf("%s: %q equals %q", name, pair[0], pair[1])
		}
	}
}

func TestTooLongIsDecidedOnTheRawBytes(t *testing.T) {
	for name, tc := range map[string]struct {
		s    string
		want bool
	}{
		"empty":            {"", false},
		"4 KiB":            {strings.Repeat("x", 4096), false},
		"one byte more":    {strings.Repeat("x", 4097), true},
		"long only in NFD": {strings.Repeat("e\u0301", 1366), true},
		"1 MiB":            {"a" + strings.Repeat("\u0301", 1<<19), true},
	} {
		t.Run(name, func(t *testing.T) {
			p := password.NewPlain(tc.s)
			if p.TooLong() != tc.want {
				t.Errorf("TooLong() = %v", p.TooLong())
			}
			if tc.want && p.Reveal() != tc.s {
				t.Error("a password that is too long was changed")
			}
			if p.Equal(password.NewPlain(tc.s)) == tc.want {
				t.Error("a password that is too long must be wrong, any other equals itself")
			}
		})
	}
}

func TestMissingDiffersFromEmpty(t *testing.T) {
	if !(password.Plain{}).Missing() || password.NewPlain("").Missing() || password.NewPlain("").Equal(password.Plain{}) {
		t.Error("a missing password is an empty one")
	}
}

func TestHash(t *testing.T) {
	const phc = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA"
	h := password.NewHash(phc)
	if h.Encoded() != phc || h.IsZero() || !h.Equal(password.NewHash(phc)) || h.Equal(password.NewHash(phc+"x")) {
		t.Error("a hash is not what it was made of")
	}
	none := password.NewHash("")
	if !none.IsZero() || none.Encoded() != "" || !none.Equal(password.Hash{}) || none.Equal(h) {
		t.Error("the empty hash is not the zero Hash")
	}
}

func TestPlainAndHashNeverPrint(t *testing.T) {
	const text, long = "correct horse battery", "overlong"
	type inner struct {
		Next   password.Plain
		hidden password.Plain
		Hash   password.Hash
		stored password.Hash
	}
	type command struct {
		inner
		List []password.Plain
		m    map[string]password.Hash
		p    *password.Hash
	}
	p, h, l := password.NewPlain(text), password.NewHash(text), password.NewPlain(strings.Repeat(long, 1000))
	c := command{inner{p, l, h, h}, []password.Plain{p, l}, map[string]password.Hash{"k": h}, &h}
	values := []any{c, &c, c.inner, c.Next, &c.Next, c.hidden, c.Hash, &c.Hash, c.stored, c.List, c.m, c.p}

	var out bytes.Buffer
	for _, logs := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
		for _, v := range values {
			slog.New(logs).Info("x", "v", v)
		}
	}
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%T"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		if err := json.NewEncoder(&out).Encode(v); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&out, fmt.Errorf("wrapped: %v", v))
	}
	decimal := strings.Trim(fmt.Sprintf("%d", []byte(text)), "[]")
	for _, leak := range []string{text, long, fmt.Sprintf("%x", text), fmt.Sprintf("%X", text), decimal} {
		if strings.Contains(out.String(), leak) {
			t.Fatalf("%q leaked:\n%s", leak, &out)
		}
	}
	if p.String() != h.String() || p.GoString() != h.GoString() || !strings.Contains(out.String(), h.String()) {
		t.Error("Plain and Hash are redacted differently")
	}
}

// Equivalent spellings must be one password, and normalising must be stable.
// The library breaks runs of more than 30 marks, which no password has; there
// the spellings may differ, but nothing may fail.
func FuzzNewPlain(f *testing.F) {
	f.Add("cafe\u0301")
	f.Add("\u1112\u1161\u11ab \u212b \ufb01")
	f.Add("\xff\xfe\u0301")
	f.Add("a" + strings.Repeat("\u0301\u0323", 40))
	f.Fuzz(func(t *testing.T, s string) {
		p := password.NewPlain(s)
		if p.TooLong() != (len(s) > 4096) {
			t.Fatalf("TooLong() = %v for %d bytes", p.TooLong(), len(s))
		}
		if len(s) > 1024 || strings.ContainsRune(p.Reveal(), '\u034f') {
			return
		}
		for _, form := range []norm.Form{norm.NFC, norm.NFD} {
			if q := password.NewPlain(form.String(s)); !p.Equal(q) {
				t.Fatalf("%q is %q as typed and %q in form %v", s, p.Reveal(), q.Reveal(), form)
			}
		}
	})
}
