package gorm

import (
	"context"
	"fmt"

	"gatehouse/domain/key"
	"gatehouse/ports/outbound"
)

type keyRow struct {
	ID        string `gorm:"primaryKey"`
	Purpose   string
	Algorithm string
	State     string
	Slot      int
	Material  []byte
	WrapperID string
	CreatedAt instant
	DueAt     instant
	RetiredAt instant
}

func (keyRow) TableName() string { return "keys" }

type keys struct{ *conn }

// Keys returns the store of keys, which needs no vault: the vault is made of
// what it holds.
func (db *DB) Keys() outbound.Keys {
	return keys{db.single()}
}

func (t keys) All(ctx context.Context) ([]key.Wrapped, error) {
	rows, err := query[keyRow](ctx, t.conn, "list keys", "SELECT id, purpose, algorithm, state, slot, material, wrapper_id,"+
		" created_at, due_at, retired_at FROM keys ORDER BY created_at, id")
	if err != nil {
		return nil, err
	}
	out := make([]key.Wrapped, len(rows))
	for i, r := range rows {
		out[i] = key.Wrapped{
			Key: key.Key{
				ID: r.ID, Purpose: key.Purpose(r.Purpose), Algorithm: r.Algorithm, State: key.State(r.State), Slot: key.Slot(r.Slot),
				CreatedAt: r.CreatedAt.Time, DueAt: r.DueAt.Time, RetiredAt: r.RetiredAt.Time,
			},
			Material: r.Material, WrapperID: r.WrapperID,
		}
	}
	return out, nil
}

func (t keys) Add(ctx context.Context, k key.Wrapped) error {
	return t.create(ctx, "add key", &keyRow{
		ID: k.ID, Purpose: string(k.Purpose), Algorithm: k.Algorithm, State: string(k.State), Slot: int(k.Slot),
		Material: k.Material, WrapperID: k.WrapperID,
		CreatedAt: at(k.CreatedAt), DueAt: at(k.DueAt), RetiredAt: at(k.RetiredAt),
	})
}

func (t keys) Change(ctx context.Context, k key.Key, from key.State) error {
	n, err := t.exec(ctx, "change key", "UPDATE keys SET state = ?, slot = ?, due_at = ?, retired_at = ? WHERE id = ? AND state = ?",
		string(k.State), int(k.Slot), at(k.DueAt), at(k.RetiredAt), k.ID, string(from))
	if err == nil && n == 0 {
		return stale("change key")
	}
	return err
}

func (t keys) Rewrap(ctx context.Context, old, anew key.Wrapped) error {
	n, err := t.exec(ctx, "rewrap key", "UPDATE keys SET material = ?, wrapper_id = ? WHERE id = ? AND material = ? AND wrapper_id = ?",
		anew.Material, anew.WrapperID, old.ID, old.Material, old.WrapperID)
	if err == nil && n == 0 {
		return stale("rewrap key")
	}
	return err
}

func (t keys) Remove(ctx context.Context, id string) error {
	n, err := t.exec(ctx, "remove key", "DELETE FROM keys WHERE id = ?", id)
	if err == nil && n == 0 {
		return fmt.Errorf("remove key: %w", outbound.ErrNotFound)
	}
	return err
}
