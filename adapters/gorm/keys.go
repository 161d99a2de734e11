package gorm

import (
	"context"

	"gatehouse/domain/key"
	"gatehouse/ports/outbound"
)

type keyRow struct {
	ID        string `gorm:"primaryKey"`
	Purpose   string
	Algorithm string
	State     string
	Material  []byte
	WrapperID string
	CreatedAt instant
}

func (keyRow) TableName() string { return "keys" }

type keys struct{ *conn }

// Keys returns the store of keys, which needs no vault: the vault is made of
// what it holds.
func (db *DB) Keys() outbound.Keys {
	return keys{&conn{write: db.write, read: db.read, postgres: db.postgres}}
}

func (t keys) All(ctx context.Context) ([]key.Wrapped, error) {
	rows, err := query[keyRow](ctx, t.conn, "list keys",
		"SELECT id, purpose, algorithm, state, material, wrapper_id, created_at FROM keys ORDER BY created_at, id")
	if err != nil {
		return nil, err
	}
	out := make([]key.Wrapped, len(rows))
	for i, r := range rows {
		out[i] = key.Wrapped{
			Key: key.Key{
				ID: r.ID, Purpose: key.Purpose(r.Purpose), Algorithm: r.Algorithm, State: key.State(r.State), CreatedAt: r.CreatedAt.Time,
			},
			Material: r.Material, WrapperID: r.WrapperID,
		}
	}
	return out, nil
}

func (t keys) Add(ctx context.Context, k key.Wrapped) error {
	return t.create(ctx, "add key", &keyRow{
		ID: k.ID, Purpose: string(k.Purpose), Algorithm: k.Algorithm, State: string(k.State),
		Material: k.Material, WrapperID: k.WrapperID, CreatedAt: at(k.CreatedAt),
	})
}
