package gorm

import (
	"context"
	"slices"

	"gatehouse/domain/dossier"
	"gatehouse/domain/email"
	"gatehouse/domain/notice"
	"gatehouse/domain/onetime"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/ports/outbound"
)

// dossiers read, one statement per table, what other stores write. Whether each
// table is told of, or why not, is a list in the test.
type dossiers struct{ *conn }

func (t dossiers) Of(ctx context.Context, id principal.ID) (d dossier.Dossier, err error) {
	if d.Sessions, err = t.sessions(ctx, id); err != nil {
		return dossier.Dossier{}, err
	}
	if d.Devices, err = t.devices(ctx, id); err != nil {
		return dossier.Dossier{}, err
	}
	if d.Items, err = t.items(ctx, id); err != nil {
		return dossier.Dossier{}, err
	}
	if d.Mails, err = t.mails(ctx, id); err != nil {
		return dossier.Dossier{}, err
	}
	d.RecoveryCodes, err = t.recoveryCodes(ctx, id)
	return d, err
}

type pastRow struct {
	Session   sessionRow `gorm:"embedded"`
	DataKey   []byte
	EndReason *string
}

func (t dossiers) sessions(ctx context.Context, id principal.ID) ([]dossier.Session, error) {
	rows, err := query[pastRow](ctx, t.conn, "read sessions of a dossier", "SELECT s.*, p.data_key"+accessTables+
		" WHERE s.principal_id = ? ORDER BY s.started_at DESC, s.id", string(id))
	if err != nil {
		return nil, err
	}
	out := make([]dossier.Session, len(rows))
	for i, r := range rows {
		s := r.Session.session()
		from, err := t.openClient(t.dataKey(string(id), r.DataKey), s.ID, clientColumns{r.Session.Browser, r.Session.OS, r.Session.Origin})
		if err != nil {
			return nil, err
		}
		out[i] = dossier.Session{
			ID: s.ID, Proven: s.Proven, Client: from, StartedAt: s.StartedAt, LastActive: s.LastActive,
			ExpiresAt: s.ExpiresAt, Until: s.Until, EndedAt: s.EndedAt, Why: session.EndReason(orNone(r.EndReason)),
		}
	}
	return out, nil
}

func (t dossiers) devices(ctx context.Context, id principal.ID) ([]dossier.Device, error) {
	rows, err := query[struct{ LastSeen instant }](ctx, t.conn, "read devices of a dossier",
		"SELECT last_seen FROM devices WHERE principal_id = ? ORDER BY last_seen DESC", string(id))
	out := make([]dossier.Device, len(rows))
	for i, r := range rows {
		out[i] = dossier.Device{LastSeen: r.LastSeen.Time}
	}
	return out, err
}

func (t dossiers) items(ctx context.Context, id principal.ID) ([]dossier.Item, error) {
	rows, err := query[foundRow](ctx, t.conn, "read one-time items of a dossier", "SELECT i.*, p.data_key FROM one_time i"+
		" JOIN principals p ON p.id = i.principal_id WHERE i.principal_id = ?", string(id))
	if err != nil {
		return nil, err
	}
	out := make([]dossier.Item, len(rows))
	for i, r := range rows {
		out[i] = dossier.Item{
			Kind: onetime.Kind(r.Item.Kind), Purpose: session.Purpose(r.Item.Purpose), Session: session.ID(orNone(r.Item.SessionID)),
			CreatedAt: r.Item.CreatedAt.Time, ExpiresAt: r.Item.ExpiresAt.Time, UsedAt: r.Item.UsedAt.Time, VoidedAt: r.Item.VoidedAt.Time,
		}
		if out[i].Address, err = t.itemAddress(t.dataKey(string(id), r.DataKey), r.Item); err != nil {
			return nil, err
		}
	}
	pending, err := t.pending(ctx, id)
	all := slices.Concat(out, pending)
	dossier.SortItems(all)
	return all, err
}

// pending are the items that have tables of their own.
func (t dossiers) pending(ctx context.Context, id principal.ID) ([]dossier.Item, error) {
	rows, err := query[struct {
		Kind                 onetime.Kind
		CreatedAt, ExpiresAt instant
	}](ctx, t.conn, "read pending items of a dossier", "SELECT ? AS kind, created_at, expires_at FROM totp_setups WHERE principal_id = ?"+
		" UNION ALL SELECT ? AS kind, created_at, expires_at FROM mailed_codes WHERE principal_id = ?",
		string(dossier.PendingApp), string(id), string(dossier.MailedCode), string(id))
	out := make([]dossier.Item, len(rows))
	for i, r := range rows {
		out[i] = dossier.Item{Kind: r.Kind, CreatedAt: r.CreatedAt.Time, ExpiresAt: r.ExpiresAt.Time}
	}
	return out, err
}

func (t dossiers) recoveryCodes(ctx context.Context, id principal.ID) (int, error) {
	row, err := take[struct{ N int }](ctx, t.conn, "count recovery codes of a dossier",
		"SELECT count(*) AS n FROM recovery_codes WHERE principal_id = ?", string(id))
	return row.N, err
}

// itemAddress opens the address of an item, zero if it has none.
func (s *safe) itemAddress(k outbound.DataKey, r itemRow) (email.Address, error) {
	if r.Address == nil {
		return email.Address{}, nil
	}
	f := itemField(r.Hash)
	typed, err := s.openText(k, f, r.Address)
	if err != nil {
		return email.Address{}, err
	}
	a, ok := email.Restore(typed)
	if !ok {
		return email.Address{}, broken("read", f, errNotOurs)
	}
	return a, nil
}

type mailRow struct {
	Notice    noticeRow `gorm:"embedded"`
	SettledAt instant
}

var mailStates = map[string]dossier.MailState{
	"queued": dossier.Waiting, "leased": dossier.Waiting, "sent": dossier.Sent, "dead": dossier.GivenUp,
}

// mails reads the whole outbox: an index would cost every mail more than this
// costs the few who ask.
func (t dossiers) mails(ctx context.Context, id principal.ID) ([]dossier.Mail, error) {
	rows, err := query[mailRow](ctx, t.conn, "read mails of a dossier",
		"SELECT kind, locale, state, created_at, expires_at, settled_at FROM outbox WHERE principal_id = ? ORDER BY created_at DESC, kind", string(id))
	out := make([]dossier.Mail, len(rows))
	for i, r := range rows {
		out[i] = dossier.Mail{
			Kind: notice.Kind(r.Notice.Kind), Locale: r.Notice.Locale, State: mailStates[r.Notice.State],
			CreatedAt: r.Notice.CreatedAt.Time, ExpiresAt: r.Notice.ExpiresAt.Time, SettledAt: r.SettledAt.Time,
		}
	}
	return out, err
}

var _ outbound.Dossiers = dossiers{}
