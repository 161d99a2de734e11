package gorm

import (
	"context"
	"strconv"
)

type restores struct{ *conn }

func (t restores) Epoch(ctx context.Context) (int, error) {
	rows, err := query[int](ctx, t.conn, "read restore epoch", "SELECT CAST(value AS bigint) FROM meta WHERE name = 'restore_epoch'")
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	return rows[0], nil
}

func (t restores) Raise(ctx context.Context, to int) (bool, error) {
	if to <= 0 {
		return false, nil // where nothing is stored it is 0
	}
	n, err := t.exec(ctx, "raise restore epoch", "INSERT INTO meta (name, value) VALUES ('restore_epoch', ?) "+
		"ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE CAST(meta.value AS bigint) < CAST(excluded.value AS bigint)",
		strconv.Itoa(to))
	return err == nil && n == 1, err
}
