package http

import (
	"context"
	"errors"
	"strings"

	"gatehouse/adapters/http/api"
	"gatehouse/domain/client"
	"gatehouse/domain/fault"
	"gatehouse/domain/session"
	"gatehouse/ports/inbound"
)

// authentication serves accounts with a password, and their tokens.
type authentication struct {
	speaker
	register inbound.UseCase[inbound.Register, inbound.Registered]
	signIn   inbound.UseCase[inbound.SignIn, inbound.SignedIn]
	signOut  inbound.UseCase[inbound.SignOut, inbound.SignedOut]
	refresh  inbound.UseCase[inbound.Refresh, inbound.SignedIn]
	stepUp   inbound.UseCase[inbound.StepUp, inbound.SteppedUp]
	redeem   inbound.UseCase[inbound.RedeemStepUp, inbound.Approval]
	status   inbound.UseCase[inbound.Status, inbound.StatusReport]
}

// Register handles POST /api/auth/register (A1).
func (h authentication) Register(ctx context.Context, r api.RegisterRequestObject) (api.RegisterResponseObject, error) {
	_, err := h.register.Do(ctx, inbound.Register{
		Context:   sceneOf(ctx).origin(client.Device{}),
		Email:     r.Body.Email,
		Name:      r.Body.Name,
		Password:  r.Body.Password,
		SendEmail: r.Params.SendEmail == nil || *r.Params.SendEmail,
	})
	if err != nil {
		return nil, err
	}
	return api.Register200JSONResponse{Success: true}, nil
}

// Login handles POST /api/auth/login (A2).
func (h authentication) Login(ctx context.Context, r api.LoginRequestObject) (api.LoginResponseObject, error) {
	device, err := deviceIn(r.Body.Session, "session.")
	if blank(r.Body.Email) {
		err = withBroken(err, "email", fault.RuleNotBlank)
	}
	if err != nil {
		return nil, err
	}
	in, err := h.signIn.Do(ctx, inbound.SignIn{Context: sceneOf(ctx).origin(device), Email: r.Body.Email, Password: r.Body.Password})
	if err != nil {
		return nil, err
	}
	return api.Login200JSONResponse(h.entered(ctx, in)), nil
}

// entered is what becomes of a sign-in: a session, or a challenge.
func (s speaker) entered(ctx context.Context, in inbound.SignedIn) (out api.LoginResponse) {
	if c := in.Challenge; c != nil {
		out.TwoFactorRequired = true
		out.TwoFactorAuthenticationToken, out.TwoFactorMethods, out.PreferredTwoFactorMethod = s.challenge(ctx, c)
		return out
	}
	who := principalOf(ctx, in.Principal)
	out.User, out.Location = &who, locationOf(in.Location)
	out.AccessToken, out.RefreshToken = s.tokens(ctx, in.Tokens)
	return out
}

// Logout handles POST /api/auth/logout (A3). The cookies go even if it fails.
func (h authentication) Logout(ctx context.Context, _ api.LogoutRequestObject) (api.LogoutResponseObject, error) {
	s := sceneOf(ctx)
	h.jar.clearAll(s.answer)
	_, err := h.signOut.Do(ctx, inbound.SignOut{Context: s.origin(client.Device{}), AccessToken: s.sent.access, RefreshToken: s.sent.named})
	if err != nil {
		return nil, err
	}
	return api.Logout200JSONResponse{Success: true}, nil
}

// Refresh handles POST /api/auth/refresh (A4).
func (h authentication) Refresh(ctx context.Context, r api.RefreshRequestObject) (api.RefreshResponseObject, error) {
	device, err := deviceIn(r.Body, "")
	if err != nil {
		return nil, err
	}
	s := sceneOf(ctx)
	s.agent = "" // what is not stated keeps its stored value
	in, err := h.refresh.Do(ctx, inbound.Refresh{Context: s.origin(device), RefreshToken: s.sent.refresh})
	if err != nil {
		return nil, err
	}
	access, refresh := h.tokens(ctx, in.Tokens)
	return api.Refresh200JSONResponse{User: principalOf(ctx, in.Principal), AccessToken: access, RefreshToken: refresh}, nil
}

// StepUp handles POST /api/auth/step-up (A5).
func (h authentication) StepUp(ctx context.Context, r api.StepUpRequestObject) (api.StepUpResponseObject, error) {
	s := sceneOf(ctx)
	cmd := inbound.StepUp{Context: s.origin(client.Device{})}
	if r.Body != nil {
		var err error
		cmd.Password = r.Body.Password
		cmd.Demand, err = session.Wish{
			Purpose: r.Body.Purpose, PayloadHash: r.Body.PayloadHash, ACRValues: r.Body.AcrValues, MaxAge: r.Body.MaxAge,
		}.Parse()
		if err != nil {
			return nil, err
		}
	}
	granted, err := h.stepUp.Do(ctx, cmd)
	if err != nil {
		return nil, err
	}
	return api.StepUp200JSONResponse(h.steppedUp(ctx, granted)), nil
}

// steppedUp is what becomes of a step-up: a token, or a challenge.
func (s speaker) steppedUp(ctx context.Context, up inbound.SteppedUp) (out api.StepUpResponse) {
	if c := up.Challenge; c != nil {
		out.TwoFactorRequired = true
		out.TwoFactorAuthenticationToken, out.TwoFactorMethods, out.PreferredTwoFactorMethod = s.challenge(ctx, c)
		return out
	}
	if !up.Bound.IsZero() { // it is for somebody else: a browser has to hand it on, and no endpoint of ours takes it
		out.StepUpToken = new(up.Token.Reveal())
		return out
	}
	s.jar.set(sceneOf(ctx).answer, stepUpCookie, up.Token, up.ExpiresAt, s.now())
	out.StepUpToken = s.repeat(up.Token)
	return out
}

// RedeemStepUp handles POST /api/auth/step-up/redeem (V1).
func (h authentication) RedeemStepUp(ctx context.Context, r api.RedeemStepUpRequestObject) (api.RedeemStepUpResponseObject, error) {
	wanted, err := session.Wish{Purpose: &r.Body.Purpose, PayloadHash: r.Body.PayloadHash}.Parse()
	if err != nil {
		return nil, err
	}
	a, err := h.redeem.Do(ctx, inbound.RedeemStepUp{Context: sceneOf(ctx).origin(client.Device{}), Token: r.Body.Token, For: wanted.Bound})
	if err != nil {
		return nil, err
	}
	return api.RedeemStepUp200JSONResponse{
		UserId: string(a.PrincipalID), SessionId: string(a.SessionID), Purpose: a.Bound.Purpose, PayloadHash: orNull(a.Bound.PayloadHash),
		Amr: a.AMR, Acr: a.ACR, AuthTime: api.Instant(a.AuthTime),
	}, nil
}

// AuthenticationStatus handles GET /api/auth/status (A6).
func (h authentication) AuthenticationStatus(ctx context.Context, _ api.AuthenticationStatusRequestObject) (api.AuthenticationStatusResponseObject, error) {
	r, err := h.status.Do(ctx, inbound.Status{Access: sceneOf(ctx).access, Challenge: sceneOf(ctx).challenge})
	if err != nil {
		return nil, err
	}
	out := api.AuthenticationStatus200JSONResponse{
		Authenticated: r.Authenticated, StepUp: r.StepUp, EmailVerified: r.EmailVerified, SessionId: orNull(string(r.SessionID)),
		TwoFactorRequired: r.Challenged, PreferredTwoFactorMethod: orNull(string(r.Factors.Preferred)),
	}
	if r.Factors.Any() {
		names := methodsOf(r.Factors)
		out.TwoFactorMethods = &names
	}
	return out, nil
}

// withBroken adds a broken rule to an INVALID_REQUEST, or begins one.
func withBroken(err error, field string, rule fault.Rule) error {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.On(field, rule)
	}
	return fault.Invalid(field, rule)
}

func blank(s string) bool { return strings.TrimSpace(s) == "" }

// stands reports whether a change is stored, whatever became of its effects.
func stands(err error) bool {
	return err == nil || fault.CodeOf(err) == fault.PostCommitSideEffectFailure
}
