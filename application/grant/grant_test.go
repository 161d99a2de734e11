package grant_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gatehouse/application/grant"
	"gatehouse/application/grant/granttest"
	"gatehouse/domain/client"
	"gatehouse/domain/email"
	"gatehouse/domain/factor"
	"gatehouse/domain/fault"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/domain/session"
	"gatehouse/domain/token"
)

const day = 24 * time.Hour

// noon has a fraction, and a zone that is not UTC.
var noon = time.Date(2028, 2, 29, 17, 0, 0, 987654000, time.FixedZone("UTC+5", 5*3600))

var sec = noon.UTC().Truncate(time.Second)

func issuer(tokens *granttest.Tokens) *grant.Issuer {
	ids := 0
	return grant.New(grant.Deps{
		Minter:  tokens,
		Session: session.Lifetimes{Refresh: 90 * day, GuestRefresh: 30 * day, Max: 180 * day, ReuseGrace: 10 * time.Second},
		Token:   token.Lifetimes{Access: 15 * time.Minute, StepUp: 10 * time.Minute, Session: 15 * time.Minute, Challenge: 10 * time.Minute},
		NewID:   func() string { ids++; return fmt.Sprintf("id-%d", ids) },
	})
}

func ada(t *testing.T, change func(*principal.Snapshot)) *principal.Principal {
	t.Helper()
	address, _ := email.Parse("ada@example.com")
	s := principal.Snapshot{
		ID: "ada", Kind: principal.User, Name: "Ada", Email: address,
		Hash: password.NewHash("hash"), Groups: []string{"b", "a"}, TokenGen: 7,
	}
	if change != nil {
		change(&s)
	}
	p, err := principal.Restore(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func read(t *testing.T, s secret.Text, k token.Kind) token.Claims {
	t.Helper()
	c, err := granttest.Read(s, k)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// begin admits p, who has proven all that is asked of them.
func begin(t interface{ Fatalf(string, ...any) }, i *grant.Issuer, p *principal.Principal, proven session.Proven, from client.Info) (session.Session, session.Pair) {
	a, err := i.Admit(p, proven, grant.Purpose{From: from}, noon)
	if err != nil || a.SignIn == nil || a.StepUp != nil || a.Challenge != nil {
		t.Fatalf("Admit = %+v, %v", a, err)
	}
	return a.SignIn.Session, a.SignIn.Tokens
}

func TestASignInSaysWhatWasProven(t *testing.T) {
	guest := principal.NewGuest("gus", "Gus", noon)
	admin := ada(t, func(s *principal.Snapshot) { s.Admin, s.Groups = true, nil })
	for name, tc := range map[string]struct {
		p           *principal.Principal
		proven      session.Proven
		roles       []string
		groups, amr []string
		acr         string
		gen         int
		lasts       time.Duration
	}{
		"a user":      {ada(t, nil), session.Proven{session.Password}, []string{"USER"}, []string{"a", "b"}, []string{"pwd"}, "aal1", 7, 90 * day},
		"an admin":    {admin, session.Proven{session.Password}, []string{"USER", "ADMIN"}, []string{}, []string{"pwd"}, "aal1", 7, 90 * day},
		"two factors": {ada(t, nil), session.Proven{session.Password, "otp"}, []string{"USER"}, []string{"a", "b"}, []string{"pwd", "otp", "mfa"}, "aal2", 7, 90 * day},
		"a guest":     {guest, session.Proven{session.AsGuest}, []string{"GUEST"}, []string{}, []string{"guest"}, "aal0", 0, 30 * day},
	} {
		t.Run(name, func(t *testing.T) {
			from := client.Info{Device: client.Device{Browser: "Firefox"}}
			s, pair := begin(t, issuer(&granttest.Tokens{}), tc.p, tc.proven, from)
			at, rt := read(t, pair.Access, token.Access), read(t, pair.Refresh, token.Refresh)
			wantAccess := token.Claims{
				ID: at.ID, Subject: tc.p.ID(), Session: s.ID, IssuedAt: sec, ExpiresAt: sec.Add(15 * time.Minute),
				AMR: tc.amr, Roles: tc.roles, Groups: tc.groups, ACR: tc.acr, AuthTime: sec, Gen: tc.gen,
			}
			wantRefresh := token.Claims{ID: s.RefreshID, Subject: tc.p.ID(), Session: s.ID, IssuedAt: sec, ExpiresAt: sec.Add(tc.lasts)}
			if !reflect.DeepEqual(at, wantAccess) {
				t.Errorf("access token\n got %+v\nwant %+v", at, wantAccess)
			}
			if !reflect.DeepEqual(rt, wantRefresh) {
				t.Errorf("refresh token\n got %+v\nwant %+v", rt, wantRefresh)
			}
			if ids := []string{string(s.ID), at.ID, rt.ID}; len(slices.Compact(slices.Sorted(slices.Values(ids)))) != 3 {
				t.Errorf("ids are used twice: %v", ids)
			}
			if s.PrincipalID != tc.p.ID() || s.Client != from || !s.StartedAt.Equal(noon) || !s.ExpiresAt.Equal(noon.Add(tc.lasts)) {
				t.Errorf("session %+v", s)
			}
			if pair.AccessExpires != at.ExpiresAt || pair.RefreshExpires != rt.ExpiresAt {
				t.Errorf("the pair ends at %v and %v, its tokens at %v and %v", pair.AccessExpires, pair.RefreshExpires, at.ExpiresAt, rt.ExpiresAt)
			}
		})
	}
}

func TestRotateRereadsRightsAndNothingElse(t *testing.T) {
	i := issuer(&granttest.Tokens{})
	s, _ := begin(t, i, ada(t, nil), session.Proven{session.Password}, client.Info{})
	promoted := ada(t, func(s *principal.Snapshot) { s.Admin, s.Groups, s.TokenGen = true, []string{"c"}, 8 })
	later := noon.Add(time.Hour)
	r, err := i.Rotate(s, promoted, client.Info{}, later)
	if err != nil {
		t.Fatal(err)
	}
	if r.Presented != s.RefreshID || r.SessionID != s.ID || r.PrincipalID != "ada" || r.At != later || r.GraceUntil != later.Add(10*time.Second) {
		t.Errorf("rotation %+v", r)
	}
	got, want := read(t, r.Pair.Access, token.Access), token.Claims{
		Subject: "ada", Session: s.ID, IssuedAt: sec.Add(time.Hour), ExpiresAt: sec.Add(75 * time.Minute),
		AMR: []string{"pwd"}, ACR: "aal1", AuthTime: sec,
		Roles: []string{"USER", "ADMIN"}, Groups: []string{"c"}, Gen: 8,
	}
	want.ID = got.ID
	if !reflect.DeepEqual(got, want) {
		t.Errorf("access token\n got %+v\nwant %+v", got, want)
	}
	if rt := read(t, r.Pair.Refresh, token.Refresh); rt.ID != r.Next || rt.ExpiresAt != sec.Add(time.Hour+90*day) {
		t.Errorf("refresh token %+v, want id %s", rt, r.Next)
	}
}

func TestStepUpSaysWhatWasProvenJustNow(t *testing.T) {
	a, err := issuer(&granttest.Tokens{}).Admit(ada(t, nil), session.Proven{session.Password}, grant.Purpose{StepUp: "s1"}, noon)
	if err != nil || a.SignIn != nil || a.Challenge != nil {
		t.Fatalf("%+v, %v", a, err)
	}
	want := token.Claims{
		ID: "id-1", Subject: "ada", Session: "s1", IssuedAt: sec, ExpiresAt: sec.Add(10 * time.Minute),
		AMR: []string{"pwd"}, ACR: "aal1", AuthTime: sec,
	}
	if c := read(t, a.StepUp.Text, token.StepUp); !reflect.DeepEqual(c, want) || a.StepUp.ExpiresAt != want.ExpiresAt {
		t.Errorf("step-up token until %v\n got %+v\nwant %+v", a.StepUp.ExpiresAt, c, want)
	}
}

func TestASessionTokenIsNobodys(t *testing.T) {
	got, end, err := issuer(&granttest.Tokens{}).Session(client.Device{Browser: "Lynx", OS: "Plan 9"}, "de-AT", noon)
	if err != nil {
		t.Fatal(err)
	}
	want := token.Claims{ID: "id-1", IssuedAt: sec, ExpiresAt: sec.Add(15 * time.Minute), Browser: "Lynx", OS: "Plan 9", Locale: "de-AT"}
	if c := read(t, got, token.Session); !reflect.DeepEqual(c, want) || end != want.ExpiresAt {
		t.Errorf("session token until %v\n got %+v\nwant %+v", end, c, want)
	}
}

func TestWhatCannotBeMintedIsNotGranted(t *testing.T) {
	for _, k := range []token.Kind{token.Access, token.Refresh} {
		i := issuer(&granttest.Tokens{Fails: k})
		a, err := i.Admit(ada(t, nil), session.Proven{session.Password}, grant.Purpose{}, noon)
		if fault.CodeOf(err) != fault.TokenCreationFailure || a != (grant.Admission{}) {
			t.Errorf("sign-in without %s = %+v, %v", k, a, err)
		}
		r, err := i.Rotate(session.Session{}, ada(t, nil), client.Info{}, noon)
		if fault.CodeOf(err) != fault.TokenCreationFailure || !r.Pair.Access.Missing() {
			t.Errorf("Rotate without %s = %v, access token missing %v", k, err, r.Pair.Access.Missing())
		}
	}
	protected := ada(t, func(s *principal.Snapshot) { s.Factors = factor.Set{}.With(factor.TOTP) })
	for k, p := range map[token.Kind]*principal.Principal{token.StepUp: ada(t, nil), token.TwoFactor: protected} {
		a, err := issuer(&granttest.Tokens{Fails: k}).Admit(p, session.Proven{session.Password}, grant.Purpose{StepUp: "s1"}, noon)
		if fault.CodeOf(err) != fault.TokenCreationFailure || a != (grant.Admission{}) {
			t.Errorf("step-up without %s = %+v, %v", k, a, err)
		}
	}
	i := issuer(&granttest.Tokens{Fails: token.Session})
	if _, _, err := i.Session(client.Device{}, "en", noon); fault.CodeOf(err) != fault.TokenCreationFailure {
		t.Errorf("Session = %v", err)
	}
}

// However a session is refreshed, no token outlives it, no refresh raises what
// was proven, and nothing leads past the end after the sign-in.
func TestNoTokenOutlivesItsSession(t *testing.T) {
	p := ada(t, nil)
	rapid.Check(t, func(t *rapid.T) {
		i := issuer(&granttest.Tokens{})
		now := noon
		s, _ := begin(t, i, p, session.Proven{session.Password}, client.Info{})
		for n := range rapid.IntRange(0, 6).Draw(t, "refreshes") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(80*day)).Draw(t, fmt.Sprint("pause ", n))))
			if !s.Live(now) {
				return
			}
			r, err := i.Rotate(s, p, client.Info{}, now)
			if err != nil {
				t.Fatal(err)
			}
			pair := r.Pair
			s.RefreshID, s.ExpiresAt = r.Next, r.ExpiresAt
			c, err := granttest.Read(pair.Access, token.Access)
			if err != nil || c.ACR != "aal1" || !slices.Equal(c.AMR, []string{"pwd"}) || !c.AuthTime.Equal(sec) {
				t.Fatalf("access token %+v, %v", c, err)
			}
			if pair.AccessExpires.After(s.ExpiresAt) || pair.RefreshExpires.After(s.ExpiresAt) || s.ExpiresAt.After(noon.Add(180*day)) {
				t.Fatalf("session until %v, tokens until %v and %v", s.ExpiresAt, pair.AccessExpires, pair.RefreshExpires)
			}
		}
	})
}
