package gorm

import (
	"cmp"
	"context"
	"slices"
	"time"

	"gatehouse/domain/client"
	"gatehouse/domain/email"
	"gatehouse/domain/notice"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/ports/outbound"
)

type noticeRow struct {
	ID          string `gorm:"primaryKey"`
	Kind        string
	PrincipalID *string
	Locale      string
	Payload     []byte
	State       string
	Attempts    int
	NextAt      instant
	Fence       int
	CreatedAt   instant
	ExpiresAt   instant
}

func (noticeRow) TableName() string { return "outbox" }

type outbox struct{ *conn }

func (t outbox) Add(ctx context.Context, n notice.Notice) error {
	var r noticeRow
	err := t.with(ctx, n.Principal, func(k outbound.DataKey) (err error) {
		r, err = t.noticeRow(k, n)
		return err
	})
	if err != nil {
		return unlessMissing("add notice", err)
	}
	return t.create(ctx, "add notice", &r)
}

func (s *safe) noticeRow(k outbound.DataKey, n notice.Notice) (noticeRow, error) {
	payload, err := s.sealJSON(k, noticeField(n.ID, n.Kind), payloadOf(n))
	return noticeRow{
		ID: n.ID, Kind: string(n.Kind), PrincipalID: orNull(n.Principal), Locale: n.Locale, Payload: payload, State: "queued",
		NextAt: at(n.CreatedAt), CreatedAt: at(n.CreatedAt), ExpiresAt: at(n.ExpiresAt),
	}, err
}

type claimedRow struct {
	Notice  noticeRow `gorm:"embedded"`
	DataKey []byte
}

const claimColumns = " RETURNING outbox.id, kind, principal_id, locale, payload, attempts, next_at, fence, created_at, expires_at, " +
	"(SELECT p.data_key FROM principals p WHERE p.id = outbox.principal_id) AS data_key"

func (t outbox) Claim(ctx context.Context, owner string, now, until time.Time, limit int) ([]outbound.Claim, error) {
	skip := ""
	if t.postgres {
		skip = " FOR UPDATE SKIP LOCKED"
	}
	rows, err := returning[claimedRow](ctx, t.conn, "claim notices", `
WITH c AS MATERIALIZED (
	SELECT id FROM outbox
	WHERE next_at <= ? AND state IN ('queued', 'leased') AND (state = 'queued' OR lease_until <= ?)
	ORDER BY next_at, id LIMIT ?`+skip+`
)
UPDATE outbox SET state = 'leased', lease_owner = ?, lease_until = ?, fence = fence + 1, attempts = attempts + 1
FROM c WHERE outbox.id = c.id`+claimColumns,
		at(now), at(now), limit, owner, at(until))
	if err != nil {
		return nil, err
	}
	slices.SortFunc(rows, func(a, b claimedRow) int {
		return cmp.Or(a.Notice.NextAt.Compare(b.Notice.NextAt.Time), cmp.Compare(a.Notice.ID, b.Notice.ID))
	})
	out := make([]outbound.Claim, len(rows))
	for i, r := range rows {
		out[i] = outbound.Claim{Owner: owner, Fence: r.Notice.Fence, Attempts: r.Notice.Attempts}
		out[i].Notice, out[i].Broken = t.notice(r.Notice, r.DataKey)
	}
	return out, nil
}

func (t outbox) Settle(ctx context.Context, c outbound.Claim, o outbound.Outcome) error {
	query := "UPDATE outbox SET state = ?, settled_at = ?, payload = NULL"
	state, when := "sent", at(o.At)
	switch {
	case o.Dead:
		state = "dead"
	case !o.RetryAt.IsZero():
		query = "UPDATE outbox SET state = ?, next_at = ?"
		state, when = "queued", at(o.RetryAt)
	}
	n, err := t.exec(ctx, "settle notice", query+", lease_owner = NULL, lease_until = NULL, last_error = ?"+
		" WHERE id = ? AND state = 'leased' AND lease_owner = ? AND fence = ?",
		state, when, orNull(o.Error), c.Notice.ID, c.Owner, c.Fence)
	if err == nil && n == 0 {
		return stale("settle notice")
	}
	return err
}

func (t outbox) Release(ctx context.Context, owner string, now time.Time) error {
	query := "UPDATE outbox SET state = 'queued', lease_owner = NULL, lease_until = NULL," +
		" next_at = CASE WHEN next_at > ? THEN ? ELSE next_at END WHERE state = 'leased'"
	args := []any{at(now), at(now)}
	if owner != "" {
		query += " AND lease_owner = ?"
		args = append(args, owner)
	}
	if t.postgres {
		query = "WITH freed AS (" + query + " RETURNING id) " + announce + " FROM freed"
	}
	_, err := t.exec(ctx, "release notices", query, args...)
	return err
}

const giveUp = "UPDATE outbox SET state = 'dead', settled_at = ?, payload = NULL, " +
	"lease_owner = NULL, lease_until = NULL, last_error = ? WHERE" + waits

func (t outbox) Drop(ctx context.Context, kinds []notice.Kind, why string, now time.Time) (int, error) {
	return t.exec(ctx, "drop notices", giveUp+" AND kind IN ?", at(now), why, kinds)
}

func (t outbox) Backlog(ctx context.Context) (outbound.Backlog, error) {
	r, err := take[struct {
		Queued, Dead int
		Oldest       instant
	}](ctx, t.conn, "count notices", `
SELECT (SELECT count(*) FROM outbox WHERE state IN ('queued', 'leased')) AS queued,
	(SELECT count(*) FROM outbox WHERE state = 'dead') AS dead,
	(SELECT min(created_at) FROM outbox WHERE state IN ('queued', 'leased')) AS oldest`)
	return outbound.Backlog{Queued: r.Queued, Dead: r.Dead, Oldest: r.Oldest.Time}, err
}

func (t outbox) Purge(ctx context.Context, deliveredBefore, deadBefore time.Time, limit int) (int, error) {
	return t.purge(ctx, "outbox", "id", limit,
		remains{"settled_at", "state = 'sent' AND settled_at < ?", []any{at(deliveredBefore)}},
		remains{"settled_at", "state = 'dead' AND settled_at < ?", []any{at(deadBefore)}})
}

func noticeField(id string, kind notice.Kind) outbound.Field {
	return field("outbox", "payload", string(kind)+"/"+id)
}

// payloadJSON is what of a notice is personal or secret.
type payloadJSON struct {
	To       string        `json:"to"`
	Name     string        `json:"name,omitempty"`
	Token    *string       `json:"token,omitempty"`
	Code     *string       `json:"code,omitempty"`
	Valid    time.Duration `json:"valid,omitempty"` // ns
	Provider string        `json:"provider,omitempty"`
	Factor   notice.Factor `json:"factor,omitempty"`
	Browser  string        `json:"browser,omitempty"`
	OS       string        `json:"os,omitempty"`
	originJSON
}

func payloadOf(n notice.Notice) payloadJSON {
	p := payloadJSON{
		To: n.To.Typed(), Name: n.Name, Valid: n.Valid, Browser: n.From.Device.Browser, OS: n.From.Device.OS,
		Provider: n.Provider, Factor: n.Factor, originJSON: originJSON{n.From.Address.String(), n.From.Location},
	}
	if !n.Token.Missing() {
		p.Token = new(n.Token.Reveal())
	}
	if !n.Code.Missing() {
		p.Code = new(n.Code.Reveal())
	}
	return p
}

// notice returns what can be read without the payload even if that is broken.
func (s *safe) notice(r noticeRow, dataKey []byte) (notice.Notice, error) {
	n := notice.Notice{
		ID: r.ID, Kind: notice.Kind(r.Kind), Principal: principal.ID(orNone(r.PrincipalID)), Locale: r.Locale,
		CreatedAt: r.CreatedAt.Time, ExpiresAt: r.ExpiresAt.Time,
	}
	f := noticeField(n.ID, n.Kind)
	var p payloadJSON
	if err := s.openJSON(s.dataKey(string(n.Principal), dataKey), f, r.Payload, &p); err != nil {
		return n, err
	}
	to, ok := email.Restore(p.To)
	if !ok {
		return n, broken("read", f, errNotOurs)
	}
	n.To, n.Name, n.Valid, n.Provider, n.Factor = to, p.Name, p.Valid, p.Provider, p.Factor
	n.From = client.Info{Device: client.Device{Browser: p.Browser, OS: p.OS}, Location: p.Location}
	n.From.Address, _ = client.ParseAddress(p.Address)
	if p.Token != nil {
		n.Token = secret.New(*p.Token)
	}
	if p.Code != nil {
		n.Code = secret.New(*p.Code)
	}
	return n, nil
}
