package gorm

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
)

// limits keep a statement, a lock or an idle transaction of ours from holding
// up the others. What an operator has set for the role, the database or in the
// URL counts more. Whether a commit waits for the disk (synchronous_commit) is
// theirs alone.
const limits = `
SELECT set_config(name, ours.value, false) FROM pg_settings JOIN (VALUES
	('statement_timeout', '5s'), ('lock_timeout', '2s'), ('idle_in_transaction_session_timeout', '10s')
) AS ours (name, value) USING (name) WHERE source NOT IN ('database', 'user', 'database user', 'client')`

func limited(ctx context.Context, c *pgx.Conn) error {
	_, err := c.Exec(ctx, limits, pgx.QueryExecModeSimpleProtocol)
	return err
}

func openPostgres(ctx context.Context, cfg Config) (*DB, error) {
	c, err := settingsOf(cfg.URL, nil)
	if err != nil {
		return nil, err
	}
	direct, opts := cfg.URL, []stdlib.OptionOpenDB{stdlib.OptionAfterConnect(limited)}
	if cfg.Direct != "" { // the next transaction on the same session is anybody's
		direct, opts = cfg.Direct, nil
		if !strings.Contains(cfg.URL, "default_query_exec_mode=") {
			c.DefaultQueryExecMode = pgx.QueryExecModeExec
		}
	}
	pool := stdlib.OpenDB(*c, opts...)
	n := cmp.Or(cfg.Connections, 20)
	pool.SetMaxOpenConns(n)
	pool.SetMaxIdleConns(n)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	pool.SetConnMaxLifetime(cfg.Lifetime)
	db, err := wrap(postgres.New(postgres.Config{Conn: pool}), cfg)
	if err == nil {
		err = pool.PingContext(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("connect to PostgreSQL: %w", err), pool.Close())
	}
	return &DB{write: db, read: db, postgres: true, direct: direct}, nil
}

// unlimited is for what may take long.
var unlimited = map[string]string{
	"statement_timeout": "0", "lock_timeout": "0", "idle_in_transaction_session_timeout": "0",
}

// settingsOf returns how to connect to the server at url, and refuses one that
// only reads, as after a failover. What url says counts more than params.
func settingsOf(url string, params map[string]string) (*pgx.ConnConfig, error) {
	c, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("the URL of the database cannot be read: %w", err)
	}
	all := map[string]string{"application_name": "gatehouse"}
	maps.Copy(all, params)
	maps.Copy(all, c.RuntimeParams)
	c.RuntimeParams = all
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, 5*time.Second)
	if c.ValidateConnect == nil {
		c.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	return c, nil
}

// passing reports whether err may be gone when everything is tried again.
func passing(err error) bool {
	if busy(err) || errors.Is(err, driver.ErrBadConn) || pgconn.SafeToRetry(err) {
		return true // nothing was sent
	}
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return false
	}
	switch pg.Code {
	case "40001", "40P01", // serialization failure, deadlock
		"0A000": // a statement was planned before the schema changed
		return true
	}
	return false
}

// direct runs one statement of no transaction on a connection of the pool, past
// database/sql, which has a goroutine watch each of them and copies its values
// once more.
func direct[T any](ctx context.Context, db *gorm.DB, pool *sql.DB, query string, args []any) (all []T, err error) {
	one, err := pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	err = one.Raw(func(driven any) error {
		rows, err := driven.(*stdlib.Conn).Conn().Query(ctx, query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		if all, err = collect[T](rows); err != nil {
			return err
		}
		return rows.Err()
	})
	return all, errors.Join(translated(db, err), one.Close())
}
