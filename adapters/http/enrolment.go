package http

import (
	"context"
	"encoding/base64"

	"gatehouse/adapters/http/api"
	"gatehouse/domain/client"
	codes "gatehouse/domain/recovery"
	"gatehouse/domain/secret"
	"gatehouse/ports/inbound"
)

// enrolment serves second factors on and off.
type enrolment struct {
	prefer       inbound.UseCase[inbound.PreferFactor, inbound.Self]
	begin        inbound.UseCase[inbound.BeginTOTP, inbound.TOTPSetup]
	enableTOTP   inbound.UseCase[inbound.EnableTOTP, inbound.Self]
	disableTOTP  inbound.UseCase[inbound.DisableTOTP, inbound.Self]
	replaceCodes inbound.UseCase[inbound.ReplaceRecoveryCodes, inbound.RecoveryCodes]
	enableEmail  inbound.UseCase[inbound.EnableEmail, inbound.Self]
	disableEmail inbound.UseCase[inbound.DisableEmail, inbound.Self]
	wait         inbound.UseCase[inbound.FactorCooldown, inbound.Cooldown]
}

// PreferFactor handles POST /api/auth/2fa/preferred-method (T3).
func (h enrolment) PreferFactor(ctx context.Context, r api.PreferFactorRequestObject) (api.PreferFactorResponseObject, error) {
	p, err := h.prefer.Do(ctx, inbound.PreferFactor{Context: sceneOf(ctx).origin(client.Device{}), Method: r.Body.Method})
	if err != nil {
		return nil, err
	}
	return api.PreferFactor200JSONResponse(principalOf(ctx, p)), nil
}

// BeginTotp handles GET /api/auth/2fa/totp/setup (T4).
func (h enrolment) BeginTotp(ctx context.Context, _ api.BeginTotpRequestObject) (api.BeginTotpResponseObject, error) {
	s, err := h.begin.Do(ctx, inbound.BeginTOTP{Context: sceneOf(ctx).origin(client.Device{})})
	if err != nil {
		return nil, err
	}
	return api.BeginTotp200JSONResponse{
		Secret: s.Secret.Reveal(), TotpAuthUrl: s.URL.Reveal(), QrCode: dataURI(s.QRCode), RecoveryCodes: codesIn(s.RecoveryCodes), Token: s.Token.Reveal(),
	}, nil
}

func dataURI(png secret.Text) string {
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString([]byte(png.Reveal()))
}

func codesIn(all []codes.Code) (out api.List[string]) {
	for _, c := range all {
		out = append(out, c.Reveal())
	}
	return out
}

// EnableTotp handles POST /api/auth/2fa/totp/setup (T5).
func (h enrolment) EnableTotp(ctx context.Context, r api.EnableTotpRequestObject) (api.EnableTotpResponseObject, error) {
	p, err := h.enableTOTP.Do(ctx, inbound.EnableTOTP{
		Context: sceneOf(ctx).origin(client.Device{}), Token: r.Body.Token, Code: r.Body.Code.Text,
	})
	if err != nil {
		return nil, err
	}
	return api.EnableTotp200JSONResponse(principalOf(ctx, p)), nil
}

// DisableTotp handles DELETE /api/auth/2fa/totp (T6).
func (h enrolment) DisableTotp(ctx context.Context, _ api.DisableTotpRequestObject) (api.DisableTotpResponseObject, error) {
	p, err := h.disableTOTP.Do(ctx, inbound.DisableTOTP{Context: sceneOf(ctx).origin(client.Device{})})
	if err != nil {
		return nil, err
	}
	return api.DisableTotp200JSONResponse(principalOf(ctx, p)), nil
}

// ReplaceRecoveryCodes handles POST /api/auth/2fa/totp/recovery-codes (T12).
func (h enrolment) ReplaceRecoveryCodes(ctx context.Context, _ api.ReplaceRecoveryCodesRequestObject) (api.ReplaceRecoveryCodesResponseObject, error) {
	all, err := h.replaceCodes.Do(ctx, inbound.ReplaceRecoveryCodes{Context: sceneOf(ctx).origin(client.Device{})})
	if err != nil {
		return nil, err
	}
	return api.ReplaceRecoveryCodes200JSONResponse{RecoveryCodes: codesIn(all)}, nil
}

// EnableEmail handles POST /api/auth/2fa/email/enable (T9).
func (h enrolment) EnableEmail(ctx context.Context, r api.EnableEmailRequestObject) (api.EnableEmailResponseObject, error) {
	p, err := h.enableEmail.Do(ctx, inbound.EnableEmail{Context: sceneOf(ctx).origin(client.Device{}), Code: r.Body.Code})
	if err != nil {
		return nil, err
	}
	return api.EnableEmail200JSONResponse(principalOf(ctx, p)), nil
}

// DisableEmail handles DELETE /api/auth/2fa/email (T10).
func (h enrolment) DisableEmail(ctx context.Context, _ api.DisableEmailRequestObject) (api.DisableEmailResponseObject, error) {
	p, err := h.disableEmail.Do(ctx, inbound.DisableEmail{Context: sceneOf(ctx).origin(client.Device{})})
	if err != nil {
		return nil, err
	}
	return api.DisableEmail200JSONResponse(principalOf(ctx, p)), nil
}

// EmailCodeCooldown handles GET /api/auth/2fa/email/cooldown (T11).
func (h enrolment) EmailCodeCooldown(ctx context.Context, _ api.EmailCodeCooldownRequestObject) (api.EmailCodeCooldownResponseObject, error) {
	left, err := h.wait.Do(ctx, inbound.FactorCooldown{Of: sceneOf(ctx).about()})
	if err != nil {
		return nil, err
	}
	return api.EmailCodeCooldown200JSONResponse(cooldownOf(left)), nil
}
