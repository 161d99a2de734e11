package gorm

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// announce tells the listeners of all processes. It is no part of what stores a
// notice: transactions that notify commit one after the other, which halved what
// eight of them got done (PostgreSQL 15, two cores).
const announce = "SELECT pg_notify('gatehouse_outbox', '')"

// Announce makes the listeners of other processes look for notices at once. With
// SQLite there are none.
func (db *DB) Announce(ctx context.Context) error {
	if !db.postgres {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	return classify("announce notices", db.write.WithContext(ctx).Exec(announce).Error)
}

// longestBreak is the longest that Listen waits between two connections.
const longestBreak = 5 * time.Second

// Listen calls wake whenever a process announces notices, and whenever it may
// have missed that, until ctx ends. wake must not block. It holds one
// connection to PostgreSQL besides the pool, and makes another when that is
// lost; lost is told, once, when it cannot for long. With SQLite, which has one process, it
// returns at once.
func (db *DB) Listen(ctx context.Context, wake func(), lost func(error)) {
	if !db.postgres {
		return
	}
	told := false
	for wait := step; ctx.Err() == nil; wait = min(2*wait, longestBreak) {
		err := db.listen(ctx, func() {
			wait, told = step, false
			wake()
		})
		if wait == longestBreak && !told && ctx.Err() == nil {
			told = true
			lost(err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// listen returns when the connection is lost.
func (db *DB) listen(ctx context.Context, heard func()) error {
	cfg, err := settingsOf(db.direct, unlimited)
	if err != nil {
		return err
	}
	c, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = c.Close(ctx) // the server notices by itself
	}()
	if _, err := c.Exec(ctx, "LISTEN gatehouse_outbox", pgx.QueryExecModeSimpleProtocol); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	for heard(); ; heard() { // what came before we listened is found by looking
		if _, err := c.WaitForNotification(ctx); err != nil {
			return fmt.Errorf("listen: %w", err)
		}
	}
}
