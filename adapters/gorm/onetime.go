package gorm

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"gatehouse/domain/factor"
	"gatehouse/domain/onetime"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/ports/outbound"
)

type itemRow struct {
	Hash        []byte `gorm:"primaryKey"`
	Kind        string
	PrincipalID *string
	SessionID   *string
	Address     []byte
	AddressIdx  []byte
	CreatedAt   instant
	ExpiresAt   instant
	UsedAt      instant
	VoidedAt    instant
	Purpose     string
	Proven      string
	Tries       int
	Demand      string
}

func (itemRow) TableName() string { return "one_time" }

// orNull keeps "" out of columns that refer to something.
func orNull[T ~string](id T) *string {
	if id == "" {
		return nil
	}
	return new(string(id))
}

func orNone(id *string) string {
	if id == nil {
		return ""
	}
	return *id
}

type oneTime struct{ *conn }

func (t oneTime) Add(ctx context.Context, i onetime.Item) error {
	r := itemRowOf(i)
	var err error
	if r.Demand, err = demandText(i.Demand); err != nil {
		return fmt.Errorf("add one-time item: %w", err)
	}
	if !i.Address.IsZero() {
		err = t.with(ctx, i.Principal, func(k outbound.DataKey) error { return t.sealAddress(k, i, &r) })
		if err != nil {
			return unlessMissing("add one-time item", err)
		}
	}
	return t.create(ctx, "add one-time item", &r)
}

// itemRowOf leaves out the address and the demand.
func itemRowOf(i onetime.Item) itemRow {
	return itemRow{
		Hash: i.Hash[:], Kind: string(i.Kind), PrincipalID: orNull(i.Principal), SessionID: orNull(i.Session),
		CreatedAt: at(i.CreatedAt), ExpiresAt: at(i.ExpiresAt), UsedAt: at(i.UsedAt), VoidedAt: at(i.VoidedAt),
		Purpose: string(i.Purpose), Proven: factors(i.Proven), Tries: i.Tries,
	}
}

// demandText is a demand as JSON, or "" for one that asks for nothing.
func demandText(d session.Demand) (string, error) {
	if d.IsZero() {
		return "", nil
	}
	b, err := json.Marshal(d)
	return string(b), err
}

func demandIn(text string) (d session.Demand, err error) {
	if text != "" {
		err = json.Unmarshal([]byte(text), &d)
	}
	return d, err
}

func (s *safe) sealAddress(k outbound.DataKey, i onetime.Item, to *itemRow) (err error) {
	to.AddressIdx = s.vault.Index(itemIndex, i.Address.Normal())
	to.Address, err = s.sealText(k, itemField(i.Hash[:]), i.Address.Typed())
	return err
}

func itemField(hash []byte) outbound.Field {
	return field("one_time", "address", hex.EncodeToString(hash))
}

// itemIndex is the use of the hashes of addresses that items prove.
const itemIndex = "one_time.address"

type foundRow struct {
	Item    itemRow `gorm:"embedded"`
	DataKey []byte
}

const findQuery = "SELECT i.kind, i.principal_id, i.session_id, i.address, i.created_at, i.expires_at, i.used_at, i.voided_at, " +
	"i.purpose, i.proven, i.tries, i.demand, p.data_key FROM one_time i LEFT JOIN principals p ON p.id = i.principal_id WHERE i.hash = ? AND i.kind = ?"

func (t oneTime) Find(ctx context.Context, kind onetime.Kind, h onetime.Hash) (onetime.Item, error) {
	found, err := take[foundRow](ctx, t.conn, "find one-time item", findQuery, h[:], string(kind))
	if err != nil {
		return onetime.Item{}, err
	}
	r := found.Item
	i := onetime.Item{
		Hash: h, Kind: kind, Principal: principal.ID(orNone(r.PrincipalID)), Session: session.ID(orNone(r.SessionID)),
		CreatedAt: r.CreatedAt.Time, ExpiresAt: r.ExpiresAt.Time, UsedAt: r.UsedAt.Time, VoidedAt: r.VoidedAt.Time,
		Purpose: session.Purpose(r.Purpose), Proven: proven(r.Proven), Tries: r.Tries,
	}
	if i.Demand, err = demandIn(r.Demand); err != nil {
		return onetime.Item{}, fmt.Errorf("find one-time item: %w", err)
	}
	r.Hash = h[:]
	i.Address, err = t.itemAddress(t.dataKey(string(i.Principal), found.DataKey), r)
	if err != nil {
		return onetime.Item{}, err
	}
	return i, nil
}

const usable = " AND used_at IS NULL AND voided_at IS NULL AND expires_at > ?"

func (t oneTime) Use(ctx context.Context, kind onetime.Kind, h onetime.Hash, now time.Time) error {
	const op = "use one-time item"
	n, err := t.exec(ctx, op, "UPDATE one_time SET used_at = ? WHERE hash = ? AND kind = ?"+usable,
		at(now), h[:], string(kind), at(now))
	return unless(op, n, err)
}

func (t oneTime) Try(ctx context.Context, kind onetime.Kind, h onetime.Hash, now time.Time) error {
	const op = "try one-time item"
	n, err := t.exec(ctx, op, "UPDATE one_time SET tries = tries + 1 WHERE hash = ? AND kind = ? AND tries < ?"+usable,
		h[:], string(kind), factor.MaxTries, at(now))
	return unless(op, n, err)
}

func (t oneTime) Void(ctx context.Context, of principal.ID, kind onetime.Kind, keep string, now time.Time) error {
	query := "UPDATE one_time SET voided_at = ? WHERE principal_id = ? AND kind = ?" + usable
	args := []any{at(now), string(of), string(kind), at(now)}
	if keep != "" {
		query += " AND (address_idx IS NULL OR address_idx NOT IN ?)"
		args = append(args, blobs(t.vault.Indexes(itemIndex, keep)))
	}
	_, err := t.exec(ctx, "void one-time items", query, args...)
	return err
}

func (t oneTime) VoidEvery(ctx context.Context, now time.Time) (int, error) {
	return t.exec(ctx, "void every one-time item", "UPDATE one_time SET voided_at = ? WHERE TRUE"+usable, at(now), at(now))
}

func (t oneTime) Purge(ctx context.Context, before time.Time, limit int) (int, error) {
	return t.purge(ctx, "one_time", "hash", limit, remains{"expires_at", "expires_at < ?", []any{at(before)}})
}
