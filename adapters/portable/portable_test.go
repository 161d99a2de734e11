package portable_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"

	"gatehouse/adapters/portable"
	"gatehouse/domain/factor"
	"gatehouse/domain/fault"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/ports/inbound"
)

func ada() inbound.PortableUser {
	return inbound.PortableUser{
		ID: "01a213b1-ea27-7750-a579-48c9ce9f44e1", Email: "Ada@Example.com", Name: "Ada <L> & \u00e9", EmailVerified: true, Admin: true, Disabled: true,
		Groups: []string{"a", "b"}, CreatedAt: time.Date(2028, 2, 29, 12, 0, 0, 123456000, time.UTC), PasswordHash: password.NewHash("$2b$hash"),
		Identities: []principal.Identity{{Provider: "github", Subject: "1"}}, Factors: []factor.Method{factor.TOTP, factor.Email}, Preferred: factor.Email,
		TOTPSecret: secret.New("JBSWY3DPEHPK3PXP"), RecoveryCodes: []password.Hash{password.NewHash("one"), password.NewHash("two")},
	}
}

func read(t *testing.T, text string) (users []inbound.PortableUser, wrong []string) {
	t.Helper()
	r := portable.NewReader(strings.NewReader(text))
	for {
		u, err := r.Next()
		broken, isLine := errors.AsType[*fault.Error](err)
		switch {
		case errors.Is(err, io.EOF):
			return users, wrong
		case isLine:
			for _, v := range broken.Broken() {
				wrong = append(wrong, fmt.Sprintf("%d %s:%s", r.Line(), v.Field, v.Rule))
			}
		case err != nil:
			t.Fatal(err)
		default:
			users = append(users, u)
		}
	}
}

// plain is u with what compares by pointer as text.
func plain(u inbound.PortableUser) any {
	texts := []string{u.PasswordHash.Encoded(), u.TOTPSecret.Reveal()}
	for _, h := range u.RecoveryCodes {
		texts = append(texts, h.Encoded())
	}
	u.PasswordHash, u.TOTPSecret, u.RecoveryCodes = password.Hash{}, secret.Text{}, nil
	return []any{fmt.Sprintf("%+v", u), texts}
}

func TestWhatIsWrittenIsReadAgain(t *testing.T) {
	least := inbound.PortableUser{ID: "01a213b1-ea27-7750-a579-48c9ce9f44e2", Email: "eve@example.com", Name: "Eve", CreatedAt: ada().CreatedAt}
	var out bytes.Buffer
	w := portable.NewWriter(&out)
	for _, u := range []inbound.PortableUser{ada(), least} {
		if err := w.Write(u); err != nil {
			t.Fatal(err)
		}
	}
	users, wrong := read(t, out.String())
	if len(users) != 2 || wrong != nil || !reflect.DeepEqual(plain(users[0]), plain(ada())) || !reflect.DeepEqual(plain(users[1]), plain(least)) {
		t.Errorf("%s\nreads as %+v %v", out.String(), users, wrong)
	}
	if strings.Count(out.String(), "\n") != 2 || !strings.Contains(out.String(), `"name":"Ada <L> & é"`) {
		t.Errorf("written: %s", out.String())
	}
}

func TestLinesThatAreNoUserAreNamedAndNotQuoted(t *testing.T) {
	const canary = "s3cr3t"
	for line, want := range map[string]string{
		`{"email":"a@example.com"`:                       "line:json",
		`{"email":"a@example.com"}{}`:                    "line:json",
		`{"email":"a@example.com"} x`:                    "line:json",
		`[]`:                                             "line:json",
		`"` + canary + `"`:                               "line:json",
		`null x`:                                         "line:json",
		`{"email":17}`:                                   "email:type",
		`{"passwordHash":{"` + canary + `":1}}`:          "passwordHash:type",
		`{"totpSecret":["` + canary + `"]}`:              "totpSecret:type",
		`{"emailVerified":"yes"}`:                        "emailVerified:type",
		`{"identities":[{"provider":1}]}`:                "identities.provider:type",
		`{"firebaseScrypt":{"rounds":"` + canary + `"}}`: "firebaseScrypt.rounds:type",
		`{"password_hash":"` + canary + `"}`:             "password_hash:enum",
		`{"roles":["ROOT"]}`:                             "roles:enum",
		`{"roles":["GUEST"]}`:                            "roles:enum",
		`{"createdAt":"yesterday"}`:                      "createdAt:instant",
		`{"createdAt":"2028-02-30T00:00:00Z"}`:           "createdAt:instant",
	} {
		if users, wrong := read(t, "\n"+line+"\n"); users != nil || len(wrong) != 1 || wrong[0] != "2 "+want {
			t.Errorf("%s: %+v, %v, want %s", line, users, wrong, want)
		}
		if _, err := portable.NewReader(strings.NewReader(line)).Next(); err == nil || strings.Contains(fmt.Sprintf("%v %+v", err, err), canary) {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestNobodyIsInAFileTwice(t *testing.T) {
	const id = "01a213b1-ea27-7750-a579-48c9ce9f44e1"
	users, wrong := read(t, `{"id":"`+id+`","email":"a@example.com"}
{"id":"`+strings.ToUpper(id)+`","email":"b@example.com"}

{"email":"A@EXAMPLE.com"}
{"email":"c@example.com"}
{}
{}
`)
	if len(users) != 4 || strings.Join(wrong, " ") != "2 id:exclusive 4 email:exclusive" {
		t.Errorf("%+v, %v", users, wrong)
	}
}

func TestFirebaseUsersHaveTheHashThatHashersRead(t *testing.T) {
	users, wrong := read(t, `{"email":"f@example.com","passwordHash":"a-_w==","firebaseScrypt":{"salt":"c-Fs","saltSeparator":"B_==","signerKey":"a-V5","rounds":8,"memoryCost":14}}`)
	if len(wrong) != 0 || users[0].PasswordHash.Encoded() != "$fbscrypt$v=1,n=14,r=8,p=1,ss=B/==,sk=a+V5$c+Fs$a+/w==" {
		t.Errorf("%v, %q", wrong, users[0].PasswordHash.Encoded())
	}
}

func TestALineHasAnEnd(t *testing.T) {
	r := portable.NewReader(strings.NewReader("{}\n" + `{"name":"` + strings.Repeat("x", 1<<20)))
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	_, err := r.Next()
	if _, isLine := errors.AsType[*fault.Error](err); err == nil || isLine || errors.Is(err, io.EOF) || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("Next = %v", err)
	}
}

func seal(t *testing.T, text string, passphrase secret.Text, recipients ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := portable.Encrypt(&out, passphrase, recipients)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func says(text string) func() (secret.Text, error) {
	return func() (secret.Text, error) { return secret.New(text), nil }
}

func TestWhoHasTheKeyReads(t *testing.T) {
	portable.Cheap(t)
	const text = "{}\n"
	mine, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	quantum, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	toQuantum := seal(t, text, secret.Text{}, quantum.Recipient().String())
	nobody := func() (secret.Text, error) {
		t.Error("asked for a passphrase")
		return secret.Text{}, io.ErrUnexpectedEOF
	}
	byWords, byKeys := seal(t, text, secret.New("open sesame")), seal(t, text, secret.Text{}, mine.Recipient().String())
	var armored bytes.Buffer
	a := armor.NewWriter(&armored)
	_, _ = a.Write(byKeys)
	_ = a.Close()
	ids := func(i fmt.Stringer) io.Reader { return strings.NewReader("# mine\n" + i.String() + "\n") }
	for name, c := range map[string]struct {
		file []byte
		keys portable.Keys
		ok   bool
	}{
		"a passphrase":          {byWords, portable.Keys{Passphrase: says("open sesame")}, true},
		"another passphrase":    {byWords, portable.Keys{Passphrase: says("open barley")}, false},
		"no passphrase":         {byWords, portable.Keys{Passphrase: says("")}, false},
		"an identity":           {byKeys, portable.Keys{Identities: ids(mine), Passphrase: nobody}, true},
		"another identity":      {byKeys, portable.Keys{Identities: ids(quantum), Passphrase: nobody}, false},
		"a hybrid identity":     {toQuantum, portable.Keys{Identities: ids(quantum), Passphrase: nobody}, true},
		"armor":                 {armored.Bytes(), portable.Keys{Identities: ids(mine), Passphrase: nobody}, true},
		"no identity":           {byKeys, portable.Keys{Passphrase: nobody}, false},
		"no identity in a file": {byKeys, portable.Keys{Identities: strings.NewReader("x"), Passphrase: nobody}, false},
		"a file in plain text":  {[]byte(text), portable.Keys{Passphrase: nobody}, true},
		"changed":               {append(bytes.Clone(byKeys[:len(byKeys)-1]), byKeys[len(byKeys)-1]^1), portable.Keys{Identities: ids(mine), Passphrase: nobody}, false},
		"cut off":               {byKeys[:len(byKeys)-1], portable.Keys{Identities: ids(mine), Passphrase: nobody}, false},
	} {
		r, err := portable.Decrypt(bytes.NewReader(c.file), c.keys)
		var got []byte
		if err == nil {
			got, err = io.ReadAll(r)
		}
		if (err == nil) != c.ok || c.ok && string(got) != text {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if bytes.Contains(byWords, []byte(text)) || bytes.Contains(byKeys, []byte(text)) {
		t.Error("the text stands in the file")
	}
}

// Whoever wrote the file says what its passphrase costs: not more than there is.
func TestAPassphraseCostsNoMoreThanAGigabyte(t *testing.T) {
	file := "age-encryption.org/v1\n-> scrypt " + strings.Repeat("A", 22) + " 21\n" + strings.Repeat("A", 43) + "\n--- " + strings.Repeat("A", 43) + "\n"
	_, err := portable.Decrypt(strings.NewReader(file+strings.Repeat("x", 100)), portable.Keys{Passphrase: says("open sesame")})
	if err == nil || !strings.Contains(err.Error(), "work factor too large") {
		t.Errorf("Decrypt = %v", err)
	}
}

func TestAFileIsForSomebody(t *testing.T) {
	portable.Cheap(t)
	secretKey, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		passphrase secret.Text
		to         []string
	}{
		"nobody":       {},
		"a stranger":   {to: []string{"ssh-ed25519 AAAA"}},
		"a secret key": {to: []string{secretKey.String()}},
		"two kinds":    {secret.New("open sesame"), []string{secretKey.Recipient().String()}},
	} {
		if w, err := portable.Encrypt(io.Discard, c.passphrase, c.to); w != nil || err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: %v, %v", name, w, err)
		}
	}
}

func FuzzNext(f *testing.F) {
	f.Add(`{"email":"a@example.com","name":"x"}` + "\n" + `{"totpSecret":1}`)
	f.Add(`{"firebaseScrypt":{"rounds":1e9},"passwordHash":"$"}`)
	f.Add("\n\n{\"createdAt\":\"\"}")
	f.Fuzz(func(t *testing.T, text string) {
		r := portable.NewReader(strings.NewReader(text))
		for range strings.Count(text, "\n") + 2 {
			u, err := r.Next()
			broken, isLine := errors.AsType[*fault.Error](err)
			if errors.Is(err, io.EOF) || err != nil && !isLine {
				return
			}
			if isLine && len(broken.Broken()) == 0 {
				t.Errorf("%q: a line is refused for nothing", text)
			}
			if err == nil {
				if err := portable.NewWriter(io.Discard).Write(u); err != nil {
					t.Errorf("%q: %v", text, err)
				}
			}
		}
		t.Errorf("%q has more users than lines", text)
	})
}
