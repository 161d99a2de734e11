package gorm

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/driver/postgres"
)

// limits keep a statement, a lock or an idle transaction of ours from holding
// up the others. What the URL says counts more.
var limits = map[string]string{
	"statement_timeout": "5s", "lock_timeout": "2s", "idle_in_transaction_session_timeout": "10s",
	"synchronous_commit": "on", "application_name": "gatehouse",
}

func openPostgres(ctx context.Context, cfg Config) (*DB, error) {
	pool, err := postgresPool(cfg.URL, limits)
	if err != nil {
		return nil, err
	}
	n := cmp.Or(cfg.Connections, 20)
	pool.SetMaxOpenConns(n)
	pool.SetMaxIdleConns(n)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	db, err := wrap(postgres.New(postgres.Config{Conn: pool}), cfg)
	if err == nil {
		err = pool.PingContext(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("connect to PostgreSQL: %w", err), pool.Close())
	}
	return &DB{write: db, read: db, postgres: true, url: cfg.URL}, nil
}

// postgresPool refuses servers that only read, as after a failover.
func postgresPool(url string, params map[string]string) (*sql.DB, error) {
	c, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("the URL of the database cannot be read: %w", err)
	}
	all := map[string]string{}
	maps.Copy(all, params)
	maps.Copy(all, c.RuntimeParams)
	c.RuntimeParams = all
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, 5*time.Second)
	if c.ValidateConnect == nil {
		c.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	return stdlib.OpenDB(*c), nil
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
