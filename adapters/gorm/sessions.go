package gorm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gatehouse/domain/client"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/domain/session"
	"gatehouse/ports/outbound"
)

type sessionRow struct {
	ID            string `gorm:"primaryKey"`
	PrincipalID   string
	RefreshJTI    string
	AMR           string
	Browser       []byte
	OS            []byte
	Origin        []byte
	StartedAt     instant
	LastActive    instant
	ExpiresAt     instant
	AbsoluteUntil instant
	EndedAt       instant
	SweepAt       instant
}

func (sessionRow) TableName() string { return "sessions" }

type sessions struct{ *conn }

func (t sessions) Add(ctx context.Context, s session.Session) error {
	var r sessionRow
	err := t.with(ctx, s.PrincipalID, func(k outbound.DataKey) (err error) {
		r, err = t.sessionRow(k, s)
		return err
	})
	if err != nil {
		return unlessMissing("add session", err)
	}
	return t.create(ctx, "add session", &r)
}

func (s *safe) sessionRow(k outbound.DataKey, n session.Session) (sessionRow, error) {
	c, err := s.sealClient(k, n.ID, n.Client)
	return sessionRow{
		ID: string(n.ID), PrincipalID: string(n.PrincipalID), RefreshJTI: n.RefreshID, AMR: factors(n.Proven),
		Browser: c.browser, OS: c.os, Origin: c.origin,
		StartedAt: at(n.StartedAt), LastActive: at(n.LastActive), ExpiresAt: at(n.ExpiresAt),
		AbsoluteUntil: at(n.Until), EndedAt: at(n.EndedAt), SweepAt: at(sweepAt(n)),
	}, err
}

// sweepAt is when a session is over unless it is refreshed or ended.
func sweepAt(s session.Session) time.Time {
	if s.Until.Before(s.ExpiresAt) {
		return s.Until
	}
	return s.ExpiresAt
}

// unlessMissing makes a principal that is not there a failure: ErrNotFound
// would say that what was asked for is not there.
func unlessMissing(op string, err error) error {
	if errors.Is(err, outbound.ErrNotFound) {
		return classify(op, errors.New("there is no such principal"))
	}
	return err
}

// accessRow is a session joined with its principal, and with the pair its
// token was exchanged for.
type accessRow struct {
	session   sessionRow
	principal principalRow
	pair      []byte
}

const (
	accessColumns = "SELECT s.id, s.principal_id, s.refresh_jti, s.amr, " +
		"s.started_at, s.last_active, s.expires_at, s.absolute_until, s.ended_at, "
	accessTables = " FROM sessions s JOIN principals p ON p.id = s.principal_id"
)

var (
	accessQuery = sqlOf(accessColumns + "NULL, " + principalColumns + accessTables + " WHERE s.id = ?")

	// Most tokens are the current one, for which there is nothing to be found.
	refreshableQuery = sqlOf(accessColumns + "CASE WHEN s.refresh_jti <> ? THEN (" +
		"SELECT g.pair FROM refresh_grace g WHERE g.session_id = s.id AND g.presented = ? AND g.until > ?) END, " +
		principalColumns + accessTables + " WHERE s.id = ?")
)

func (r *accessRow) fields() []any {
	s := &r.session
	return append([]any{
		&s.ID, &s.PrincipalID, &s.RefreshJTI, &s.AMR,
		&s.StartedAt, &s.LastActive, &s.ExpiresAt, &s.AbsoluteUntil, &s.EndedAt, &r.pair,
	}, r.principal.columns()...)
}

func (t sessions) Access(ctx context.Context, id session.ID) (outbound.Access, error) {
	r, err := take[accessRow](ctx, t.conn, "read session", t.sql(accessQuery), string(id))
	if err != nil {
		return outbound.Access{}, err
	}
	return t.access(r), nil
}

func (t sessions) Refreshable(ctx context.Context, id session.ID, presented string, now time.Time) (outbound.Access, *session.Pair, error) {
	r, err := take[accessRow](ctx, t.conn, "read session", t.sql(refreshableQuery), presented, presented, at(now), string(id))
	if err != nil {
		return outbound.Access{}, nil, err
	}
	if r.pair == nil {
		return t.access(r), nil, nil
	}
	pair, err := t.openPair(t.dataKey(r.principal.ID, r.principal.DataKey), id, presented, r.pair)
	if err != nil {
		return outbound.Access{}, nil, err
	}
	return t.access(r), &pair, nil
}

func (s *safe) access(r accessRow) outbound.Access {
	s.remember(principal.ID(r.principal.ID), r.principal.DataKey)
	return outbound.Access{
		Session: r.session.session(),
		Guest:   r.principal.Kind == string(principal.Guest), Disabled: r.principal.Disabled, TokenGen: r.principal.TokenGen,
		Open: func() (*principal.Principal, error) { return s.restore(r.principal) },
	}
}

func (r sessionRow) session() session.Session {
	return session.Session{
		ID: session.ID(r.ID), PrincipalID: principal.ID(r.PrincipalID), RefreshID: r.RefreshJTI,
		Proven: proven(r.AMR), StartedAt: r.StartedAt.Time, LastActive: r.LastActive.Time, ExpiresAt: r.ExpiresAt.Time,
		Until: r.AbsoluteUntil.Time, EndedAt: r.EndedAt.Time,
	}
}

func factors(p session.Proven) string {
	names := make([]string, len(p))
	for i, f := range p {
		names[i] = string(f)
	}
	return strings.Join(names, " ")
}

func proven(text string) (p session.Proven) {
	for f := range strings.FieldsSeq(text) {
		p = append(p, session.Factor(f))
	}
	return p
}

// rotation is a [session.Rotation] ready to be written.
type rotation struct {
	session.Rotation
	clientColumns
	pair []byte
}

func (t sessions) Rotate(ctx context.Context, r session.Rotation) (done bool, err error) {
	row := rotation{Rotation: r}
	err = t.with(ctx, r.PrincipalID, func(k outbound.DataKey) (err error) {
		if row.pair, err = t.sealPair(k, r); err == nil {
			row.clientColumns, err = t.sealClient(k, r.SessionID, r.Client)
		}
		return err
	})
	switch {
	case errors.Is(err, outbound.ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	case t.postgres:
		return t.rotateAtOnce(ctx, row)
	}
	err = t.atomically(ctx, func(c *conn) error {
		done, err = c.rotateInSteps(ctx, row)
		return err
	})
	return done && err == nil, err
}

// current is a session s that is live and may be refreshed with a token.
const current = "s.id = $2 AND s.refresh_jti = $4 AND s.ended_at IS NULL AND s.expires_at > $1 AND s.absolute_until > $1"

// rotateAtOnce writes to the principal first, as everybody does, lest somebody
// who ends its sessions waits for us while we wait for them; and only if there
// is something to rotate. Each part sees rows as they were when the statement
// began, but checks again what it waited for.
func (c *conn) rotateAtOnce(ctx context.Context, r rotation) (bool, error) {
	won, err := returning[number](ctx, c, "rotate refresh token", `
WITH p AS (
	UPDATE principals SET last_active = GREATEST(last_active, $1)
	WHERE id = (SELECT s.principal_id FROM sessions s WHERE s.principal_id = $3 AND `+current+`)
	RETURNING id
), s AS (
	UPDATE sessions s SET refresh_jti = $5, last_active = $1, expires_at = $6,
		browser = COALESCE($7, browser), os = COALESCE($8, os), origin = $9
	WHERE s.principal_id = (SELECT id FROM p) AND `+current+`
	RETURNING s.id
)
INSERT INTO refresh_grace (session_id, presented, rotated_at, until, pair)
SELECT id, $4, $1, $10::timestamptz, $11::bytea FROM s
RETURNING 1`,
		at(r.At), string(r.SessionID), string(r.PrincipalID), r.Presented, r.Next, at(r.ExpiresAt),
		r.browser, r.os, r.origin, at(r.GraceUntil), r.pair)
	return len(won) == 1, err
}

func (c *conn) rotateInSteps(ctx context.Context, r rotation) (bool, error) {
	const op = "rotate refresh token"
	n, err := c.exec(ctx, op, `
UPDATE sessions SET refresh_jti = ?, last_active = ?, expires_at = ?,
	browser = COALESCE(?, browser), os = COALESCE(?, os), origin = ?
WHERE id = ? AND principal_id = ? AND refresh_jti = ?
	AND ended_at IS NULL AND expires_at > ? AND absolute_until > ?`,
		r.Next, at(r.At), at(r.ExpiresAt), r.browser, r.os, r.origin,
		string(r.SessionID), string(r.PrincipalID), r.Presented, at(r.At), at(r.At))
	if err != nil || n == 0 {
		return false, err
	}
	_, err = c.exec(ctx, op, "INSERT INTO refresh_grace (session_id, presented, rotated_at, until, pair) VALUES (?, ?, ?, ?, ?)",
		string(r.SessionID), r.Presented, at(r.At), at(r.GraceUntil), r.pair)
	if err != nil {
		return false, err
	}
	_, err = c.exec(ctx, op, "UPDATE principals SET last_active = ? WHERE id = ? AND last_active < ?",
		at(r.At), string(r.PrincipalID), at(r.At))
	return err == nil, err
}

type listedRow struct {
	Session sessionRow `gorm:"embedded"`
	DataKey []byte
}

const ofQuery = "SELECT s.id, s.principal_id, s.refresh_jti, s.amr, s.browser, s.os, s.origin, s.started_at, s.last_active, " +
	"s.expires_at, s.absolute_until, s.ended_at, p.data_key" + accessTables +
	" WHERE s.principal_id = ? AND s.ended_at IS NULL AND s.expires_at > ? AND s.absolute_until > ?" +
	" ORDER BY s.last_active DESC, s.id"

func (t sessions) Of(ctx context.Context, id principal.ID, now time.Time) ([]session.Session, error) {
	rows, err := query[listedRow](ctx, t.conn, "list sessions", ofQuery, string(id), at(now), at(now))
	if err != nil {
		return nil, err
	}
	out := make([]session.Session, len(rows))
	for i, r := range rows {
		s := r.Session
		out[i] = s.session()
		out[i].Client, err = t.openClient(t.dataKey(s.PrincipalID, r.DataKey), out[i].ID, clientColumns{s.Browser, s.OS, s.Origin})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

const endNow = "UPDATE sessions SET ended_at = ?, end_reason = ? WHERE ended_at IS NULL"

func (t sessions) End(ctx context.Context, of principal.ID, id session.ID, why session.EndReason, now time.Time) (bool, error) {
	n, err := t.exec(ctx, "end session", endNow+" AND id = ? AND principal_id = ? AND expires_at > ? AND absolute_until > ?",
		at(now), string(why), string(id), string(of), at(now), at(now))
	return n == 1, err
}

func (t sessions) EndAll(ctx context.Context, of principal.ID, keep session.ID, why session.EndReason, now time.Time) error {
	_, err := t.exec(ctx, "end sessions", endNow+" AND principal_id = ? AND id <> ?",
		at(now), string(why), string(of), string(keep))
	return err
}

func (t sessions) EndEvery(ctx context.Context, why session.EndReason, now time.Time) (int, error) {
	return t.exec(ctx, "end every session", endNow, at(now), string(why))
}

func (t sessions) Purge(ctx context.Context, now, before time.Time, limit int) (int, error) {
	pairs, err := t.purge(ctx, "refresh_grace", "session_id, presented", limit, remains{"until", "until <= ?", []any{at(now)}})
	if err != nil {
		return 0, err
	}
	ended, err := t.purgeOver(ctx, before, limit)
	return pairs + ended, err
}

// purgeOver finds what has expired by sweep_at, which a refresh leaves alone: to
// change an index with each of them would double what it writes. So what is due
// may be alive, and is told first when to be due again.
func (t sessions) purgeOver(ctx context.Context, before time.Time, limit int) (int, error) {
	end := "min(expires_at, absolute_until)"
	if t.postgres {
		end = "LEAST(expires_at, absolute_until)"
	}
	_, err := t.exec(ctx, "put off sessions", fmt.Sprintf("UPDATE sessions SET sweep_at = %[1]s WHERE id IN ("+
		"SELECT id FROM sessions WHERE sweep_at < ? ORDER BY sweep_at LIMIT %[2]d) AND sweep_at < ? AND %[1]s >= ?", end, limit),
		at(before), at(before), at(before))
	if err != nil {
		return 0, err
	}
	return t.purge(ctx, "sessions", "id", limit,
		remains{"ended_at", "ended_at < ?", []any{at(before)}},
		remains{"sweep_at", "sweep_at < ? AND " + end + " < ?", []any{at(before), at(before)}})
}

// clientColumns are a sealed [client.Info]. Browser and system are apart,
// because a rotation may replace one of them unread.
type clientColumns struct{ browser, os, origin []byte }

type originJSON struct {
	Address  string           `json:"address,omitempty"`
	Location *client.Location `json:"location,omitempty"`
}

func (s *safe) sealClient(k outbound.DataKey, id session.ID, i client.Info) (c clientColumns, err error) {
	if c.browser, err = s.sealText(k, field("sessions", "browser", string(id)), i.Device.Browser); err != nil {
		return c, err
	}
	if c.os, err = s.sealText(k, field("sessions", "os", string(id)), i.Device.OS); err != nil {
		return c, err
	}
	if o := (originJSON{i.Address.String(), i.Location}); o != (originJSON{}) {
		c.origin, err = s.sealJSON(k, field("sessions", "origin", string(id)), o)
	}
	return c, err
}

func (s *safe) openClient(k outbound.DataKey, id session.ID, c clientColumns) (i client.Info, err error) {
	if i.Device.Browser, err = s.openText(k, field("sessions", "browser", string(id)), c.browser); err != nil {
		return client.Info{}, err
	}
	if i.Device.OS, err = s.openText(k, field("sessions", "os", string(id)), c.os); err != nil {
		return client.Info{}, err
	}
	if c.origin == nil {
		return i, nil
	}
	var o originJSON
	if err := s.openJSON(k, field("sessions", "origin", string(id)), c.origin, &o); err != nil {
		return client.Info{}, err
	}
	i.Address, _ = client.ParseAddress(o.Address)
	i.Location = o.Location
	return i, nil
}

type pairJSON struct {
	Access         string    `json:"access"`
	Refresh        string    `json:"refresh"`
	AccessExpires  time.Time `json:"accessExpires"`
	RefreshExpires time.Time `json:"refreshExpires"`
}

func pairField(id session.ID, presented string) outbound.Field {
	return field("refresh_grace", "pair", string(id)+"/"+presented)
}

func (s *safe) sealPair(k outbound.DataKey, r session.Rotation) ([]byte, error) {
	return s.sealJSON(k, pairField(r.SessionID, r.Presented), pairJSON{
		r.Pair.Access.Reveal(), r.Pair.Refresh.Reveal(), at(r.Pair.AccessExpires).Time, at(r.Pair.RefreshExpires).Time,
	})
}

func (s *safe) openPair(k outbound.DataKey, id session.ID, presented string, sealed []byte) (session.Pair, error) {
	var p pairJSON
	if err := s.openJSON(k, pairField(id, presented), sealed, &p); err != nil {
		return session.Pair{}, err
	}
	return session.Pair{
		Access: secret.New(p.Access), Refresh: secret.New(p.Refresh),
		AccessExpires: p.AccessExpires, RefreshExpires: p.RefreshExpires,
	}, nil
}
