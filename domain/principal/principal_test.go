package principal_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/domain/email"
	"gatehouse/domain/factor"
	"gatehouse/domain/fault"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
)

var (
	noon = time.Date(2028, 2, 29, 12, 0, 0, 0, time.UTC)
	hash = password.NewHash("$argon2id$…")
)

func address(t *testing.T, s string) email.Address {
	t.Helper()
	a, broken := email.Parse(s)
	if broken != nil {
		t.Fatal(broken)
	}
	return a
}

// full is a user with nothing left out.
func full(t *testing.T) principal.Snapshot {
	return principal.Snapshot{
		ID: "u1", Kind: principal.User, Name: "Ada", Email: address(t, "Ada.L@example.com"), EmailVerified: true, Admin: true, Disabled: true,
		Hash: hash, Identities: []principal.Identity{{Provider: "google", Subject: "2"}, {Provider: "github", Subject: "1"}},
		Groups: []string{"staff"}, Factors: factor.Set{TOTP: true, Preferred: factor.TOTP}, CredVersion: 1, TokenGen: 2, CreatedAt: noon, LastActive: noon, Version: 3,
	}
}

func guest() principal.Snapshot {
	return principal.Snapshot{ID: "g1", Kind: principal.Guest, Name: "Gus", CreatedAt: noon, LastActive: noon}
}

func restore(t *testing.T, s principal.Snapshot) *principal.Principal {
	t.Helper()
	p, err := principal.Restore(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestRestoreReturnsWhatWasSaved(t *testing.T) {
	onlyProvider := full(t)
	onlyProvider.Hash = password.Hash{}
	onlyPassword := full(t)
	onlyPassword.Identities, onlyPassword.Groups = nil, nil
	for _, s := range []principal.Snapshot{full(t), guest(), onlyProvider, onlyPassword} {
		if got := restore(t, s).Snapshot(); !reflect.DeepEqual(got, s) {
			t.Errorf("got  %+v\nwant %+v", got, s)
		}
	}
}

func TestRestoreRefusesWhatCannotHaveBeenOne(t *testing.T) {
	for name, change := range map[string]func(*principal.Snapshot){
		"no id":                      func(s *principal.Snapshot) { s.ID = "" },
		"no kind":                    func(s *principal.Snapshot) { s.Kind = "" },
		"another kind":               func(s *principal.Snapshot) { s.Kind = "robot" },
		"no name":                    func(s *principal.Snapshot) { s.Name = " " },
		"a bad name":                 func(s *principal.Snapshot) { s.Name = "A\x00" },
		"user without address":       func(s *principal.Snapshot) { s.Email = email.Address{} },
		"user who cannot enter":      func(s *principal.Snapshot) { s.Hash, s.Identities = password.Hash{}, nil },
		"guest with address":         func(s *principal.Snapshot) { *s = guest(); s.Email = address(t, "a@b.c") },
		"guest with password":        func(s *principal.Snapshot) { *s = guest(); s.Hash = hash },
		"guest with provider":        func(s *principal.Snapshot) { *s = guest(); s.Identities = full(t).Identities },
		"guest with a factor":        func(s *principal.Snapshot) { *s = guest(); s.Factors = full(t).Factors },
		"preference for what is off": func(s *principal.Snapshot) { s.Factors.Preferred = factor.Email },
		"factors without preference": func(s *principal.Snapshot) { s.Factors.Preferred = "" },
		"guest in a group":           func(s *principal.Snapshot) { *s = guest(); s.Groups = []string{"staff"} },
		"guest with role":            func(s *principal.Snapshot) { *s = guest(); s.Admin = true },
		"verified guest":             func(s *principal.Snapshot) { *s = guest(); s.EmailVerified = true },
		"disabled guest":             func(s *principal.Snapshot) { *s = guest(); s.Disabled = true },
	} {
		s := full(t)
		change(&s)
		if p, err := principal.Restore(s); !errors.Is(err, principal.ErrInvalid) || p != nil {
			t.Errorf("%s: %v, %v", name, p, err)
		}
	}
}

func TestNobodyChangesAPrincipalThroughASnapshot(t *testing.T) {
	p := restore(t, full(t))
	s := p.Snapshot()
	s.Identities[0].Subject, s.Groups[0] = "stolen", "board"
	p.Groups()[0] = "board"
	if got := p.Snapshot(); got.Identities[0].Subject != "2" || got.Groups[0] != "staff" {
		t.Errorf("principal = %+v", got)
	}
}

func TestNewPrincipals(t *testing.T) {
	u := principal.NewUser("u1", "Ada", address(t, "Ada@example.com"), hash, noon)
	if u.IsGuest() || u.EmailVerified() || u.IsAdmin() || u.IsDisabled() || !u.HasPassword() || !u.PasswordHash().Equal(hash) ||
		u.ID() != "u1" || u.Name() != "Ada" || u.Email().Typed() != "Ada@example.com" || !u.CreatedAt().Equal(noon) || !u.LastActive().Equal(noon) ||
		u.RequireUser() != nil || !slices.Equal(u.Roles(), []principal.Role{principal.RoleUser}) {
		t.Errorf("user = %+v", u.Snapshot())
	}
	g := principal.NewGuest("g1", "Gus", noon)
	if !g.IsGuest() || g.HasPassword() || !g.Email().IsZero() || !errors.Is(g.RequireUser(), fault.UserNotFound) ||
		!slices.Equal(g.Roles(), []principal.Role{principal.RoleGuest}) || len(g.IdentityProviders()) != 0 || g.IdentityProviders() == nil {
		t.Errorf("guest = %+v", g.Snapshot())
	}
	restore(t, u.Snapshot())
	restore(t, g.Snapshot())
}

func TestWhatIsShownIsInOrder(t *testing.T) {
	s := full(t)
	s.Groups = []string{"staff", "board"}
	p := restore(t, s)
	if got := p.IdentityProviders(); !slices.Equal(got, []string{"github", "google", "password"}) {
		t.Errorf("providers = %v", got)
	}
	if got := p.Groups(); !slices.Equal(got, []string{"board", "staff"}) {
		t.Errorf("groups = %v", got)
	}
	if got := p.Roles(); !slices.Equal(got, []principal.Role{principal.RoleUser, principal.RoleAdmin}) {
		t.Errorf("roles = %v", got)
	}
	if got := p.PasswordSubject(); got != (password.Subject{Name: "Ada", LocalPart: "Ada.L", SecondFactor: true}) {
		t.Errorf("password subject = %+v", got)
	}
}

// Every change says which counters it raises, and nothing else changes.
func TestChanges(t *testing.T) {
	other := password.NewHash("other")
	for name, tc := range map[string]struct {
		from func(*principal.Snapshot)
		do   func(*principal.Principal) bool
		want func(*principal.Snapshot)
		says bool
	}{
		"rename":           {do: func(p *principal.Principal) bool { p.Rename("Eve"); return true }, want: func(s *principal.Snapshot) { s.Name = "Eve" }, says: true},
		"new password":     {do: func(p *principal.Principal) bool { p.ChangePassword(other); return true }, want: func(s *principal.Snapshot) { s.Hash, s.CredVersion = other, 2 }, says: true},
		"renewed hash":     {do: func(p *principal.Principal) bool { p.RenewHash(other); return true }, want: func(s *principal.Snapshot) { s.Hash = other }, says: true},
		"reset password":   {from: func(s *principal.Snapshot) { s.EmailVerified = false }, do: func(p *principal.Principal) bool { p.ResetPassword(other); return true }, want: func(s *principal.Snapshot) { s.Hash, s.CredVersion, s.EmailVerified = other, 2, true }, says: true},
		"verified address": {from: func(s *principal.Snapshot) { s.EmailVerified = false }, do: func(p *principal.Principal) bool { return p.VerifyEmail(address(t, "ADA.L@example.com")) }, want: func(s *principal.Snapshot) { s.Email, s.EmailVerified = address(t, "ADA.L@example.com"), true }},
		"another address":  {do: func(p *principal.Principal) bool { return p.VerifyEmail(address(t, "b@c.de")) }, want: func(s *principal.Snapshot) { s.Email, s.EmailVerified, s.CredVersion = address(t, "b@c.de"), true, 2 }, says: true},
		"unproven address": {do: func(p *principal.Principal) bool { p.ChangeEmail(address(t, "b@c.de")); return true }, want: func(s *principal.Snapshot) { s.Email, s.EmailVerified, s.CredVersion = address(t, "b@c.de"), false, 2 }, says: true},
		"active":           {do: func(p *principal.Principal) bool { p.MarkActive(noon.Add(1)); return true }, want: func(s *principal.Snapshot) { s.LastActive = noon.Add(1) }, says: true},
		"take the role":    {do: func(p *principal.Principal) bool { return p.SetAdmin(false) }, want: func(s *principal.Snapshot) { s.Admin, s.TokenGen = false, 3 }, says: true},
		"keep the role":    {do: func(p *principal.Principal) bool { return p.SetAdmin(true) }, want: func(*principal.Snapshot) {}},
		"disable":          {from: func(s *principal.Snapshot) { s.Disabled = false }, do: (*principal.Principal).Disable, want: func(s *principal.Snapshot) { s.Disabled, s.TokenGen = true, 3 }, says: true},
		"disable again":    {do: (*principal.Principal).Disable, want: func(*principal.Snapshot) {}},
	} {
		t.Run(name, func(t *testing.T) {
			want := full(t)
			if tc.from != nil {
				tc.from(&want)
			}
			p := restore(t, want)
			if says := tc.do(p); says != tc.says {
				t.Errorf("it says %v", says)
			}
			tc.want(&want)
			got := p.Snapshot()
			if !got.Hash.Equal(want.Hash) {
				t.Error("another hash")
			}
			got.Hash, want.Hash = password.Hash{}, password.Hash{}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestMembershipsMakeTokensStaleIfTheyChange(t *testing.T) {
	p := principal.NewUser("ada", "Ada", email.Address{}, password.Hash{}, time.Time{})
	for _, tc := range []struct {
		change  func(string) bool
		key     string
		changed bool
		want    string
	}{
		{p.Join, "b", true, "b"},
		{p.Join, "a", true, "a b"},
		{p.Join, "b", false, "a b"},
		{p.Join, "B", true, "B a b"},
		{p.Leave, "c", false, "B a b"},
		{p.Leave, "a", true, "B b"},
		{p.Leave, "a", false, "B b"},
	} {
		before := p.Snapshot()
		if got := tc.change(tc.key); got != tc.changed || strings.Join(p.Groups(), " ") != tc.want || !slices.Equal(p.Snapshot().Groups, p.Groups()) {
			t.Errorf("after %q it is in %v, changed: %t; want %q", tc.key, p.Groups(), got, tc.want)
		}
		if stale := p.TokenGen() != before.TokenGen; stale != tc.changed || p.CredVersion() != before.CredVersion {
			t.Errorf("after %q tokens are stale: %t", tc.key, stale)
		}
	}
}

// Whoever has proven a password before a factor is switched on or off has
// proven too much or too little.
func TestSwitchingAFactorOvertakesWhoHasProvenSomething(t *testing.T) {
	s := full(t)
	s.Factors = factor.Set{}
	p := restore(t, s)
	for i, step := range []struct {
		change  func(factor.Method) bool
		method  factor.Method
		changed bool
		want    factor.Set
	}{
		{p.DisableFactor, factor.TOTP, false, factor.Set{}},
		{p.EnableFactor, factor.Email, true, factor.Set{Email: true, Preferred: factor.Email}},
		{p.EnableFactor, factor.Email, false, factor.Set{Email: true, Preferred: factor.Email}},
		{p.EnableFactor, factor.TOTP, true, factor.Set{TOTP: true, Email: true, Preferred: factor.TOTP}},
		{p.DisableFactor, factor.TOTP, true, factor.Set{Email: true, Preferred: factor.Email}},
	} {
		before := p.CredVersion()
		if got := step.change(step.method); got != step.changed || p.Factors() != step.want || p.CredVersion() > before != step.changed {
			t.Errorf("step %d: %t, %+v, credentials %d after %d", i, got, p.Factors(), p.CredVersion(), before)
		}
	}
}

func TestOnlyAFactorThatIsOnIsPreferred(t *testing.T) {
	s := full(t)
	s.Factors = factor.Set{}.With(factor.TOTP).With(factor.Email)
	p := restore(t, s)
	if err := p.PreferFactor(factor.Passkey); fault.CodeOf(err) != fault.TwoFactorDisabled || p.Factors() != s.Factors {
		t.Errorf("PreferFactor of one that is off = %v, %+v", err, p.Factors())
	}
	err := p.PreferFactor(factor.Email)
	if err != nil || p.Factors().Preferred != factor.Email || p.CredVersion() != s.CredVersion {
		t.Errorf("PreferFactor = %v, %+v, credentials %d after %d", err, p.Factors(), p.CredVersion(), s.CredVersion)
	}
}

func TestASecondFactorAllowsAShorterPassword(t *testing.T) {
	s := full(t)
	if !restore(t, s).PasswordSubject().SecondFactor {
		t.Error("a second factor is on, and the rules of passwords do not know")
	}
	s.Factors = factor.Set{}
	if restore(t, s).PasswordSubject().SecondFactor {
		t.Error("no second factor is on, and the rules of passwords believe it")
	}
}
