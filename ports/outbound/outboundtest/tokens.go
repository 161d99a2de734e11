package outboundtest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/domain/fault"
	"gatehouse/domain/key"
	"gatehouse/domain/secret"
	"gatehouse/domain/session"
	"gatehouse/domain/token"
	"gatehouse/ports/outbound"
)

// TokenAdapter is what mints, reads and publishes.
type TokenAdapter interface {
	outbound.Minter
	outbound.Verifier
	outbound.KeySet
}

// TokenMaker makes what the suite of tokens needs.
type TokenMaker struct {
	Keys outbound.KeyMaker
	// Open returns an adapter for an issuer, an audience of access tokens, and
	// signing keys.
	Open func(t *testing.T, issuer, audience string, keys ...key.Opened) TokenAdapter
}

// Tokens runs the suite of [outbound.Minter], [outbound.Verifier],
// [outbound.KeySet] and [outbound.KeyMaker].
func Tokens(t *testing.T, m TokenMaker) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, TokenMaker)
	}{
		{"KeysAreRandom", keysAreRandom},
		{"ReadWhatWasMinted", readWhatWasMinted},
		{"OnlyTheDiagonalPasses", onlyTheDiagonalPasses},
		{"EndToTheSecond", endToTheSecond},
		{"BeginWithinHalfAMinute", beginWithinHalfAMinute},
		{"AreInvalidBeforeTheyAreExpired", areInvalidBeforeTheyAreExpired},
		{"OfOthersAreInvalid", tokensOfOthersAreInvalid},
		{"OfEveryKeyInTheRingPass", tokensOfEveryKeyPass},
		{"HaveOneSpelling", tokensHaveOneSpelling},
		{"MissingIsInvalid", missingTokenIsInvalid},
		{"AreMintedCompleteOrNotAtAll", tokensAreMintedComplete},
		{"ChallengesOfASignInHaveNoSession", challengesOfASignIn},
		{"ShareNothing", tokensShareNothing},
		{"ManyAtOnce", manyTokensAtOnce},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, m) })
	}
}

const (
	testIssuer   = "https://id.example.com"
	testAudience = "https://api.example.com"
)

// issued is a whole second: tokens have no other.
var issued = at.Truncate(time.Second)

func (m TokenMaker) key(t *testing.T, id string, s key.State) key.Opened {
	t.Helper()
	algorithm, material, err := m.Keys.NewKey(key.Signing)
	if err != nil {
		t.Fatalf("NewKey = %v", err)
	}
	return key.Opened{
		Key:      key.Key{ID: id, Purpose: key.Signing, Algorithm: algorithm, State: s, CreatedAt: at},
		Material: material,
	}
}

func (m TokenMaker) tokens(t *testing.T) TokenAdapter {
	t.Helper()
	return m.Open(t, testIssuer, testAudience, m.key(t, "k1", key.Current))
}

// claimsOf is everything that a token of a kind says.
func claimsOf(k token.Kind) token.Claims {
	c := token.Claims{
		ID: "0191f0c4-7c00-7000-8000-0000000000aa", Subject: "0191f0c4-7c00-7000-8000-0000000000bb",
		Session: "0191f0c4-7c00-7000-8000-0000000000cc", IssuedAt: issued, ExpiresAt: issued.Add(10 * time.Minute),
	}
	switch k {
	case token.Access:
		c.AMR, c.Roles, c.Groups = []string{"pwd", "otp", "mfa"}, []string{"USER", "ADMIN"}, []string{"crew", "ärzte"}
		c.ACR, c.AuthTime, c.Gen = "aal2", issued.Add(-time.Hour), 7
	case token.StepUp:
		c.AMR, c.ACR, c.AuthTime = []string{"pwd"}, "aal1", issued
		c.Bound = session.Bound{Purpose: "Überweisung 42", PayloadHash: "47DEQpj8HBSa-_TImW"}
	case token.Session:
		c.Subject, c.Session = "", ""
		c.Browser, c.OS, c.Locale = "Лиса \"9\"", "Linux", "de-AT"
	case token.TwoFactor:
		c.Purpose = session.ForStepUp
	case token.Refresh, token.TOTPSetup:
	}
	return c
}

func mint(t *testing.T, a outbound.Minter, k token.Kind, c token.Claims) secret.Text {
	t.Helper()
	s, err := a.Mint(k, c)
	if err != nil {
		t.Fatalf("Mint(%s) = %v", k, err)
	}
	return s
}

// verified wants a token to be valid at now, and to say want.
func verified(t *testing.T, a outbound.Verifier, s secret.Text, k token.Kind, now time.Time, want token.Claims) {
	t.Helper()
	got, err := a.Verify(s, k, now)
	if err != nil {
		t.Errorf("Verify(%s) = %v", k, err)
	}
	sameClaims(t, got, want)
}

func sameClaims(t *testing.T, got, want token.Claims) {
	t.Helper()
	inUTC(&got.IssuedAt, &got.ExpiresAt, &got.AuthTime, &want.IssuedAt, &want.ExpiresAt, &want.AuthTime)
	same(t, "claims", got, want)
}

// refused wants a token to be refused with a sentinel. What is invalid says
// nothing.
func refused(t *testing.T, a outbound.Verifier, s secret.Text, k token.Kind, now time.Time, want error, why string) {
	t.Helper()
	got, err := a.Verify(s, k, now)
	if !errors.Is(err, want) {
		t.Errorf("Verify of a token %s = %v, want %v", why, err, want)
	}
	if want == outbound.ErrTokenInvalid { //nolint:errorlint // the sentinel itself
		same(t, "claims of a token "+why, got, token.Claims{})
	}
}

func keysAreRandom(t *testing.T, m TokenMaker) {
	for _, p := range key.Purposes() {
		a, first, err := m.Keys.NewKey(p)
		b, second, err2 := m.Keys.NewKey(p)
		must(t, errors.Join(err, err2))
		if a == "" || a != b || len(first.Bytes()) < 32 || slices.Equal(first.Bytes(), second.Bytes()) {
			t.Errorf("two new keys for %s: %q and %q, %d bytes, equal %v", p, a, b, len(first.Bytes()), slices.Equal(first.Bytes(), second.Bytes()))
		}
	}
	if _, material, err := m.Keys.NewKey("no purpose"); err == nil || material.Bytes() != nil {
		t.Errorf("NewKey for no purpose = %d bytes, %v", len(material.Bytes()), err)
	}
}

func readWhatWasMinted(t *testing.T, m TokenMaker) {
	a := m.tokens(t)
	for _, k := range token.Kinds() {
		s := mint(t, a, k, claimsOf(k))
		for range 2 { // it may be remembered
			verified(t, a, s, k, issued, claimsOf(k))
		}
		bare := claimsOf(k)
		bare.Roles, bare.Groups = nil, nil
		got, err := a.Verify(mint(t, a, k, bare), k, issued)
		if err != nil || len(got.Roles)+len(got.Groups) != 0 {
			t.Errorf("Verify of a %s token without roles = %v, %v", k, got, err)
		}
		full := claimsOf(k)
		full.Browser, full.OS, full.Locale = "Lynx", "Plan 9", "en"
		if k == token.Session {
			full = claimsOf(k)
			full.Subject, full.Session = claimsOf(token.Access).Subject, claimsOf(token.Access).Session
		}
		verified(t, a, mint(t, a, k, full), k, issued, claimsOf(k)) // it says nothing but what belongs to its kind
		odd := claimsOf(k)
		odd.IssuedAt, odd.ExpiresAt = odd.IssuedAt.Add(time.Second-1), odd.ExpiresAt.Add(time.Second-1)
		verified(t, a, mint(t, a, k, odd), k, issued, claimsOf(k))
	}
}

func onlyTheDiagonalPasses(t *testing.T, m TokenMaker) {
	for _, audience := range []string{testAudience, testIssuer} { // by default they are one
		a := m.Open(t, testIssuer, audience, m.key(t, "k1", key.Current))
		for _, minted := range token.Kinds() {
			s := mint(t, a, minted, claimsOf(minted))
			for _, asked := range slices.Concat(token.Kinds(), []token.Kind{minted, "JWT", "", "AT+JWT", "two-factor+jwt"}, token.Kinds()) {
				if asked == minted {
					verified(t, a, s, asked, issued, claimsOf(minted))
				} else {
					refused(t, a, s, asked, issued, outbound.ErrTokenInvalid, fmt.Sprintf("of kind %s as %q", minted, asked))
				}
			}
		}
	}
}

func endToTheSecond(t *testing.T, m TokenMaker) {
	a := m.tokens(t)
	for _, k := range token.Kinds() {
		c := claimsOf(k)
		s := mint(t, a, k, c)
		for range 2 { // it may be remembered, and forgotten
			verified(t, a, s, k, c.ExpiresAt.Add(-1), c)
			for _, late := range []time.Duration{0, time.Second, 100 * 365 * 24 * time.Hour} {
				got, err := a.Verify(s, k, c.ExpiresAt.Add(late))
				if !errors.Is(err, outbound.ErrTokenExpired) {
					t.Errorf("Verify %v after the end = %v, want ErrTokenExpired", late, err)
				}
				sameClaims(t, got, c)
			}
		}
	}
}

// Replicas have clocks of their own.
func beginWithinHalfAMinute(t *testing.T, m TokenMaker) {
	a := m.tokens(t)
	for _, k := range token.Kinds() {
		s := mint(t, a, k, claimsOf(k))
		for range 2 {
			refused(t, a, s, k, issued.Add(-30*time.Second-1), outbound.ErrTokenInvalid, "from the future")
			verified(t, a, s, k, issued.Add(-30*time.Second), claimsOf(k))
		}
	}
}

// Only what is wrong with nothing but its age may say so.
func areInvalidBeforeTheyAreExpired(t *testing.T, m TokenMaker) {
	a, other := m.tokens(t), m.tokens(t)
	c := claimsOf(token.Access)
	s, foreign := mint(t, a, token.Access, c), mint(t, other, token.Access, c)
	late := c.ExpiresAt.Add(time.Hour)
	refused(t, a, s, token.Refresh, late, outbound.ErrTokenInvalid, "of another kind and too old")
	refused(t, a, foreign, token.Access, late, outbound.ErrTokenInvalid, "of another key and too old")
	unborn := c
	unborn.IssuedAt, unborn.ExpiresAt = issued.Add(time.Hour), issued
	refused(t, a, mint(t, a, token.Access, unborn), token.Access, issued, outbound.ErrTokenInvalid, "from the future and too old")
}

func tokensOfOthersAreInvalid(t *testing.T, m TokenMaker) {
	mine := m.key(t, "k1", key.Current)
	a := m.Open(t, testIssuer, testAudience, mine)
	for _, k := range token.Kinds() {
		for why, other := range map[string]TokenAdapter{
			"of another key with the same id": m.Open(t, testIssuer, testAudience, m.key(t, "k1", key.Current)),
			"of an unknown key":               m.Open(t, testIssuer, testAudience, m.key(t, "k2", key.Current)),
			"of another issuer":               m.Open(t, "https://id.example.org", testAudience, mine),
			"of an issuer with a slash":       m.Open(t, testIssuer+"/", testAudience, mine),
		} {
			refused(t, a, mint(t, other, k, claimsOf(k)), k, issued, outbound.ErrTokenInvalid, why)
		}
		elsewhere := m.Open(t, testIssuer, "https://other.example.com", mine)
		s := mint(t, elsewhere, k, claimsOf(k))
		if k == token.Access {
			refused(t, a, s, k, issued, outbound.ErrTokenInvalid, "for another audience")
		} else {
			verified(t, a, s, k, issued, claimsOf(k))
		}
	}
}

func tokensOfEveryKeyPass(t *testing.T, m TokenMaker) {
	first, second, third := m.key(t, "k1", key.Current), m.key(t, "k2", key.Next), m.key(t, "k3", key.Next)
	before := m.Open(t, testIssuer, testAudience, first, second)
	old := mint(t, before, token.Access, claimsOf(token.Access))
	first.State, second.State = key.Retired, key.Current
	after := m.Open(t, testIssuer, testAudience, first, second, third)
	young := mint(t, after, token.Access, claimsOf(token.Access))
	for _, s := range []secret.Text{old, young} {
		verified(t, before, s, token.Access, issued, claimsOf(token.Access))
		verified(t, after, s, token.Access, issued, claimsOf(token.Access))
	}
	killed := m.Open(t, testIssuer, testAudience, second, third)
	refused(t, killed, old, token.Access, issued, outbound.ErrTokenInvalid, "of a killed key")
	verified(t, killed, young, token.Access, issued, claimsOf(token.Access))
	published := make(map[string]token.PublicKey)
	for _, p := range after.PublicKeys() {
		published[p.ID] = p
		if p.Type == "" || p.Curve == "" || p.X == "" || p.Algorithm != first.Algorithm {
			t.Errorf("published: %+v", p)
		}
	}
	if len(published) != 3 || published["k1"].X == published["k2"].X {
		t.Errorf("published: %+v, want k1, k2 and k3", after.PublicKeys())
	}
}

// alphabet is that of base64url.
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

func tokensHaveOneSpelling(t *testing.T, m TokenMaker) {
	a := m.tokens(t)
	s := mint(t, a, token.Access, claimsOf(token.Access)).Reveal()
	verified(t, a, secret.New(s), token.Access, issued, claimsOf(token.Access))
	invalid := func(spelling, why string) {
		t.Helper()
		if spelling != s {
			refused(t, a, secret.New(spelling), token.Access, issued, outbound.ErrTokenInvalid, why)
		}
	}
	for i := range len(s) {
		next := byte('A')
		if at := strings.IndexByte(alphabet, s[i]); at >= 0 {
			next = alphabet[(at+1)%len(alphabet)] // in a last character, only unused bits may differ
		}
		invalid(s[:i]+string(next)+s[i+1:], fmt.Sprint("changed in character ", i))
		invalid(s[:i], fmt.Sprint("cut to characters: ", i))
		for _, more := range []string{"=", "\n", "\r", " ", ".", "A", "\x00", "é"} {
			invalid(s[:i]+more+s[i:], fmt.Sprintf("with %q put in at %d", more, i))
		}
	}
	for _, more := range []string{"=", "==", "\n", "\r\n", " ", ".", "A", "\x00"} {
		invalid(s+more, fmt.Sprintf("with %q at its end", more))
	}
	for why, spelling := range map[string]string{
		"in upper case": strings.ToUpper(s), "twice": s + s, "with a scheme": "Bearer " + s, "quoted": `"` + s + `"`,
		"of a megabyte": s + strings.Repeat("A", 1<<20), "of dots": "..", "of nothing": "",
	} {
		invalid(spelling, why)
	}
}

func missingTokenIsInvalid(t *testing.T, m TokenMaker) {
	a := m.tokens(t)
	for _, k := range append(token.Kinds(), "") {
		refused(t, a, secret.Text{}, k, issued, outbound.ErrTokenInvalid, "that was not sent")
	}
}

func tokensAreMintedComplete(t *testing.T, m TokenMaker) {
	a := m.tokens(t)
	for why, spoil := range map[string]func(*token.Claims){
		"without an id":        func(c *token.Claims) { c.ID = "" },
		"with an odd id":       func(c *token.Claims) { c.ID = "../1" },
		"without a subject":    func(c *token.Claims) { c.Subject = "" },
		"without a session":    func(c *token.Claims) { c.Session = "" },
		"with an odd session":  func(c *token.Claims) { c.Session = "0191F0C4-7C00-7000-8000-0000000000CC" },
		"without a beginning":  func(c *token.Claims) { c.IssuedAt = time.Time{} },
		"without an end":       func(c *token.Claims) { c.ExpiresAt = time.Time{} },
		"without an acr":       func(c *token.Claims) { c.ACR = "" },
		"without a sign-in":    func(c *token.Claims) { c.AuthTime = time.Time{} },
		"too long for headers": func(c *token.Claims) { c.Groups = []string{strings.Repeat("g", 1<<20)} },
	} {
		c := claimsOf(token.Access)
		spoil(&c)
		if s, err := a.Mint(token.Access, c); fault.CodeOf(err) != fault.TokenCreationFailure || !s.Missing() {
			t.Errorf("Mint of a token %s = %v, want TOKEN_CREATION_FAILURE alone", why, err)
		}
	}
	for why, spoil := range map[string]func(*token.Claims){
		"without a class":             func(c *token.Claims) { c.ACR = "" },
		"without an instant":          func(c *token.Claims) { c.AuthTime = time.Time{} },
		"of a payload for no purpose": func(c *token.Claims) { c.Bound.Purpose = "" },
	} {
		c := claimsOf(token.StepUp)
		spoil(&c)
		if s, err := a.Mint(token.StepUp, c); fault.CodeOf(err) != fault.TokenCreationFailure || !s.Missing() {
			t.Errorf("Mint of a step-up token %s = %v, want TOKEN_CREATION_FAILURE alone", why, err)
		}
	}
	nowhere := claimsOf(token.Session)
	nowhere.Locale = ""
	if s, err := a.Mint(token.Session, nowhere); fault.CodeOf(err) != fault.TokenCreationFailure || !s.Missing() {
		t.Errorf("Mint of a session token without a language = %v, want TOKEN_CREATION_FAILURE alone", err)
	}
	if s, err := a.Mint("JWT", claimsOf(token.Access)); fault.CodeOf(err) != fault.TokenCreationFailure || !s.Missing() {
		t.Errorf("Mint of no kind = %v, want TOKEN_CREATION_FAILURE alone", err)
	}
}

func challengesOfASignIn(t *testing.T, m TokenMaker) {
	a := m.tokens(t)
	c := claimsOf(token.TwoFactor)
	c.Purpose = session.ForSignIn
	s := mint(t, a, token.TwoFactor, c)
	c.Session = ""
	verified(t, a, s, token.TwoFactor, issued, c)
	verified(t, a, mint(t, a, token.TwoFactor, c), token.TwoFactor, issued, c)
	for why, spoil := range map[string]func(*token.Claims){
		"without a purpose":            func(c *token.Claims) { c.Purpose = "" },
		"with an odd purpose":          func(c *token.Claims) { c.Purpose = "anything" },
		"of a step-up without session": func(c *token.Claims) { c.Purpose = session.ForStepUp },
	} {
		c := c
		spoil(&c)
		if s, err := a.Mint(token.TwoFactor, c); fault.CodeOf(err) != fault.TokenCreationFailure || !s.Missing() {
			t.Errorf("Mint of a challenge %s = %v, want TOKEN_CREATION_FAILURE alone", why, err)
		}
	}
}

// Whoever gets claims may change them: for others they stay as they are.
func tokensShareNothing(t *testing.T, m TokenMaker) {
	a := m.tokens(t)
	s := mint(t, a, token.Access, claimsOf(token.Access))
	for range 3 {
		got, err := a.Verify(s, token.Access, issued)
		must(t, err)
		sameClaims(t, got, claimsOf(token.Access))
		got.Roles[0], got.Groups[0], got.AMR[0] = "ROOT", "wheel", "none"
	}
	a.PublicKeys()[0].X = "changed"
	if a.PublicKeys()[0].X == "changed" {
		t.Error("PublicKeys hands out its own list")
	}
}

func manyTokensAtOnce(t *testing.T, m TokenMaker) {
	a := m.tokens(t)
	common := mint(t, a, token.Refresh, claimsOf(token.Refresh))
	race(crowd, func(i int) {
		c := claimsOf(token.Access)
		c.Gen = i
		s, err := a.Mint(token.Access, c)
		if err != nil {
			t.Error(err)
			return
		}
		for range 2 {
			if got, err := a.Verify(s, token.Access, issued); err != nil || got.Gen != i {
				t.Errorf("Verify = %d, %v, want %d", got.Gen, err, i)
			}
			if _, err := a.Verify(common, token.Refresh, issued); err != nil {
				t.Error(err)
			}
		}
	})
}
