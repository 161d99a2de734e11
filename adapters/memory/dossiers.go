package memory

import (
	"cmp"
	"context"
	"slices"
	"time"

	"gatehouse/domain/dossier"
	"gatehouse/domain/principal"
	"gatehouse/ports/outbound"
)

type dossiers struct{ data }

func (t dossiers) Of(ctx context.Context, id principal.ID) (d dossier.Dossier, err error) {
	err = t.read(ctx, func(s *state) error {
		d = dossier.Dossier{
			Sessions: s.pastOf(id), Devices: s.devicesOf(id), Items: s.itemsOf(id), Mails: s.mailsOf(id),
			RecoveryCodes: len(s.recovery.rows[id]),
		}
		return nil
	})
	return d, err
}

// latest orders by a time, the latest first, ties by id.
func latest[T any](all []T, when func(T) time.Time, id func(T) string) []T {
	slices.SortFunc(all, func(a, b T) int {
		return cmp.Or(when(b).Compare(when(a)), cmp.Compare(id(a), id(b)))
	})
	return all
}

func (s *state) pastOf(id principal.ID) (out []dossier.Session) {
	for _, row := range s.sessions.rows {
		if row.PrincipalID == id {
			out = append(out, dossier.Session{
				ID: row.ID, Proven: slices.Clone(row.Proven), Client: cloned(row.Client), StartedAt: row.StartedAt,
				LastActive: row.LastActive, ExpiresAt: row.ExpiresAt, Until: row.Until, EndedAt: row.EndedAt, Why: s.reasons.rows[row.ID],
			})
		}
	}
	return latest(out, func(r dossier.Session) time.Time { return r.StartedAt }, func(r dossier.Session) string { return string(r.ID) })
}

func (s *state) devicesOf(id principal.ID) (out []dossier.Device) {
	for k, seen := range s.devices.rows {
		if k.of == id {
			out = append(out, dossier.Device{LastSeen: seen})
		}
	}
	return latest(out, func(r dossier.Device) time.Time { return r.LastSeen }, func(dossier.Device) string { return "" })
}

func (s *state) itemsOf(id principal.ID) (out []dossier.Item) {
	for _, i := range s.items.rows {
		if i.Principal == id {
			out = append(out, dossier.Item{
				Kind: i.Kind, Purpose: i.Purpose, Address: i.Address, Session: i.Session,
				CreatedAt: i.CreatedAt, ExpiresAt: i.ExpiresAt, UsedAt: i.UsedAt, VoidedAt: i.VoidedAt,
			})
		}
	}
	if app, ok := s.setups.rows[id]; ok {
		out = append(out, dossier.Item{Kind: dossier.PendingApp, CreatedAt: app.CreatedAt, ExpiresAt: app.ExpiresAt})
	}
	if c, ok := s.mailed.rows[id]; ok {
		out = append(out, dossier.Item{Kind: dossier.MailedCode, CreatedAt: c.CreatedAt, ExpiresAt: c.ExpiresAt})
	}
	dossier.SortItems(out)
	return out
}

var mailStates = map[parcelState]dossier.MailState{
	queued: dossier.Waiting, leased: dossier.Waiting, sent: dossier.Sent, dead: dossier.GivenUp,
}

func (s *state) mailsOf(id principal.ID) (out []dossier.Mail) {
	for _, p := range s.outbox.rows {
		if n := p.notice; n.Principal == id {
			out = append(out, dossier.Mail{
				Kind: n.Kind, Locale: n.Locale, State: mailStates[p.state], CreatedAt: n.CreatedAt, ExpiresAt: n.ExpiresAt, SettledAt: p.settledAt,
			})
		}
	}
	return latest(out, func(r dossier.Mail) time.Time { return r.CreatedAt }, func(r dossier.Mail) string { return string(r.Kind) })
}

var _ outbound.Dossiers = dossiers{}
