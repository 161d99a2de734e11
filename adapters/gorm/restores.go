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
	const op = "raise restore epoch"
	if to <= 0 {
		return false, nil // where nothing is stored it is 0
	}
	if t.postgres && t.inside { // or what follows would end after five seconds
		const patient = "SELECT set_config('statement_timeout', '0', true), set_config('lock_timeout', '0', true)"
		if _, err := t.exec(ctx, op, patient); err != nil {
			return false, err
		}
	}
	n, err := t.exec(ctx, op, "INSERT INTO meta (name, value) VALUES ('restore_epoch', ?) "+
		"ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE CAST(meta.value AS bigint) < CAST(excluded.value AS bigint)",
		strconv.Itoa(to))
	return err == nil && n == 1, err
}
