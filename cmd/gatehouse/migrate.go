package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"text/tabwriter"
	"time"

	gormadapter "gatehouse/adapters/gorm"
)

type migrateCmd struct {
	Up     migrateUpCmd     `cmd:"" help:"Apply all pending migrations."`
	Down   migrateDownCmd   `cmd:"" help:"Take back the latest migration, with the data it holds."`
	Status migrateStatusCmd `cmd:"" help:"List the migrations."`
}

var errNotSure = usageError{errors.New("this cannot be undone: say --yes if it is what you want")}

type migrateUpCmd struct{}

// Run implements the command.
func (migrateUpCmd) Run(ctx context.Context, p *process) error {
	return p.withDatabase(ctx, func(_ settings, db *gormadapter.DB) error { return db.Migrate(ctx) })
}

type migrateDownCmd struct {
	Yes bool `help:"Really do it."`
}

// Run implements the command.
func (c migrateDownCmd) Run(ctx context.Context, p *process) error {
	if !c.Yes {
		return errNotSure
	}
	return p.withDatabase(ctx, func(_ settings, db *gormadapter.DB) error { return db.MigrateDown(ctx) })
}

type migrateStatusCmd struct{}

// Run implements the command.
func (migrateStatusCmd) Run(ctx context.Context, p *process) error {
	return p.withDatabase(ctx, func(_ settings, db *gormadapter.DB) error {
		steps, err := db.Status(ctx)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
		for _, s := range steps {
			applied := "pending"
			if !s.AppliedAt.IsZero() {
				applied = s.AppliedAt.UTC().Format(time.RFC3339)
			}
			fmt.Fprintf(w, "%d\t%s\t%s\n", s.Version, s.Name, applied)
		}
		return w.Flush()
	})
}

// withDatabase opens the database for as long as do takes.
func (p *process) withDatabase(ctx context.Context, do func(settings, *gormadapter.DB) error) (err error) {
	cfg, err := p.settings()
	if err != nil {
		return err
	}
	db, err := openDatabase(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return do(cfg, db)
}

func openDatabase(ctx context.Context, cfg settings) (*gormadapter.DB, error) {
	if err := ownFolder(cfg.DataDir); err != nil {
		return nil, err
	}
	return gormadapter.Open(ctx, gormadapter.Config{
		URL: cfg.databaseURL(), Direct: cfg.Database.DirectURL.Reveal(), Synchronous: cfg.Database.Synchronous,
		Connections: cfg.Database.MaxConnections, Lifetime: shortened(cfg.Database.ConnectionLifetime),
	})
}

// shortened takes up to a tenth off a time, lest all replicas that began
// together begin anew together.
func shortened(d time.Duration) time.Duration {
	return d - rand.N(d/10+1) //nolint:gosec // spreads load, protects nothing
}
