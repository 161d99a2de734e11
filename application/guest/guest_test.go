package guest_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/adapters/memory"
	"gatehouse/application/grant"
	"gatehouse/application/grant/granttest"
	"gatehouse/application/guest"
	"gatehouse/domain/client"
	"gatehouse/domain/fault"
	"gatehouse/domain/session"
	"gatehouse/domain/token"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

const day = 24 * time.Hour

var noon = time.Date(2028, 2, 29, 12, 0, 0, 0, time.UTC)

func creator(work outbound.UnitOfWork, tokens *granttest.Tokens) *guest.Creator {
	n := 0
	id := func() string { n++; return fmt.Sprintf("id-%d", n) }
	return guest.NewCreator(guest.CreatorDeps{
		Work: work,
		Issuer: grant.New(grant.Deps{
			Minter: tokens, NewID: id,
			Session: session.Lifetimes{Refresh: 90 * day, GuestRefresh: 30 * day, Max: 180 * day},
			Token:   token.Lifetimes{Access: 15 * time.Minute},
		}),
		Locate: func(a client.Address) *client.Location { return &client.Location{City: "City of " + a.String()} },
		NewID:  id, Now: func() time.Time { return noon },
	})
}

func TestAGuestGetsASession(t *testing.T) {
	store := memory.New()
	from := client.Info{Address: client.NewAddress(netip.MustParseAddr("192.0.2.7")), Device: client.Device{Browser: "Firefox"}}
	got, err := creator(store, &granttest.Tokens{}).Do(t.Context(), inbound.CreateGuest{
		Context: inbound.Context{From: from}, Name: "  Gus\u0301 ",
	})
	if err != nil {
		t.Fatal(err)
	}
	p, err := store.Single().Principals.ByID(t.Context(), got.Principal.ID())
	if err != nil || !p.IsGuest() || p.Name() != "Guś" || !p.CreatedAt().Equal(noon) || !p.LastActive().Equal(noon) {
		t.Errorf("guest %+v, %v", p, err)
	}
	all, err := store.Single().Sessions.Of(t.Context(), p.ID(), noon)
	if err != nil || len(all) != 1 {
		t.Fatalf("sessions %+v, %v", all, err)
	}
	s := all[0]
	if s.ID != got.SessionID || !s.ExpiresAt.Equal(noon.Add(30*day)) || s.Client.Device != from.Device || s.Client.Address != from.Address {
		t.Errorf("session %+v", s)
	}
	if place := "City of 192.0.2.7"; s.Client.Location.City != place || got.Location.City != place {
		t.Errorf("located at %v and %v", s.Client.Location, got.Location)
	}
	c, err := granttest.Read(got.Tokens.Access, token.Access)
	if err != nil || c.Subject != p.ID() || c.Session != s.ID || c.ACR != "aal0" ||
		!slices.Equal(c.AMR, []string{"guest"}) || !slices.Equal(c.Roles, []string{"GUEST"}) {
		t.Errorf("access token %+v, %v", c, err)
	}
	if r, err := granttest.Read(got.Tokens.Refresh, token.Refresh); err != nil || r.ID != s.RefreshID || !r.ExpiresAt.Equal(noon.Add(30*day)) {
		t.Errorf("refresh token %+v, %v", r, err)
	}
}

func TestGuestNames(t *testing.T) {
	for name, want := range map[string][]fault.Rule{
		"Gus":                       nil,
		strings.Repeat("ä", 100):    nil,
		" \t":                       {fault.RuleNotBlank},
		strings.Repeat("ä", 101):    {fault.RuleMaxLength},
		"Gus\u202e":                 {fault.RuleControlCharacters},
		strings.Repeat("\x00", 101): {fault.RuleMaxLength, fault.RuleControlCharacters},
	} {
		store := memory.New()
		got, err := creator(store, &granttest.Tokens{}).Do(t.Context(), inbound.CreateGuest{Name: name})
		if want == nil {
			if err != nil {
				t.Errorf("%q: %v", name, err)
			}
			continue
		}
		f, ok := errors.AsType[*fault.Error](err)
		if !ok || f.Code() != fault.InvalidRequest || got.Principal != nil {
			t.Errorf("%q: %+v, %v", name, got, err)
			continue
		}
		var rules []fault.Rule
		for _, v := range f.Broken() {
			if v.Field != "name" {
				t.Errorf("%q: field %q", name, v.Field)
			}
			rules = append(rules, v.Rule)
		}
		if !slices.Equal(rules, want) {
			t.Errorf("%q breaks %v, want %v", name, rules, want)
		}
	}
}

// tearing is a unit of work that fails when the last statement is through.
type tearing struct{ outbound.UnitOfWork }

func (u tearing) Within(ctx context.Context, fn func(context.Context, outbound.Stores) error) error {
	return u.UnitOfWork.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
		if err := fn(ctx, s); err != nil {
			return err
		}
		return fault.New(fault.DatabaseFailure)
	})
}

func TestAFailureLeavesNoGuestBehind(t *testing.T) {
	for name, tc := range map[string]struct {
		torn  bool
		fails token.Kind
		want  fault.Code
	}{
		"the database fails":     {torn: true, want: fault.DatabaseFailure},
		"no access token today":  {fails: token.Access, want: fault.TokenCreationFailure},
		"no refresh token today": {fails: token.Refresh, want: fault.TokenCreationFailure},
	} {
		t.Run(name, func(t *testing.T) {
			store := memory.New()
			var work outbound.UnitOfWork = store
			if tc.torn {
				work = tearing{store}
			}
			got, err := creator(work, &granttest.Tokens{Fails: tc.fails}).Do(t.Context(), inbound.CreateGuest{Name: "Gus"})
			if fault.CodeOf(err) != tc.want || got.Principal != nil || !got.Tokens.Access.Missing() {
				t.Errorf("Do = %+v, %v", got, err)
			}
			if _, err := store.Single().Principals.ByID(t.Context(), "id-1"); !errors.Is(err, outbound.ErrNotFound) {
				t.Errorf("the guest: %v", err)
			}
		})
	}
}
