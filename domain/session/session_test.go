package session_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"gatehouse/domain/client"
	"gatehouse/domain/email"
	"gatehouse/domain/fault"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
)

const day = 24 * time.Hour

var (
	noon      = time.Date(2028, 2, 29, 12, 0, 0, 0, time.UTC)
	lifetimes = session.Lifetimes{Refresh: 90 * day, GuestRefresh: 30 * day, Max: 180 * day, ReuseGrace: 10 * time.Second}
	from      = client.Info{Device: client.Device{Browser: "Firefox", OS: "Linux"}}
)

func guest() *principal.Principal { return principal.NewGuest("g1", "Gus", noon) }

func user(t *testing.T) *principal.Principal {
	t.Helper()
	address, broken := email.Parse("ada@example.com")
	if broken != nil {
		t.Fatal(broken)
	}
	return principal.NewUser("u1", "Ada", address, password.NewHash("h"), noon)
}

func TestASessionBeginsNow(t *testing.T) {
	for _, tc := range []struct {
		p    *principal.Principal
		want time.Duration
	}{{user(t), 90 * day}, {guest(), 30 * day}} {
		s := lifetimes.Start("s1", tc.p, session.Proven{session.Password}, from, "r1", noon)
		if s.ID != "s1" || s.PrincipalID != tc.p.ID() || s.RefreshID != "r1" || s.Client != from || !slices.Equal(s.Proven, session.Proven{session.Password}) {
			t.Errorf("session = %+v", s)
		}
		for what, at := range map[string]time.Time{"start": s.StartedAt, "activity": s.LastActive} {
			if !at.Equal(noon) {
				t.Errorf("%s at %v", what, at)
			}
		}
		if !s.ExpiresAt.Equal(noon.Add(tc.want)) || !s.Until.Equal(noon.Add(180*day)) || !s.EndedAt.IsZero() {
			t.Errorf("ends at %v, at most %v, ended %v", s.ExpiresAt, s.Until, s.EndedAt)
		}
	}
}

func TestRefreshingNeverLeadsPastTheMaximum(t *testing.T) {
	short := lifetimes
	short.Max = day
	if s := short.Start("s1", user(t), nil, from, "r1", noon); !s.ExpiresAt.Equal(noon.Add(day)) {
		t.Errorf("a session of a day ends at %v", s.ExpiresAt)
	}
	s := lifetimes.Start("s1", user(t), nil, from, "r1", noon)
	for _, tc := range []struct {
		after, want time.Duration
		guest       bool
	}{{0, 90 * day, false}, {day, 91 * day, false}, {90 * day, 180 * day, false}, {91 * day, 180 * day, false}, {day, 31 * day, true}} {
		now := noon.Add(tc.after)
		r := lifetimes.Rotate(s, tc.guest, "r2", client.Info{}, now)
		if !r.ExpiresAt.Equal(noon.Add(tc.want)) || !r.GraceUntil.Equal(now.Add(10*time.Second)) || !r.At.Equal(now) ||
			r.Presented != "r1" || r.Next != "r2" || r.SessionID != "s1" || r.PrincipalID != "u1" {
			t.Errorf("rotated after %v: %+v", tc.after, r)
		}
	}
}

func TestLive(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*session.Session)
		want   bool
	}{
		"live":                    {func(*session.Session) {}, true},
		"in its last moment":      {func(s *session.Session) { s.ExpiresAt = noon.Add(1) }, true},
		"expired":                 {func(s *session.Session) { s.ExpiresAt = noon }, false},
		"past the maximum":        {func(s *session.Session) { s.Until = noon }, false},
		"ended":                   {func(s *session.Session) { s.EndedAt = noon.Add(-1) }, false},
		"ended by a faster clock": {func(s *session.Session) { s.EndedAt = noon.Add(time.Second) }, false},
	} {
		s := session.Session{ExpiresAt: noon.Add(day), Until: noon.Add(day)}
		tc.change(&s)
		if got := s.Live(noon); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestClaimsOfWhatWasProven(t *testing.T) {
	for _, tc := range []struct {
		p   session.Proven
		amr []string
		acr string
	}{
		{nil, []string{}, "aal0"},
		{session.Proven{session.AsGuest}, []string{"guest"}, "aal0"},
		{session.Proven{session.Password}, []string{"pwd"}, "aal1"},
		{session.Proven{session.Password, "otp"}, []string{"pwd", "otp", "mfa"}, "aal2"},
	} {
		if amr, acr := tc.p.AMR(), tc.p.ACR(); !slices.Equal(amr, tc.amr) || amr == nil || acr != tc.acr {
			t.Errorf("%v: %v, %s", tc.p, amr, acr)
		}
	}
	p := append(make(session.Proven, 0, 9), session.Password, "otp")
	_ = p.AMR()
	if !slices.Equal(p, session.Proven{session.Password, "otp"}) {
		t.Errorf("AMR left %v", p)
	}
}

func TestCallers(t *testing.T) {
	if !(session.Caller{}).IsNobody() || (session.Caller{PrincipalID: "u1"}).IsNobody() {
		t.Error("IsNobody is wrong")
	}
	for _, tc := range []struct {
		roles []principal.Role
		want  error
	}{
		{nil, fault.RoleRequired},
		{[]principal.Role{principal.RoleUser}, fault.RoleRequired},
		{[]principal.Role{principal.RoleUser, principal.RoleAdmin}, nil},
	} {
		if err := (session.Caller{Roles: tc.roles}).RequireAdmin(); !errors.Is(err, tc.want) {
			t.Errorf("RequireAdmin of %v = %v", tc.roles, err)
		}
	}
	for proof, want := range map[session.StepUp]fault.Code{
		session.StepUpGranted: "", session.StepUpMissing: fault.StepUpTokenMissing,
		session.StepUpInvalid: fault.StepUpTokenInvalid, session.StepUpExpired: fault.StepUpTokenExpired,
		99: fault.StepUpTokenMissing,
	} {
		if err := (session.Caller{StepUp: proof}).RequireStepUp(); fault.CodeOf(err) != want {
			t.Errorf("RequireStepUp with %d = %v", proof, err)
		}
	}
	if err := (session.Caller{}).RequireStepUp(); !errors.Is(err, fault.StepUpTokenMissing) {
		t.Errorf("RequireStepUp of nobody = %v", err)
	}
}
