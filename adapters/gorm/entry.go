package gorm

import (
	"context"
	"errors"
	"strings"

	"gatehouse/domain/principal"
	"gatehouse/domain/throttle"
	"gatehouse/ports/outbound"
)

// entry is one statement a call on PostgreSQL, and a transaction of small ones
// on SQLite, to whom no way is long.
type entry struct{ *conn }

// lookRow has NULL where there is nothing.
type lookRow struct {
	principal        principalRow
	account, network counterRow
}

const lookQuery = "SELECT a.failures, a.last, n.failures, n.last, " + principalColumns +
	" FROM (SELECT 1) one LEFT JOIN attempts a ON a.key = ? LEFT JOIN attempts n ON n.key = ?" +
	" LEFT JOIN principals p ON "

func (r *lookRow) fields() []any {
	all := append([]any{&r.account.Failures, &r.account.Last, &r.network.Failures, &r.network.Last}, r.principal.columns()...)
	for i := range all {
		all[i] = orZero(all[i])
	}
	return all
}

func (t entry) Look(ctx context.Context, of throttle.Subject) (s throttle.State, p *principal.Principal, err error) {
	account, network := attempts(t).keysOf(of)
	where, args := t.whereEmail(of.Account)
	r, err := take[lookRow](ctx, t.conn, "look for who signs in", lookQuery+where,
		append([]any{[]byte(account), []byte(network)}, args...)...)
	if err != nil {
		return s, nil, err
	}
	s = throttle.State{Account: r.account.counter(), Network: r.network.counter()}
	if r.principal.ID != "" {
		p, err = t.restoreFor(r.principal, of.Account)
	}
	return s, p, err
}

// asRead is a principal that is stored as it was read and may sign in. The
// version changes with everything but the last activity.
const asRead = "id = ? AND version = ? AND cred_version = ? AND token_gen = ? AND NOT disabled"

func asReadArgs(p principal.Snapshot) []any {
	return []any{string(p.ID), p.Version, p.CredVersion, p.TokenGen}
}

func (t entry) SignIn(ctx context.Context, in outbound.SignIn) (outbound.Effect, error) {
	if !t.postgres {
		return t.inSteps(ctx, func(t entry) (outbound.Effect, error) { return t.signInInSteps(ctx, in) })
	}
	return t.atOnce(ctx, "sign in", in.Judged.ID(), func(k outbound.DataKey) (*parts, error) { return t.signInAtOnce(k, in) })
}

// inSteps answers with what fn has done in a transaction, unless it failed.
func (t entry) inSteps(ctx context.Context, fn func(entry) (outbound.Effect, error)) (out outbound.Effect, err error) {
	err = t.atomically(ctx, func(c *conn) error {
		out, err = fn(entry{c})
		return err
	})
	if err != nil {
		return outbound.Effect{}, err
	}
	return out, nil
}

// atOnce runs the statement that prepare makes with the data key of a
// principal.
func (t entry) atOnce(ctx context.Context, op string, of principal.ID, prepare func(outbound.DataKey) (*parts, error)) (outbound.Effect, error) {
	var q *parts
	err := t.with(ctx, of, func(k outbound.DataKey) (err error) {
		q, err = prepare(k)
		return err
	})
	if errors.Is(err, outbound.ErrNotFound) {
		return outbound.Effect{}, nil
	}
	if err != nil {
		return outbound.Effect{}, err
	}
	return t.run(ctx, op, q)
}

// run adds the part that tells what the others have done.
func (t entry) run(ctx context.Context, op string, q *parts) (outbound.Effect, error) {
	sum := "\nSELECT (SELECT count(*) FROM p)"
	if q.mayOwe {
		sum += " + (SELECT count(*) FROM o)"
	}
	q.add(sum)
	n, err := t.count(ctx, op, q.String(), q.args...)
	return outbound.Effect{Done: n > 0, Owes: n > 1}, err
}

func (t entry) signInInSteps(ctx context.Context, in outbound.SignIn) (out outbound.Effect, err error) {
	now, p := at(in.Session.LastActive), in.Judged.Snapshot()
	n, err := t.exec(ctx, "sign in", "UPDATE principals SET last_active = CASE WHEN last_active < ? THEN ? ELSE last_active END,"+
		" password_hash = COALESCE(?, password_hash) WHERE "+asRead,
		append([]any{now, now, orNull(in.Renewed.Encoded())}, asReadArgs(p)...)...)
	if err != nil || n == 0 {
		return out, err
	}
	if in.Reset != nil {
		account, network := attempts(t).keysOf(*in.Reset)
		_, err := t.exec(ctx, "reset attempts", "UPDATE attempts SET failures = 0 WHERE key IN (?, ?)", []byte(account), []byte(network))
		if err != nil {
			return out, err
		}
	}
	if err := sessions(t).Add(ctx, in.Session); err != nil {
		return out, err
	}
	known, ever, err := devices(t).Mark(ctx, p.ID, in.Device, now.Time, in.Since)
	if err != nil {
		return out, err
	}
	out = outbound.Effect{Done: true, Owes: !known && ever && in.Alert != nil}
	if out.Owes {
		err = outbox(t).Add(ctx, *in.Alert)
	}
	return out, err
}

// parts make one statement; the first of them begins with WITH.
type parts struct {
	strings.Builder

	args   []any
	mayOwe bool // there is a part o, with a row if a notice is owed
}

func (q *parts) add(part string, args ...any) {
	q.WriteString(part)
	q.args = append(q.args, args...)
}

// signInAtOnce locks the principal before anything else, as everybody does.
// Each part sees rows as they were when the statement began, but checks again
// what it waited for. So if somebody was before us, which shows in xmin, there
// may be devices that we do not see; then there is one at least.
func (t entry) signInAtOnce(k outbound.DataKey, in outbound.SignIn) (*parts, error) {
	p, now := in.Judged.Snapshot(), at(in.Session.LastActive)
	s, err := t.sessionRow(k, in.Session)
	if err != nil {
		return nil, err
	}
	q := &parts{}
	q.add(`
WITH p AS MATERIALIZED (
	SELECT id, xmin FROM principals WHERE `+asRead+` FOR NO KEY UPDATE
), active AS (
	UPDATE principals SET last_active = GREATEST(last_active, ?), password_hash = COALESCE(?, password_hash)
	FROM p WHERE principals.id = p.id
), s AS (
	INSERT INTO sessions (id, principal_id, refresh_jti, amr, browser, os, origin, started_at, last_active, expires_at, absolute_until, sweep_at)
	SELECT ?::text, id, ?::text, ?::text, ?::bytea, ?::bytea, ?::bytea, ?::timestamptz, ?::timestamptz, ?::timestamptz, ?::timestamptz, ?::timestamptz FROM p
)`, append(asReadArgs(p), now, orNull(in.Renewed.Encoded()),
		s.ID, s.RefreshJTI, s.AMR, s.Browser, s.OS, s.Origin, s.StartedAt, s.LastActive, s.ExpiresAt, s.AbsoluteUntil, s.SweepAt)...)
	if in.Reset != nil {
		account, network := attempts(t).keysOf(*in.Reset)
		q.add(`, a AS (
	UPDATE attempts SET failures = 0 FROM p WHERE key = ? RETURNING key
), n AS (
	UPDATE attempts SET failures = 0 FROM p, (SELECT count(*) FROM a) afterwards WHERE key = ?
)`, []byte(account), []byte(network))
	}
	known := t.deviceIndexes(p.ID, in.Device)
	device := known[0]
	q.add(`, d AS (
	INSERT INTO devices (principal_id, key, last_seen) SELECT id, ?::bytea, ?::timestamptz FROM p
	ON CONFLICT (principal_id, key) DO UPDATE SET last_seen = excluded.last_seen RETURNING xmax = 0 AS added
)`, device, now)
	if in.Alert != nil {
		n, err := t.noticeRow(k, *in.Alert)
		if err != nil {
			return nil, err
		}
		q.owe(n, `p, d
	WHERE (d.added AND (EXISTS (SELECT FROM devices e WHERE e.principal_id = p.id)
			OR p.xmin <> (SELECT xmin FROM principals e WHERE e.id = p.id))
		OR EXISTS (SELECT FROM devices e WHERE e.principal_id = p.id AND e.key = ? AND e.last_seen < ?))
		AND NOT EXISTS (SELECT FROM devices e WHERE e.principal_id = p.id AND e.key = ANY (?::bytea[]) AND e.last_seen >= ?)`,
			device, at(in.Since), known, at(in.Since))
	}
	return q, nil
}

// owe adds the part that puts a notice into the outbox, once for each row of
// from.
func (q *parts) owe(n noticeRow, from string, args ...any) {
	q.mayOwe = true
	q.add(`, o AS (
	INSERT INTO outbox (id, kind, principal_id, locale, payload, state, attempts, next_at, fence, created_at, expires_at)
	SELECT ?::text, ?::text, ?::text, ?::text, ?::bytea, ?::text, 0, ?::timestamptz, 0, ?::timestamptz, ?::timestamptz FROM `+from+`
	RETURNING id
)`, append([]any{n.ID, n.Kind, n.PrincipalID, n.Locale, n.Payload, n.State, n.NextAt, n.CreatedAt, n.ExpiresAt}, args...)...)
}

func (t entry) Register(ctx context.Context, r outbound.Registration) (outbound.Effect, error) {
	p := r.User.Snapshot()
	if !t.postgres || len(p.Identities)+len(p.Groups) > 0 || !p.Avatar.IsZero() {
		return t.registerInSteps(ctx, r)
	}
	q, err := t.registerAtOnce(p, r.Mail)
	if err != nil {
		return outbound.Effect{}, err
	}
	return t.run(ctx, "register", q)
}

func (t entry) registerInSteps(ctx context.Context, r outbound.Registration) (outbound.Effect, error) {
	taken := false
	out, err := t.inSteps(ctx, func(t entry) (out outbound.Effect, err error) {
		err = principals(t).Add(ctx, r.User)
		if taken = errors.Is(err, outbound.ErrTaken); err != nil {
			return out, err
		}
		out.Done = true
		out.Owes, err = t.promise(ctx, r.Mail)
		return out, err
	})
	if taken {
		return outbound.Effect{}, nil
	}
	return out, err
}

func (t entry) registerAtOnce(p principal.Snapshot, m *outbound.Mailing) (*parts, error) {
	k, err := t.vault.NewDataKey(string(p.ID))
	if err != nil {
		return nil, classify("register", err)
	}
	r, err := t.rowOf(p, k)
	if err != nil {
		return nil, err
	}
	q := &parts{}
	q.add(`
WITH p AS (
	INSERT INTO principals (id, kind, name, name_fold, email, email_idx, email_idx_next, email_verified, admin, disabled, password_hash,
		identities, factors, preferred_factor, cred_version, token_gen, data_key, created_at, last_active, version)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
	ON CONFLICT DO NOTHING RETURNING id
)`, r.ID, r.Kind, r.Name, r.NameFold, r.Email, r.EmailIdx, r.EmailIdxNext, r.EmailVerified, r.Admin, r.Disabled, r.PasswordHash,
		r.Identities, r.Factors, r.Preferred, r.CredVersion, r.TokenGen, r.DataKey, r.CreatedAt, r.LastActive, r.Version)
	return q, t.promiseAtOnce(q, k, m)
}

func (t entry) TurnAway(ctx context.Context, c outbound.Collision) (outbound.Effect, error) {
	if !t.postgres {
		return t.inSteps(ctx, func(t entry) (outbound.Effect, error) { return t.turnAwayInSteps(ctx, c) })
	}
	return t.atOnce(ctx, "turn away", c.Owner.ID(), func(k outbound.DataKey) (*parts, error) { return t.turnAwayAtOnce(k, c) })
}

// stored locks the owner of an address if they are stored as they were read.
const stored = "SELECT id FROM principals WHERE id = ? AND version = ?"

func (t entry) turnAwayInSteps(ctx context.Context, c outbound.Collision) (out outbound.Effect, err error) {
	owner := c.Owner.Snapshot()
	found, err := returning[string](ctx, t.conn, "turn away", stored, string(owner.ID), owner.Version)
	if err != nil || len(found) == 0 {
		return out, err
	}
	if c.Cooldown != nil {
		if _, err := t.start(ctx, *c.Cooldown); err != nil {
			return out, err
		}
	}
	out.Done = true
	out.Owes, err = t.promise(ctx, c.Alert)
	return out, err
}

func (t entry) start(ctx context.Context, c outbound.Cooldown) (bool, error) {
	left, err := cooldowns(t).Start(ctx, c.Kind, c.Normal, c.Begin, c.Length)
	return left == 0, err
}

// promise is [entry.promiseAtOnce] in steps.
func (t entry) promise(ctx context.Context, m *outbound.Mailing) (owes bool, err error) {
	if m == nil {
		return false, nil
	}
	began, err := t.start(ctx, m.Cooldown)
	if err != nil || !began {
		return false, err
	}
	if m.Link != nil {
		if err := oneTime(t).Add(ctx, *m.Link); err != nil {
			return false, err
		}
	}
	return true, outbox(t).Add(ctx, m.Notice)
}

// turnAwayAtOnce locks and writes as if an account were made, so that the time
// it takes says nothing.
func (t entry) turnAwayAtOnce(k outbound.DataKey, c outbound.Collision) (*parts, error) {
	owner, q := c.Owner.Snapshot(), &parts{}
	q.add("\nWITH p AS MATERIALIZED (\n\t"+stored+" FOR NO KEY UPDATE\n)", string(owner.ID), owner.Version)
	if c.Cooldown != nil {
		t.cool(q, "other", *c.Cooldown)
	}
	return q, t.promiseAtOnce(q, k, c.Alert)
}

// cool adds a part, called name, that has a row if it begins a cooldown.
func (t entry) cool(q *parts, name string, c outbound.Cooldown) {
	begin := at(c.Begin)
	q.add(", "+name+` AS (
	INSERT INTO cooldowns (key, until) SELECT ?::bytea, ?::timestamptz FROM p
	ON CONFLICT (key) DO UPDATE SET until = excluded.until WHERE cooldowns.until <= ? RETURNING key
)`, t.cooldownIndex(c.Kind, c.Normal), at(begin.Add(c.Length)), begin)
}

// promiseAtOnce adds the parts that make a mailing of the principal in p.
func (t entry) promiseAtOnce(q *parts, k outbound.DataKey, m *outbound.Mailing) error {
	if m == nil {
		return nil
	}
	t.cool(q, "c", m.Cooldown)
	if m.Link != nil {
		i := itemRowOf(*m.Link)
		if err := t.sealAddress(k, *m.Link, &i); err != nil {
			return err
		}
		q.add(`, i AS (
	INSERT INTO one_time (hash, kind, principal_id, session_id, address, address_idx, created_at, expires_at)
	SELECT ?::bytea, ?::text, ?::text, ?::text, ?::bytea, ?::bytea, ?::timestamptz, ?::timestamptz FROM c
)`, i.Hash, i.Kind, i.PrincipalID, i.SessionID, i.Address, i.AddressIdx, i.CreatedAt, i.ExpiresAt)
	}
	n, err := t.noticeRow(k, m.Notice)
	if err != nil {
		return err
	}
	q.owe(n, "c")
	return nil
}
