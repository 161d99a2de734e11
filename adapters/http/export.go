package http

import (
	"context"
	"time"

	"github.com/labstack/echo/v4"

	"gatehouse/adapters/http/api"
	"gatehouse/domain/audit"
	"gatehouse/domain/client"
	"gatehouse/domain/dossier"
	"gatehouse/domain/passkey"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/ports/inbound"
)

// export serves everything that is stored about the caller.
type export struct {
	export inbound.UseCase[inbound.ExportSelf, inbound.Export]
}

// exportVersion is that of the schema PersonalData.
const exportVersion = 1

const exportNote = "Passwords, tokens, codes and keys are stored in forms that cannot be read, and are not in this file. Counters that " +
	"slow down guessing are stored under hashes that lead to nobody. When the account is deleted, the key to its sealed data is " +
	"destroyed; only its id and the time of the deletion are kept, so that a backup does not bring it back."

// ExportSelf handles GET /api/users/me/export (X1).
func (h export) ExportSelf(ctx context.Context, _ api.ExportSelfRequestObject) (api.ExportSelfResponseObject, error) {
	s := sceneOf(ctx)
	e, err := h.export.Do(ctx, inbound.ExportSelf{Context: s.origin(client.Device{})})
	if err != nil {
		return nil, err
	}
	s.answer.Header().Set(echo.HeaderContentDisposition, `attachment; filename="gatehouse-export-`+e.At.UTC().Format(time.DateOnly)+`.json"`)
	return api.ExportSelf200JSONResponse{
		Version: exportVersion, CreatedAt: api.Instant(e.At), Note: exportNote, Profile: principalOf(ctx, e.Principal),
		Identities: identitiesOf(e.Principal), RecoveryCodes: e.RecoveryCodes, Sessions: each(e.Sessions, pastOf(s.caller().SessionID)),
		Devices: each(e.Devices, deviceOfPerson), OneTimeItems: each(e.Items, itemOf), Mails: each(e.Mails, mailOf),
		Passkeys: each(e.Passkeys, passkeyOfPerson), Events: each(e.Events, eventOf(e.Principal.ID())),
	}, nil
}

func each[A, B any](all []A, of func(A) B) api.List[B] {
	out := make(api.List[B], len(all))
	for i, a := range all {
		out[i] = of(a)
	}
	return out
}

// identitiesOf names the subjects, which no other answer does.
func identitiesOf(p *principal.Principal) api.List[api.PersonalIdentity] {
	out := each(p.Snapshot().Identities, func(i principal.Identity) api.PersonalIdentity {
		return api.PersonalIdentity{Provider: i.Provider, Subject: orNull(i.Subject)}
	})
	if p.HasPassword() {
		out = append(out, api.PersonalIdentity{Provider: principal.PasswordProvider})
	}
	return out
}

func pastOf(current session.ID) func(dossier.Session) api.PersonalSession {
	return func(s dossier.Session) api.PersonalSession {
		return api.PersonalSession{
			Id: string(s.ID), Current: s.ID == current, Browser: orNull(s.Client.Device.Browser), Os: orNull(s.Client.Device.OS),
			IpAddress: orNull(s.Client.Address.String()), Location: locationOf(s.Client.Location), Amr: s.Proven.AMR(),
			CreatedAt: api.Instant(s.StartedAt), LastActive: api.Instant(s.LastActive), ExpiresAt: api.Instant(s.ExpiresAt),
			LastsUntil: api.Instant(s.Until), EndedAt: instantOrNull(s.EndedAt), EndReason: orNull(string(s.Why)),
		}
	}
}

func deviceOfPerson(d dossier.Device) api.PersonalDevice {
	return api.PersonalDevice{LastSeen: api.Instant(d.LastSeen)}
}

func itemOf(i dossier.Item) api.PersonalItem {
	return api.PersonalItem{
		Kind: string(i.Kind), Purpose: orNull(string(i.Purpose)), Address: orNull(i.Address.Typed()), SessionId: orNull(string(i.Session)),
		CreatedAt: api.Instant(i.CreatedAt), ExpiresAt: api.Instant(i.ExpiresAt), UsedAt: instantOrNull(i.UsedAt), VoidedAt: instantOrNull(i.VoidedAt),
	}
}

func mailOf(m dossier.Mail) api.PersonalMail {
	return api.PersonalMail{
		Kind: string(m.Kind), Locale: m.Locale, State: string(m.State),
		CreatedAt: api.Instant(m.CreatedAt), ExpiresAt: api.Instant(m.ExpiresAt), SettledAt: instantOrNull(m.SettledAt),
	}
}

func passkeyOfPerson(k passkey.Passkey) api.PersonalPasskey {
	return api.PersonalPasskey{
		Id: string(k.ID), Name: k.Name, CreatedAt: api.Instant(k.CreatedAt), LastUsedAt: instantOrNull(k.LastUsed),
		BackedUp: k.BackedUp, Transports: k.Transports,
	}
}

func eventOf(who principal.ID) func(audit.Entry) api.PersonalEvent {
	return func(e audit.Entry) api.PersonalEvent {
		return api.PersonalEvent{
			At: api.Instant(e.At), Command: e.Command, Own: e.Principal == who, SessionId: orNull(string(e.Session)), Thing: orNull(e.Target.Thing),
			Outcome: orNull(string(e.Outcome)), Network: orNull(e.Network), RequestId: orNull(e.Request),
		}
	}
}
