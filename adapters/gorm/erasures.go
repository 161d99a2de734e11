package gorm

import (
	"context"
	"time"

	"gatehouse/domain/fault"
	"gatehouse/domain/notice"
	"gatehouse/domain/principal"
	"gatehouse/domain/throttle"
	"gatehouse/ports/outbound"
)

type erasures struct{ *conn }

func (t erasures) Add(ctx context.Context, e principal.Erasure) error {
	_, err := t.exec(ctx, "add erasure", "INSERT INTO erasures (id, erased_at) VALUES (?, ?) ON CONFLICT (id) DO NOTHING",
		string(e.ID), at(e.At))
	return err
}

func (t erasures) Has(ctx context.Context, id principal.ID) (bool, error) {
	rows, err := query[struct{ ID principal.ID }](ctx, t.conn, "find erasure", "SELECT id FROM erasures WHERE id = ?", string(id))
	return len(rows) > 0, err
}

func (t erasures) After(ctx context.Context, id principal.ID, limit int) ([]principal.Erasure, error) {
	rows, err := query[struct {
		ID       principal.ID
		ErasedAt instant
	}](ctx, t.conn, "list erasures", "SELECT id, erased_at FROM erasures WHERE id > ? ORDER BY id LIMIT ?", string(id), limit)
	out := make([]principal.Erasure, len(rows))
	for i, r := range rows {
		out[i] = principal.Erasure{ID: r.ID, At: r.ErasedAt.Time}
	}
	return out, err
}

// Delete leaves the rest to foreign keys.
func (t principals) Delete(ctx context.Context, id principal.ID) error {
	n, err := t.exec(ctx, "delete principal", "DELETE FROM principals WHERE id = ?", string(id))
	if err == nil && n == 0 {
		return missing("delete principal")
	}
	return err
}

// PurgeGuests finds guests by their creation, which never changes: who was made
// after before was active after it.
func (t principals) PurgeGuests(ctx context.Context, before time.Time, limit int) (int, error) {
	return t.purge(ctx, "principals", "id", limit,
		remains{"created_at", "kind = 'guest' AND created_at < ? AND last_active < ?", []any{at(before), at(before)}})
}

func (t attempts) Forget(ctx context.Context, of throttle.Subject) error {
	account, network := t.keysOf(of)
	_, err := t.exec(ctx, "forget attempts", "DELETE FROM attempts WHERE key IN (?, ?)", []byte(account), []byte(network))
	return err
}

const waits = " state IN ('queued', 'leased')"

// Disown seals anew what goes on: the key it is under will be gone.
func (t outbox) Disown(ctx context.Context, of principal.ID, worthless []notice.Kind, why string, now time.Time) error {
	return t.atomically(ctx, func(c *conn) error {
		_, err := c.exec(ctx, "drop notices", giveUp+" AND principal_id = ? AND kind IN ?", at(now), why, string(of), worthless)
		if err != nil {
			return err
		}
		rows, err := returning[claimedRow](ctx, c, "list notices",
			"SELECT id, kind, principal_id, locale, payload, next_at, created_at, expires_at,"+
				" (SELECT p.data_key FROM principals p WHERE p.id = outbox.principal_id) AS data_key"+
				" FROM outbox WHERE"+waits+" AND principal_id = ?", string(of))
		if err != nil {
			return err
		}
		for _, r := range rows {
			if err := c.disown(ctx, r); err != nil {
				return err
			}
		}
		return nil
	})
}

// disown leaves alone what cannot be opened: a relay will find out, and say so.
func (c *conn) disown(ctx context.Context, r claimedRow) error {
	n, err := c.notice(r.Notice, r.DataKey)
	if fault.CodeOf(err) == fault.DatabaseEncryptionFailure {
		return nil
	}
	if err != nil {
		return err
	}
	n.Principal = ""
	nobodys, err := c.noticeRow(c.vault.Shared(), n)
	if err != nil {
		return err
	}
	_, err = c.exec(ctx, "disown notice", "UPDATE outbox SET principal_id = NULL, payload = ? WHERE id = ? AND"+waits,
		nobodys.Payload, n.ID)
	return err
}

var _ outbound.Erasures = erasures{}
