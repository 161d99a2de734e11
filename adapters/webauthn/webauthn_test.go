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
	"gatehouse/domain/fault"
	"gatehouse/domain/passkey"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/ports/outbound"
	"gatehouse/ports/outbound/outboundtest"
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

// held is a device as the suite knows it.
type held struct{ *webauthntest.Device }

func (h held) Behave(b outboundtest.Behaviour) {
	h.RelyingParty, h.Origin = b.RelyingParty, b.Origin
	h.Unverified, h.Absent, h.Copyable, h.Copied, h.Stuck = b.Unverified, b.Absent, b.Copyable, b.Copied, b.Stuck
	if b.Handle != "" {
		h.Handle = []byte(b.Handle)
	}
}

func TestAuthenticators(t *testing.T) {
	outboundtest.Authenticators(t, outboundtest.AuthenticatorMaker{
		RelyingParty: party, Origin: origin, Other: "https://app.example.com",
		Open:   func(t *testing.T, v passkey.Verification) outbound.Authenticators { return relyingParty(t, v) },
		Device: func() outboundtest.Device { return held{device()} },
	})
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

// A service without a domain says that it has no such thing.
func TestNowhereHasNoPasskeys(t *testing.T) {
	var n webauthn.Nowhere
	_, creates := n.Create(challenge(), ada(t), nil)
	_, created := n.Created(nil, challenge())
	_, asks := n.Ask(challenge(), passkey.Required, nil)
	_, claims := n.Claimed(nil)
	_, uses := n.Used(nil, challenge(), passkey.Required, passkey.Passkey{})
	for i, err := range []error{creates, created, asks, claims, uses} {
		if fault.CodeOf(err) != fault.RouteNotFound {
			t.Errorf("call %d: %v", i, err)
		}
	}
}
