package gorm

import (
	"context"
	"time"

	"gatehouse/domain/factor"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/recovery"
	"gatehouse/domain/secret"
	"gatehouse/ports/outbound"
)

// unless returns ErrStale when a conditional statement changed nothing.
func unless(op string, rows int, err error) error {
	if err == nil && rows == 0 {
		return stale(op)
	}
	return err
}

type apps struct{ *conn }

type appRow struct {
	secret   []byte
	lastStep int64
	dataKey  []byte
}

func (r *appRow) fields() []any { return []any{&r.secret, &r.lastStep, &r.dataKey} }

func appField(of principal.ID) outbound.Field { return field("totp_secrets", "secret", string(of)) }

func (t apps) Of(ctx context.Context, of principal.ID) (factor.App, error) {
	r, err := take[appRow](ctx, t.conn, "load app",
		"SELECT a.secret, a.last_step, p.data_key FROM totp_secrets a JOIN principals p ON p.id = a.principal_id WHERE a.principal_id = ?", string(of))
	if err != nil {
		return factor.App{}, err
	}
	text, err := t.openText(t.dataKey(string(of), r.dataKey), appField(of), r.secret)
	return factor.App{Secret: secret.New(text), LastStep: r.lastStep}, err
}

func (t apps) Put(ctx context.Context, of principal.ID, a factor.App) error {
	var sealed []byte
	err := t.with(ctx, of, func(k outbound.DataKey) (err error) {
		sealed, err = t.seal(k, appField(of), []byte(a.Secret.Reveal()))
		return err
	})
	if err != nil {
		return unlessMissing("save app", err)
	}
	_, err = t.exec(ctx, "save app", "INSERT INTO totp_secrets (principal_id, secret, last_step) VALUES (?, ?, ?)"+
		" ON CONFLICT (principal_id) DO UPDATE SET secret = excluded.secret, last_step = excluded.last_step",
		string(of), sealed, a.LastStep)
	return err
}

func (t apps) Accept(ctx context.Context, of principal.ID, step int64) error {
	const op = "accept code of an app"
	n, err := t.exec(ctx, op, "UPDATE totp_secrets SET last_step = ? WHERE principal_id = ? AND last_step < ?", step, string(of), step)
	return unless(op, n, err)
}

func (t apps) Erase(ctx context.Context, of principal.ID) error {
	_, err := t.exec(ctx, "erase app", "DELETE FROM totp_secrets WHERE principal_id = ?", string(of))
	return err
}

type setups struct{ *conn }

type setupRow struct {
	id                   string
	payload              []byte
	tries                int
	createdAt, expiresAt instant
	dataKey              []byte
}

func (r *setupRow) fields() []any {
	return []any{&r.id, &r.payload, &r.tries, &r.createdAt, &r.expiresAt, &r.dataKey}
}

// setupJSON is what is sealed of a setup.
type setupJSON struct {
	Secret string   `json:"secret"`
	Codes  []string `json:"codes"`
}

func setupField(of principal.ID) outbound.Field { return field("totp_setups", "payload", string(of)) }

func (t setups) Of(ctx context.Context, of principal.ID) (factor.Setup, error) {
	r, err := take[setupRow](ctx, t.conn, "load setup", "SELECT s.id, s.payload, s.tries, s.created_at, s.expires_at, p.data_key"+
		" FROM totp_setups s JOIN principals p ON p.id = s.principal_id WHERE s.principal_id = ?", string(of))
	if err != nil {
		return factor.Setup{}, err
	}
	var plain setupJSON
	if err := t.openJSON(t.dataKey(string(of), r.dataKey), setupField(of), r.payload, &plain); err != nil {
		return factor.Setup{}, err
	}
	s := factor.Setup{
		ID: r.id, Secret: secret.New(plain.Secret), Tries: r.tries, CreatedAt: r.createdAt.Time, ExpiresAt: r.expiresAt.Time,
	}
	for _, c := range plain.Codes {
		s.RecoveryCodes = append(s.RecoveryCodes, recovery.Code{Text: secret.New(c)})
	}
	return s, nil
}

func (t setups) Put(ctx context.Context, of principal.ID, s factor.Setup) error {
	plain := setupJSON{Secret: s.Secret.Reveal()}
	for _, c := range s.RecoveryCodes {
		plain.Codes = append(plain.Codes, c.Reveal())
	}
	var sealed []byte
	err := t.with(ctx, of, func(k outbound.DataKey) (err error) {
		sealed, err = t.sealJSON(k, setupField(of), plain)
		return err
	})
	if err != nil {
		return unlessMissing("save setup", err)
	}
	_, err = t.exec(ctx, "save setup", "INSERT INTO totp_setups (principal_id, id, payload, tries, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)"+
		" ON CONFLICT (principal_id) DO UPDATE SET id = excluded.id, payload = excluded.payload, tries = excluded.tries,"+
		" created_at = excluded.created_at, expires_at = excluded.expires_at",
		string(of), s.ID, sealed, s.Tries, at(s.CreatedAt), at(s.ExpiresAt))
	return err
}

const pending = " WHERE principal_id = ? AND id = ? AND expires_at > ?"

func (t setups) Try(ctx context.Context, of principal.ID, id string, now time.Time) error {
	const op = "try setup"
	n, err := t.exec(ctx, op, "UPDATE totp_setups SET tries = tries + 1"+pending+" AND tries < ?", string(of), id, at(now), factor.MaxTries)
	return unless(op, n, err)
}

func (t setups) Use(ctx context.Context, of principal.ID, id string, now time.Time) error {
	const op = "use setup"
	n, err := t.exec(ctx, op, "DELETE FROM totp_setups"+pending, string(of), id, at(now))
	return unless(op, n, err)
}

func (t setups) Void(ctx context.Context, of principal.ID) error {
	_, err := t.exec(ctx, "void setup", "DELETE FROM totp_setups WHERE principal_id = ?", string(of))
	return err
}

func (t setups) Purge(ctx context.Context, before time.Time, limit int) (int, error) {
	return t.purge(ctx, "totp_setups", "principal_id", limit, remains{"expires_at", "expires_at < ?", []any{at(before)}})
}

type recoveryCodes struct{ *conn }

type textRow struct{ text string }

func (r *textRow) fields() []any { return []any{&r.text} }

func (t recoveryCodes) Of(ctx context.Context, of principal.ID) (recovery.Set, error) {
	rows, err := query[textRow](ctx, t.conn, "load recovery codes", "SELECT hash FROM recovery_codes WHERE principal_id = ?", string(of))
	all := make(recovery.Set, len(rows))
	for i, r := range rows {
		all[i] = password.NewHash(r.text)
	}
	return all, err
}

// Replace holds the principal, so that two sets never mix.
func (t recoveryCodes) Replace(ctx context.Context, of principal.ID, all recovery.Set) error {
	return t.atomically(ctx, func(c *conn) error {
		if err := c.hold(ctx, of); err != nil {
			return unlessMissing("save recovery codes", err)
		}
		_, err := c.exec(ctx, "erase recovery codes", "DELETE FROM recovery_codes WHERE principal_id = ?", string(of))
		for i := 0; i < len(all) && err == nil; i++ {
			_, err = c.exec(ctx, "save recovery code", "INSERT INTO recovery_codes (principal_id, hash) VALUES (?, ?)", string(of), all[i].Encoded())
		}
		return err
	})
}

// hold locks a principal, and returns ErrNotFound if there is none. On SQLite
// whoever writes is alone anyway.
func (c *conn) hold(ctx context.Context, id principal.ID) error {
	query := "SELECT p.id FROM principals p WHERE p.id = ?"
	if c.postgres {
		query += forUpdate
	}
	rows, err := returning[textRow](ctx, c, "hold principal", query, string(id))
	if err == nil && len(rows) == 0 {
		err = missing("hold principal")
	}
	return err
}

func (t recoveryCodes) Use(ctx context.Context, of principal.ID, h password.Hash) error {
	const op = "use recovery code"
	n, err := t.exec(ctx, op, "DELETE FROM recovery_codes WHERE principal_id = ? AND hash = ?", string(of), h.Encoded())
	return unless(op, n, err)
}

type mailedCodes struct{ *conn }

// indexes are what stands for a mailed code of a principal under every key, the
// current one first: keys may be exchanged while it is on its way.
func (t mailedCodes) indexes(of principal.ID, code factor.Code) [][]byte {
	return t.vault.Indexes("mailed_codes", string(of)+"\x00"+code.Reveal())
}

func (t mailedCodes) Put(ctx context.Context, of principal.ID, c factor.MailedCode) error {
	_, err := t.exec(ctx, "save mailed code", "INSERT INTO mailed_codes (principal_id, code, tries, created_at, expires_at) VALUES (?, ?, 0, ?, ?)"+
		" ON CONFLICT (principal_id) DO UPDATE SET code = excluded.code, tries = excluded.tries,"+
		" created_at = excluded.created_at, expires_at = excluded.expires_at",
		string(of), t.indexes(of, c.Code)[0], at(c.CreatedAt), at(c.ExpiresAt))
	return err
}

func (t mailedCodes) Try(ctx context.Context, of principal.ID, now time.Time) error {
	const op = "try mailed code"
	n, err := t.exec(ctx, op, "UPDATE mailed_codes SET tries = tries + 1 WHERE principal_id = ? AND expires_at > ? AND tries < ?",
		string(of), at(now), factor.MaxTries)
	return unless(op, n, err)
}

func (t mailedCodes) Use(ctx context.Context, of principal.ID, code factor.Code, now time.Time) error {
	const op = "use mailed code"
	n, err := t.exec(ctx, op, "DELETE FROM mailed_codes WHERE principal_id = ? AND expires_at > ? AND code IN ?",
		string(of), at(now), blobs(t.indexes(of, code)))
	return unless(op, n, err)
}

func (t mailedCodes) Void(ctx context.Context, of principal.ID) error {
	_, err := t.exec(ctx, "void mailed code", "DELETE FROM mailed_codes WHERE principal_id = ?", string(of))
	return err
}

func (t mailedCodes) Purge(ctx context.Context, before time.Time, limit int) (int, error) {
	return t.purge(ctx, "mailed_codes", "principal_id", limit, remains{"expires_at", "expires_at < ?", []any{at(before)}})
}
