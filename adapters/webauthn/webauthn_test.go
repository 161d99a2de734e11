package webauthn_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/adapters/webauthn"
	"gatehouse/adapters/webauthn/webauthntest"
	"gatehouse/domain/email"
	"gatehouse/domain/passkey"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/ports/outbound"
)

const (
	party  = "example.com"
	origin = "https://id.example.com"
)

func relyingParty(t testing.TB, v passkey.Verification) *webauthn.Party {
	t.Helper()
	p, err := webauthn.New(webauthn.Config{
		ID: party, Name: "Gatehouse", Origins: []string{origin, "https://app.example.com"}, Verification: v,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func ada(t testing.TB) *principal.Principal {
	t.Helper()
	address, broken := email.Parse("ada@example.com")
	if broken != nil {
		t.Fatal(broken)
	}
	return principal.NewUser("0198c0de-7a11-7b2c-9d3e-4f5061728394", "Ada Lovelace", address, password.NewHash("h"), time.Time{})
}

func challenge() secret.Text {
	b := make([]byte, 32)
	rand.Read(b)
	return secret.New(base64.RawURLEncoding.EncodeToString(b))
}

func device() *webauthntest.Device { return webauthntest.New(party, origin) }

// made is a passkey that a device has just made.
func made(t testing.TB, p *webauthn.Party, d *webauthntest.Device) passkey.Passkey {
	t.Helper()
	c := challenge()
	options, err := p.Create(c, ada(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	k, err := p.Created(d.Create(options), c)
	if err != nil {
		t.Fatal(err)
	}
	return passkey.Passkey{Key: k, ID: "p1", Principal: ada(t).ID()}
}

func TestAPasskeyIsMadeAndUsed(t *testing.T) {
	p, d := relyingParty(t, passkey.Required), device()
	d.Copyable, d.Copied, d.Counter = true, true, 3
	k := made(t, p, d)
	if !bytes.Equal(k.Credential, d.Credential()) || len(k.Public) == 0 || !k.BackupEligible || !k.BackedUp || k.SignCount != 3 || k.AAGUID == [16]byte{} {
		t.Errorf("key %+v", k)
	}
	c := challenge()
	options, err := p.Ask(c, passkey.Required, []passkey.Passkey{k})
	if err != nil {
		t.Fatal(err)
	}
	d.Copied = false
	answer := d.Use(options)
	claim, err := p.Claimed(answer)
	if err != nil || !claim.Challenge.Equal(c) || !bytes.Equal(claim.Credential, k.Credential) {
		t.Errorf("claim %+v, %v", claim, err)
	}
	use, err := p.Used(answer, c, passkey.Required, k)
	if err != nil || use != (passkey.Use{SignCount: 4, Verified: true}) {
		t.Errorf("use %+v, %v", use, err)
	}
}

func TestWhatBrowsersAreAsked(t *testing.T) {
	p, d := relyingParty(t, passkey.Required), device()
	k := made(t, p, d)
	k.Transports = []string{"usb", "internal"}
	c := challenge()
	creation, err := p.Create(c, ada(t), []passkey.Passkey{k})
	if err != nil {
		t.Fatal(err)
	}
	if !d.Holds(creation) {
		t.Error("a second passkey could be made on the same device")
	}
	request, err := p.Ask(c, passkey.Discouraged, []passkey.Passkey{k})
	if err != nil {
		t.Fatal(err)
	}
	anyones, err := p.Ask(c, passkey.Required, nil)
	if err != nil {
		t.Fatal(err)
	}
	id := base64.RawURLEncoding.EncodeToString(k.Credential)
	handle := base64.RawURLEncoding.EncodeToString([]byte(ada(t).ID()))
	for _, tc := range []struct {
		what, got, want string
	}{
		{"creation", string(creation), `{"rp":{"name":"Gatehouse","id":"example.com"},` +
			`"user":{"name":"ada@example.com","displayName":"Ada Lovelace","id":"` + handle + `"},"challenge":"` + c.Reveal() + `",` +
			`"pubKeyCredParams":[{"type":"public-key","alg":-8},{"type":"public-key","alg":-7},{"type":"public-key","alg":-257}],"timeout":300000,` +
			`"excludeCredentials":[{"type":"public-key","id":"` + id + `","transports":["usb","internal"]}],` +
			`"authenticatorSelection":{"requireResidentKey":true,"residentKey":"required","userVerification":"required"},"attestation":"none"}`},
		{"request", string(request), `{"challenge":"` + c.Reveal() + `","timeout":300000,"rpId":"example.com",` +
			`"allowCredentials":[{"type":"public-key","id":"` + id + `","transports":["usb","internal"]}],"userVerification":"discouraged"}`},
		{"request of anyone", string(anyones), `{"challenge":"` + c.Reveal() + `","timeout":300000,"rpId":"example.com","userVerification":"required"}`},
	} {
		if got, want := canonical(t, tc.got), canonical(t, tc.want); got != want {
			t.Errorf("%s\n got %s\nwant %s", tc.what, got, want)
		}
	}
}

func canonical(t *testing.T, document string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(document), &v); err != nil {
		t.Fatal(err)
	}
	b, _ := json.Marshal(v)
	return string(b)
}

// What must not be believed of a new key (faults F97).
func TestNoKeyIsTakenUnlessItWasMadeHereAndNow(t *testing.T) {
	for name, tc := range map[string]struct {
		device func(*webauthntest.Device)
		other  bool // challenge
		verify passkey.Verification
		ok     bool
	}{
		"honest":                       {verify: passkey.Required, ok: true},
		"another allowed origin":       {device: func(d *webauthntest.Device) { d.Origin = "https://app.example.com" }, verify: passkey.Required, ok: true},
		"foreign origin":               {device: func(d *webauthntest.Device) { d.Origin = "https://example.com.evil.example" }, verify: passkey.Required},
		"unlisted sibling origin":      {device: func(d *webauthntest.Device) { d.Origin = "https://other.example.com" }, verify: passkey.Required},
		"http":                         {device: func(d *webauthntest.Device) { d.Origin = "http://id.example.com" }, verify: passkey.Required},
		"foreign relying party":        {device: func(d *webauthntest.Device) { d.RelyingParty = "evil.example" }, verify: passkey.Required},
		"another challenge":            {other: true, verify: passkey.Required},
		"nobody verified":              {device: func(d *webauthntest.Device) { d.Unverified = true }, verify: passkey.Required},
		"nobody verified, nobody asks": {device: func(d *webauthntest.Device) { d.Unverified = true }, verify: passkey.Preferred, ok: true},
		"nobody there":                 {device: func(d *webauthntest.Device) { d.Absent = true }, verify: passkey.Discouraged},
		"copied though it cannot be":   {device: func(d *webauthntest.Device) { d.Copied = true }, verify: passkey.Required},
	} {
		t.Run(name, func(t *testing.T) {
			p, d, c := relyingParty(t, tc.verify), device(), challenge()
			options, err := p.Create(c, ada(t), nil)
			if err != nil {
				t.Fatal(err)
			}
			if tc.device != nil {
				tc.device(d)
			}
			answer := d.Create(options)
			if tc.other {
				c = challenge()
			}
			if _, err := p.Created(answer, c); (err == nil) != tc.ok || err != nil && !errors.Is(err, outbound.ErrAnswerInvalid) {
				t.Errorf("Created = %v, want ok %v", err, tc.ok)
			}
		})
	}
}

// What must not be believed of a use (faults F97).
func TestNoUseIsBelievedUnlessItWasAskedForHereAndNow(t *testing.T) {
	for name, tc := range map[string]struct {
		device func(*webauthntest.Device)
		stored func(*passkey.Passkey)
		other  bool // challenge
		verify passkey.Verification
		want   *passkey.Use
	}{
		"honest":                    {verify: passkey.Required, want: &passkey.Use{SignCount: 1, Verified: true}},
		"of no counter":             {device: func(d *webauthntest.Device) { d.Stuck = true }, verify: passkey.Required, want: &passkey.Use{Verified: true}},
		"foreign origin":            {device: func(d *webauthntest.Device) { d.Origin = "https://evil.example" }, verify: passkey.Required},
		"foreign relying party":     {device: func(d *webauthntest.Device) { d.RelyingParty = "evil.example" }, verify: passkey.Required},
		"another challenge":         {other: true, verify: passkey.Required},
		"another's handle":          {device: func(d *webauthntest.Device) { d.Handle = []byte("eve") }, verify: passkey.Required},
		"no handle, as is allowed":  {device: func(d *webauthntest.Device) { d.Handle = nil }, verify: passkey.Required, want: &passkey.Use{SignCount: 1, Verified: true}},
		"nobody verified":           {device: func(d *webauthntest.Device) { d.Unverified = true }, verify: passkey.Required},
		"nobody verified, fine":     {device: func(d *webauthntest.Device) { d.Unverified = true }, verify: passkey.Preferred, want: &passkey.Use{SignCount: 1}},
		"nobody there":              {device: func(d *webauthntest.Device) { d.Absent = true }, verify: passkey.Discouraged},
		"has become copyable":       {device: func(d *webauthntest.Device) { d.Copyable = true }, verify: passkey.Required},
		"is copyable no more":       {stored: func(k *passkey.Passkey) { k.BackupEligible = true }, verify: passkey.Required},
		"copied, though it cannot":  {device: func(d *webauthntest.Device) { d.Copied = true }, verify: passkey.Required},
		"signed by another key":     {stored: func(k *passkey.Passkey) { k.Public = otherKey(t) }, verify: passkey.Required},
		"of another credential":     {stored: func(k *passkey.Passkey) { k.Credential = []byte("another") }, verify: passkey.Required},
		"stored key is none at all": {stored: func(k *passkey.Passkey) { k.Public = []byte{1} }, verify: passkey.Required},
	} {
		t.Run(name, func(t *testing.T) {
			p, d, c := relyingParty(t, passkey.Preferred), device(), challenge()
			k := made(t, p, d)
			options, err := p.Ask(c, tc.verify, nil)
			if err != nil {
				t.Fatal(err)
			}
			if tc.device != nil {
				tc.device(d)
			}
			answer := d.Use(options)
			if tc.stored != nil {
				tc.stored(&k)
			}
			if tc.other {
				c = challenge()
			}
			use, err := p.Used(answer, c, tc.verify, k)
			switch {
			case tc.want == nil && !errors.Is(err, outbound.ErrAnswerInvalid):
				t.Errorf("Used = %+v, %v, want ErrAnswerInvalid", use, err)
			case tc.want != nil && (err != nil || use != *tc.want):
				t.Errorf("Used = %+v, %v, want %+v", use, err, *tc.want)
			}
		})
	}
}

func otherKey(t *testing.T) []byte {
	t.Helper()
	return made(t, relyingParty(t, passkey.Required), device()).Public
}

// An answer to a creation is none to a use, and the other way round.
func TestCeremoniesAreNotMixedUp(t *testing.T) {
	p, d, c := relyingParty(t, passkey.Required), device(), challenge()
	creation, err := p.Create(c, ada(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	k := passkey.Passkey{Key: passkey.Key{Credential: d.Credential()}, Principal: ada(t).ID()}
	if _, err := p.Used(d.Create(creation), c, passkey.Required, k); !errors.Is(err, outbound.ErrAnswerInvalid) {
		t.Errorf("a creation used: %v", err)
	}
	request, err := p.Ask(c, passkey.Required, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Created(d.Use(request), c); !errors.Is(err, outbound.ErrAnswerInvalid) {
		t.Errorf("a use created: %v", err)
	}
}

// Clients tell transports that no list of ours needs to hold.
func TestOnlyKnownTransportsAreKept(t *testing.T) {
	p, d, c := relyingParty(t, passkey.Required), device(), challenge()
	options, err := p.Create(c, ada(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	answer := strings.Replace(string(d.Create(options)), `"response":{`, `"response":{"transports":["internal","usb","carrier pigeon"],`, 1)
	k, err := p.Created([]byte(answer), c)
	if err != nil || !slices.Equal(k.Transports, []string{"usb", "internal"}) {
		t.Errorf("transports %q, %v", k.Transports, err)
	}
}

// Some clients add outputs of extensions that nobody asked for.
func TestUnaskedOutputsAreNoReasonToRefuse(t *testing.T) {
	p, d, c := relyingParty(t, passkey.Required), device(), challenge()
	options, err := p.Create(c, ada(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	answer := strings.Replace(string(d.Create(options)), `{"type"`, `{"clientExtensionResults":{"credProps":{"rk":true},"own":1},"type"`, 1)
	if _, err := p.Created([]byte(answer), c); err != nil {
		t.Error(err)
	}
}

func TestErrorsQuoteNobody(t *testing.T) {
	p, d, c := relyingParty(t, passkey.Required), device(), challenge()
	options, err := p.Ask(c, passkey.Required, nil)
	if err != nil {
		t.Fatal(err)
	}
	d.Origin = "https://canary.example"
	_, foreign := p.Used(d.Use(options), c, passkey.Required, passkey.Passkey{Key: passkey.Key{Credential: d.Credential()}})
	_, unread := p.Created([]byte(`{"id":"canary"`), c)
	_, unclaimed := p.Claimed([]byte(`{"rawId":"canary"}`))
	for _, err := range []error{foreign, unread, unclaimed} {
		if err == nil || strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), c.Reveal()) {
			t.Errorf("error %v", err)
		}
	}
}

func TestARelyingPartyIsADomain(t *testing.T) {
	for _, id := range []string{"", "127.0.0.1", "https://example.com", "example.com:443"} {
		if _, err := webauthn.New(webauthn.Config{ID: id, Name: "x", Origins: []string{origin}}); err == nil {
			t.Errorf("%q is taken for a relying party", id)
		}
	}
	if _, err := webauthn.New(webauthn.Config{ID: "localhost", Name: "x", Origins: []string{"http://localhost:8080"}}); err != nil {
		t.Error(err)
	}
}

// Whatever browsers post, nothing but what a device has signed is believed.
func FuzzAnswers(f *testing.F) {
	p, d, c := relyingParty(f, passkey.Required), device(), challenge()
	creation, err := p.Create(c, ada(f), nil)
	if err != nil {
		f.Fatal(err)
	}
	request, err := p.Ask(c, passkey.Required, nil)
	if err != nil {
		f.Fatal(err)
	}
	created := d.Create(creation)
	k, err := p.Created(created, c)
	if err != nil {
		f.Fatal(err)
	}
	stored := passkey.Passkey{Key: k, Principal: ada(f).ID()}
	f.Add(created)
	f.Add(d.Use(request))
	f.Add([]byte(`{"rawId":"AA","response":{"clientDataJSON":"e30"}}`))
	d.Origin = "https://evil.example"
	f.Add(d.Use(request))
	f.Fuzz(func(t *testing.T, answer []byte) {
		claim, unclaimed := p.Claimed(answer)
		if unclaimed == nil && (claim.Challenge.Reveal() == "" || len(claim.Credential) == 0) {
			t.Errorf("a claim to nothing: %+v", claim)
		}
		if got, err := p.Created(answer, c); err == nil {
			if unclaimed != nil || !claim.Challenge.Equal(c) || !bytes.Equal(claim.Credential, got.Credential) {
				t.Errorf("a key was taken that was claimed otherwise: %+v, %v", claim, unclaimed)
			}
		} else if !errors.Is(err, outbound.ErrAnswerInvalid) {
			t.Errorf("Created = %v", err)
		}
		if use, err := p.Used(answer, c, passkey.Required, stored); err == nil {
			if unclaimed != nil || !claim.Challenge.Equal(c) || !bytes.Equal(claim.Credential, k.Credential) || !use.Verified {
				t.Errorf("a use was believed that was claimed otherwise: %+v, %v", claim, unclaimed)
			}
		} else if !errors.Is(err, outbound.ErrAnswerInvalid) {
			t.Errorf("Used = %v", err)
		}
	})
}
