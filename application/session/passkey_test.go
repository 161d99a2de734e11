package session_test

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"testing"
	"time"

	"gatehouse/adapters/webauthn"
	"gatehouse/adapters/webauthn/webauthntest"
	"gatehouse/application/passkey"
	app "gatehouse/application/session"
	"gatehouse/domain/client"
	"gatehouse/domain/factor"
	"gatehouse/domain/fault"
	"gatehouse/domain/onetime"
	domain "gatehouse/domain/passkey"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/domain/token"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

// keyring is a world with passkeys.
type keyring struct {
	*world

	party *webauthn.Party
	ada   *principal.Principal
	phone *webauthntest.Device
}

func newKeyring(t *testing.T) *keyring {
	t.Helper()
	w := newWorld(t)
	party, err := webauthn.New(webauthn.Config{
		ID: "example.com", Name: "Gatehouse", Origins: []string{"https://example.com"}, Verification: domain.Required,
	})
	if err != nil {
		t.Fatal(err)
	}
	k := &keyring{w, party, w.load(t, "ada"), webauthntest.New("example.com", "https://example.com")}
	challenge := k.secret()
	question, err := party.Create(challenge, k.ada, nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := party.Created(k.phone.Create(question), challenge)
	if err != nil {
		t.Fatal(err)
	}
	w.change(t, "ada", func(p *principal.Principal) { p.EnableFactor(factor.Passkey) })
	w.within(t, func(ctx context.Context, s outbound.Stores) error {
		return s.Passkeys.Add(ctx, domain.Passkey{Key: key, ID: "k1", Principal: "ada", Name: "Phone", CreatedAt: w.clock()})
	})
	return k
}

// secret is 256 bits that no test needs to be random.
func (k *keyring) secret() secret.Text {
	b := make([]byte, 32)
	copy(b, k.id())
	return secret.New(base64.RawURLEncoding.EncodeToString(b))
}

func (k *keyring) asking() passkey.AskerDeps {
	return passkey.AskerDeps{Work: k.store, Authenticators: k.party, Second: domain.Required, NewSecret: k.secret, Now: k.clock}
}

func (k *keyring) proving() app.PasskeyDeps {
	return app.PasskeyDeps{
		Work: k.store, Entrance: k.entrance(), Now: k.clock,
		Judge: passkey.NewJudge(passkey.JudgeDeps{Work: k.store, Authenticators: k.party, Second: domain.Required, Now: k.clock}),
	}
}

// answers is a sign-in by what the phone says.
func (k *keyring) answers(t *testing.T) inbound.SignInWithPasskey {
	t.Helper()
	question, err := passkey.NewSignInAsker(k.asking()).Do(t.Context(), inbound.BeginPasskeySignIn{})
	if err != nil {
		t.Fatal(err)
	}
	return inbound.SignInWithPasskey{Context: inbound.Context{From: client.Info{}}, Answer: k.phone.Use(question)}
}

func TestAPasskeySignsIn(t *testing.T) {
	k := newKeyring(t)
	in, err := app.NewPasskeySignerIn(k.proving()).Do(t.Context(), k.answers(t))
	if err != nil {
		t.Fatal(err)
	}
	if code := k.accepts(t, in.Tokens.Access); code != "" {
		t.Errorf("the access token is refused with %s", code)
	}
	if s := k.stored(t, in.SessionID); s.PrincipalID != "ada" || !slices.Equal(s.Proven.AMR(), []string{"passkey", "mfa"}) {
		t.Errorf("session %+v", s)
	}
	if who, where := in.Whom(); who != "ada" || where != in.SessionID {
		t.Errorf("the record says %s in %s", who, where)
	}
}

// The record of a refused copy says whose it is: the caller is nobody.
func TestTheRecordOfACopySaysWhoseItIs(t *testing.T) {
	k := newKeyring(t)
	signs := app.NewPasskeySignerIn(k.proving())
	if _, err := signs.Do(t.Context(), k.answers(t)); err != nil {
		t.Fatal(err)
	}
	k.phone.Stuck = true
	in, err := signs.Do(t.Context(), k.answers(t))
	if who, where := in.Whom(); !errors.Is(err, fault.PasskeyCloned) || who != "ada" || where != "" || !in.Tokens.Access.Missing() {
		t.Errorf("a copy: %v, of %s in %s", err, who, where)
	}
	challenge := onetime.Item{Kind: onetime.Challenge, Principal: "ada"}
	question, err := passkey.NewSecondAsker(k.asking()).Do(t.Context(), inbound.BeginPasskeySecond{Challenge: challenge})
	if err != nil {
		t.Fatal(err)
	}
	in, err = app.NewPasskeySignInCompleter(k.proving()).Do(t.Context(), inbound.CompleteSignInWithPasskey{
		Challenge: challenge, Answer: k.phone.Use(question),
	})
	if who, _ := in.Whom(); !errors.Is(err, fault.PasskeyCloned) || who != "ada" {
		t.Errorf("a copy as a second factor: %v, of %s", err, who)
	}
	if n := len(k.sessions(t, "ada")); n != 1 {
		t.Errorf("%d sessions", n)
	}
}

// A use that was stored while another one was judged is judged against: it may
// be the copy.
func TestAUseThatIsOvertakenIsJudgedAgain(t *testing.T) {
	k := newKeyring(t)
	first, second := k.answers(t), k.answers(t) // the counter of second is the higher one
	deps := k.proving()
	once := false
	deps.Work = between{k.store, func() {
		if !once {
			once = true
			if _, err := app.NewPasskeySignerIn(k.proving()).Do(t.Context(), second); err != nil {
				t.Error(err)
			}
		}
	}}
	if _, err := app.NewPasskeySignerIn(deps).Do(t.Context(), first); !errors.Is(err, fault.PasskeyCloned) {
		t.Errorf("the overtaken use: %v", err)
	}
	if n := len(k.sessions(t, "ada")); n != 1 {
		t.Errorf("%d sessions", n)
	}
}

// Both look at the challenge, one comes in, and the other then finds a counter
// that has not grown.
func TestAnAnswerThatIsSentTwiceIsNoCopy(t *testing.T) {
	k := newKeyring(t)
	answer := k.answers(t)
	deps := k.proving()
	deps.Judge = passkey.NewJudge(passkey.JudgeDeps{
		Work: finding{k.store, func() {
			if _, err := app.NewPasskeySignerIn(k.proving()).Do(t.Context(), answer); err != nil {
				t.Error(err)
			}
		}}, Authenticators: k.party, Second: domain.Required, Now: k.clock,
	})
	if _, err := app.NewPasskeySignerIn(deps).Do(t.Context(), answer); !errors.Is(err, fault.PasskeyChallengeExpired) {
		t.Errorf("the second one: %v", err)
	}
}

// finding calls before a passkey is looked for outside of a transaction.
type finding struct {
	outbound.UnitOfWork
	call func()
}

func (f finding) Single() outbound.Stores {
	s := f.UnitOfWork.Single()
	s.Passkeys = interrupted{s.Passkeys, f.call}
	return s
}

type interrupted struct {
	outbound.Passkeys
	call func()
}

func (i interrupted) ByCredential(ctx context.Context, credential []byte) (domain.Passkey, error) {
	i.call()
	return i.Passkeys.ByCredential(ctx, credential)
}

// between calls before each writing transaction.
type between struct {
	outbound.UnitOfWork
	call func()
}

func (b between) Within(ctx context.Context, fn func(context.Context, outbound.Stores) error) error {
	b.call()
	return b.UnitOfWork.Within(ctx, fn)
}

func TestNothingOfARefusedUseIsStored(t *testing.T) {
	k := newKeyring(t)
	answer := k.answers(t)
	k.tokens.Fails = token.Access
	if _, err := app.NewPasskeySignerIn(k.proving()).Do(t.Context(), answer); fault.CodeOf(err) != fault.TokenCreationFailure {
		t.Fatalf("sign in = %v", err)
	}
	k.tokens.Fails = ""
	if _, err := app.NewPasskeySignerIn(k.proving()).Do(t.Context(), answer); err != nil { // it was not used up
		t.Errorf("the same answer: %v", err)
	}
	k.now = k.now.Add(domain.Patience + time.Second)
	if _, err := app.NewPasskeySignerIn(k.proving()).Do(t.Context(), answer); !errors.Is(err, fault.PasskeyChallengeExpired) {
		t.Errorf("an old answer: %v", err)
	}
}
