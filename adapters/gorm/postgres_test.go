package gorm_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"gatehouse/adapters/gorm"
	"gatehouse/adapters/gorm/pgtest"
	"gatehouse/domain/fault"
	"gatehouse/domain/principal"
	"gatehouse/ports/outbound"
)

// While another replica migrates, statements planned before fail once.
func TestAChangeOfTheSchemaIsSurvived(t *testing.T) {
	url := pgtest.URL(t)
	st := gorm.NewStore(open(t, gorm.Config{URL: url, Connections: 2}), newVault(t))
	fill(t, st)
	both := []func() error{
		func() error { return openPrincipal(t.Context(), st.Single()) },
		func() error { return st.Within(t.Context(), openPrincipal) },
	}
	for i, to := range []string{"integer", "bigint", "integer", "bigint"} {
		for range 3 { // until the statements are prepared on every connection
			for _, call := range both {
				must(t, call())
			}
		}
		raw(t, url, func(ctx context.Context, db execer) {
			_, err := db.ExecContext(ctx, "ALTER TABLE principals ALTER COLUMN token_gen TYPE "+to)
			must(t, err)
		})
		must(t, both[i%2]())
	}
}

// Of two units of work that wait for each other one is run again.
func TestADeadlockIsSurvived(t *testing.T) {
	st := gorm.NewStore(open(t, gorm.Config{URL: pgtest.URL(t)}), newVault(t))
	fill(t, st)
	bob := ada()
	bob.ID, bob.Email, bob.Identities = "u2", address(t, "bob@example.com"), nil
	must(t, st.Single().Principals.Add(t.Context(), restored(t, bob)))

	var both sync.WaitGroup // have their first lock
	both.Add(2)
	var runs atomic.Int32
	errs := make(chan error)
	for _, order := range [][2]principal.ID{{"u1", "u2"}, {"u2", "u1"}} {
		first := sync.OnceFunc(both.Done)
		go func() {
			errs <- st.Within(t.Context(), func(ctx context.Context, s outbound.Stores) error {
				runs.Add(1)
				if _, err := s.Principals.ByID(ctx, order[0]); err != nil {
					return err
				}
				first()
				both.Wait()
				_, err := s.Principals.ByID(ctx, order[1])
				return err
			})
		}()
	}
	must(t, <-errs)
	must(t, <-errs)
	if got := runs.Load(); got < 3 {
		t.Errorf("%d runs, so the two never met", got)
	}
}

// Where an operator wants transactions to be serializable, of two that each
// read what the other one writes one is run again.
func TestASerializationFailureIsSurvived(t *testing.T) {
	st := gorm.NewStore(open(t, gorm.Config{URL: pgtest.URL(t) + "&default_transaction_isolation=serializable"}), newVault(t))
	fill(t, st)
	var both sync.WaitGroup // have read
	both.Add(2)
	var runs atomic.Int32
	errs := make(chan error)
	for _, id := range []string{"n3", "n4"} {
		first := sync.OnceFunc(both.Done)
		go func() {
			errs <- st.Within(t.Context(), func(ctx context.Context, s outbound.Stores) error {
				runs.Add(1)
				if _, err := s.Outbox.Backlog(ctx); err != nil {
					return err
				}
				first()
				both.Wait()
				return s.Outbox.Add(ctx, mail(id, ""))
			})
		}()
	}
	must(t, <-errs)
	must(t, <-errs)
	if got := runs.Load(); got < 3 {
		t.Errorf("%d runs, so the two never met", got)
	}
}

// Connections that died are replaced, without a restart of ours.
func TestDeadConnectionsAreReplaced(t *testing.T) {
	url := pgtest.URL(t) + "&application_name=victim"
	st := gorm.NewStore(open(t, gorm.Config{URL: url, Connections: 3}), newVault(t))
	fill(t, st)
	must(t, openPrincipal(t.Context(), st.Single()))
	raw(t, url+"&application_name=killer", func(ctx context.Context, db execer) {
		_, err := db.ExecContext(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'victim'")
		must(t, err)
	})
	var err error
	for range 4 { // each connection may fail once
		if err = openPrincipal(t.Context(), st.Single()); err == nil {
			break
		}
		if fault.CodeOf(err) != fault.DatabaseFailure {
			t.Errorf("on a dead connection: %v, want DATABASE_FAILURE", err)
		}
	}
	must(t, err)
	must(t, st.Within(t.Context(), openPrincipal))
}

// A server that only reads, as after a failover, is not ours.
func TestAStandbyIsRefused(t *testing.T) {
	url := pgtest.URL(t) + "&default_transaction_read_only=on"
	if db, err := gorm.Open(t.Context(), gorm.Config{URL: url}); err == nil {
		t.Error("Open of a server that only reads = nil")
		must(t, db.Close())
	}
}

// What a refresh or a guess writes stands in no index: then a row is replaced
// beside itself, and nothing else has to be written (HOT updates).
func TestNoIndexIsOnWhatARefreshOrAGuessWrites(t *testing.T) {
	url := pgtest.URL(t)
	open(t, gorm.Config{URL: url})
	raw(t, url, func(ctx context.Context, db execer) {
		var indexed string
		must(t, db.QueryRowContext(ctx, `
SELECT COALESCE(string_agg(i.indexrelid::regclass || ' on ' || a.attname, ', '), '')
FROM pg_index i JOIN pg_depend d ON d.objid = i.indexrelid AND d.refobjid = i.indrelid
	JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE i.indrelid = 'principals'::regclass AND a.attname = 'last_active'
	OR i.indrelid = 'attempts'::regclass AND a.attname IN ('failures', 'last')
	OR i.indrelid = 'sessions'::regclass AND a.attname IN ('refresh_jti', 'last_active', 'expires_at', 'browser', 'os', 'origin')`,
		).Scan(&indexed))
		if indexed != "" {
			t.Error(indexed)
		}
	})
}
