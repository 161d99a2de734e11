package http

import (
	"context"
	"time"

	"gatehouse/adapters/http/api"
	"gatehouse/domain/client"
	"gatehouse/domain/factor"
	"gatehouse/domain/fault"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/domain/session"
	"gatehouse/ports/inbound"
)

// speaker puts what several resources answer on the wire: tokens as cookies
// and, where headers are allowed, in bodies.
type speaker struct {
	jar       jar
	transport Transport
	now       func() time.Time
}

// tokens sets the cookies of a pair and returns what a body may repeat of it.
func (s speaker) tokens(ctx context.Context, p session.Pair) (access, refresh *string) {
	s.jar.setPair(sceneOf(ctx).answer, p, s.now())
	return s.repeat(p.Access), s.repeat(p.Refresh)
}

func (s speaker) repeat(t secret.Text) *string {
	if !s.transport.HeaderAllowed {
		return nil
	}
	text := t.Reveal()
	return &text
}

// challenge sets the cookie of a challenge, and returns what a body says of it.
func (s speaker) challenge(ctx context.Context, c *inbound.Challenge) (repeated *string, methods *[]api.SecondFactor, preferred *string) {
	s.jar.set(sceneOf(ctx).answer, twoFactorCookie, c.Token, c.ExpiresAt, s.now())
	names := methodsOf(c.Factors)
	return s.repeat(c.Token), &names, orNull(string(c.Factors.Preferred))
}

func methodsOf(s factor.Set) []api.SecondFactor {
	names := []api.SecondFactor{}
	for _, m := range s.Methods() {
		names = append(names, string(m))
	}
	return names
}

func principalOf(ctx context.Context, p *principal.Principal) api.PrincipalResponse {
	return api.PrincipalResponse{
		Id: string(p.ID()), Name: p.Name(), Email: orNull(p.Email().Typed()), EmailVerified: p.EmailVerified(),
		IdentityProviders: p.IdentityProviders(), Roles: rolesOf(p.Roles()), Groups: p.Groups(), Disabled: p.IsDisabled(),
		Avatar:               avatarOf(ctx, p.Avatar()),
		TwoFactorAuthEnabled: p.Factors().Any(), PreferredTwoFactorMethod: orNull(string(p.Factors().Preferred)),
		TwoFactorMethods: methodsOf(p.Factors()),
		CreatedAt:        api.Instant(p.CreatedAt()), LastActive: api.Instant(p.LastActive()),
	}
}

func rolesOf(roles []principal.Role) (names api.List[api.Role]) {
	for _, r := range roles {
		names = append(names, string(r))
	}
	return names
}

func locationOf(l *client.Location) *api.Location {
	if l == nil {
		return nil
	}
	return &api.Location{Latitude: l.Latitude, Longitude: l.Longitude, CityName: orNull(l.City), CountryCode: orNull(l.Country)}
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// deviceIn reads the device a client states; prefix is where in the body.
func deviceIn(stated *api.SessionInfoRequest, prefix string) (client.Device, error) {
	var d client.Device
	if stated == nil {
		return d, nil
	}
	f := fault.New(fault.InvalidRequest)
	for _, member := range []struct {
		name string
		text *string
		into *string
	}{{"browser", stated.Browser, &d.Browser}, {"os", stated.Os, &d.OS}} {
		if member.text == nil {
			continue
		}
		clean, broken := client.Label(*member.text)
		*member.into, f = clean, f.On(prefix+member.name, broken...)
	}
	if len(f.Broken()) > 0 {
		return d, f
	}
	return d, nil
}
