package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	gormadapter "gatehouse/adapters/gorm"
	ledgeradapter "gatehouse/adapters/ledger"
	apperasure "gatehouse/application/erasure"
	appoperations "gatehouse/application/operations"
	"gatehouse/domain/secret"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

type dbCmd struct {
	Backup   dbBackupCmd   `cmd:"" help:"Copy the SQLite database to a new file, also beside a service that runs."`
	Restore  dbRestoreCmd  `cmd:"" help:"Put a backup in the place of an SQLite database that is gone; then as restored."`
	Move     dbMoveCmd     `cmd:"" help:"Copy an SQLite database to an empty PostgreSQL database, while no service runs."`
	Restored dbRestoredCmd `cmd:"" help:"Say that the database was put back to an earlier state: ends all sessions, voids all mailed links."`
}

// errServer is what to do where the database is no file.
func errServer(with string) error {
	return usageError{fmt.Errorf("the database is a PostgreSQL server: use %s (docs/backup.md)", with)}
}

type dbBackupCmd struct {
	File string `arg:"" help:"File that does not exist yet." type:"path"`
}

// Run implements the command.
func (c dbBackupCmd) Run(ctx context.Context, p *process) error {
	cfg, err := p.settings()
	switch {
	case err != nil:
		return err
	case !cfg.isFile():
		return errServer("pg_dump")
	}
	if err := gormadapter.Backup(ctx, cfg.databaseURL(), c.File); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	_, err = fmt.Fprintln(p.out, c.File)
	return err
}

type dbRestoreCmd struct {
	File string `arg:"" help:"File that db backup wrote." type:"existingfile"`
}

// Run implements the command. The backup is put in its place only when the
// master key has opened its keys and everything in it has ended.
func (c dbRestoreCmd) Run(ctx context.Context, p *process) error {
	cfg, err := p.settings()
	switch {
	case err != nil:
		return err
	case !cfg.isFile():
		return errServer("pg_restore, then gatehouse db restored")
	}
	var done inbound.Restored
	var erased inbound.Reconciled
	err = gormadapter.Restore(ctx, cfg.databaseURL(), c.File, func(ctx context.Context, url string) (err error) {
		copied := cfg
		copied.Database.URL = location{secret.New(url)}
		f, err := lay(ctx, copied, p.log)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		if done, err = f.declareRestore(ctx, true); err != nil {
			return err
		}
		erased, err = f.reconcileErasures(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	return p.tellRestored(done, erased)
}

type dbRestoredCmd struct {
	Yes bool `help:"Really do it."`
}

// Run implements the command.
func (c dbRestoredCmd) Run(ctx context.Context, p *process) error {
	if !c.Yes {
		return errNotSure
	}
	return p.operate(ctx, func(f *foundation) error {
		done, err := f.declareRestore(ctx, true)
		if err != nil {
			return err
		}
		erased, err := f.reconcileErasures(ctx)
		if err != nil {
			return err
		}
		return p.tellRestored(done, erased)
	})
}

// declareRestore makes everything worthless that may have ended before, unless
// the stored epoch is that of the configuration already and it is not again.
func (f *foundation) declareRestore(ctx context.Context, again bool) (inbound.Restored, error) {
	declare := appoperations.NewRestoreDeclarer(appoperations.RestoreDeclarerDeps{Work: f.patient(), Now: now})
	return command(f.around(), declare).Do(ctx, inbound.DeclareRestore{Epoch: f.cfg.Database.RestoreEpoch, Again: again})
}

// ledgerFile is where erasures are kept outside of the database, in the data
// folder.
const ledgerFile = "erasures.jsonl"

// erasing is what deletions work with.
func (f *foundation) erasing(work outbound.UnitOfWork) apperasure.Deps {
	return apperasure.Deps{
		Work: work, Revocations: f.shared.marks, Ledger: ledgeradapter.New(filepath.Join(f.cfg.DataDir, ledgerFile)), Now: now, Log: f.log,
	}
}

// reconcileErasures deletes again who was deleted and is back.
func (f *foundation) reconcileErasures(ctx context.Context) (inbound.Reconciled, error) {
	return command(f.around(), apperasure.NewReconciler(f.erasing(f.work))).Do(ctx, inbound.ReconcileErasures{})
}

func (p *process) tellRestored(r inbound.Restored, e inbound.Reconciled) error {
	_, err := fmt.Fprintf(p.out, "restore epoch %d: %d sessions ended, %d links voided, %d mails dropped, %d accounts deleted again\n",
		r.Epoch, r.Sessions, r.Links, r.Mails, e.Erased)
	return err
}

// afterRestore does what an operator asks for by raising database.restore_epoch.
// A setting that is behind is no reason to stay down: nothing has to end, and
// who lost it would be locked out. But it would not notice the next restore.
func (f *foundation) afterRestore(ctx context.Context) error {
	asked := f.cfg.Database.RestoreEpoch
	if asked == 0 {
		return nil
	}
	r, err := f.declareRestore(ctx, false)
	switch {
	case err != nil:
		return err
	case r.Raised:
		f.log.WarnContext(ctx, "restore epoch raised, everything begun before has ended",
			"epoch", r.Epoch, "sessions", r.Sessions, "links", r.Links, "mails", r.Mails)
	case r.Epoch > asked:
		f.log.WarnContext(ctx, "database.restore_epoch is behind the database and would miss a restore",
			"setting", asked, "database", r.Epoch)
	}
	return nil
}

type dbMoveCmd struct {
	From string `help:"Database to copy; the file in data_dir if it is not given." placeholder:"sqlite:///PATH"`
	To   string `help:"Database to fill; the configured one if it is not given, which keeps a password off the command line." placeholder:"postgres://…"`
}

// Run implements the command. It may be interrupted, and run again.
func (c dbMoveCmd) Run(ctx context.Context, p *process) error {
	cfg, err := p.settings()
	if err != nil {
		return err
	}
	m := gormadapter.Move{
		From: cmp.Or(c.From, "sqlite://"+filepath.Join(cfg.DataDir, fileName)),
		To:   cmp.Or(c.To, cfg.Database.DirectURL.Reveal(), cfg.databaseURL()),
		Copied: func(table string, rows int) {
			p.log.DebugContext(ctx, "rows copied", "table", table, "rows", rows)
		},
	}
	switch {
	case !strings.HasPrefix(m.From, "sqlite://"):
		return usageError{errors.New("--from: must be sqlite:///path")}
	case !isPostgres(m.To):
		return usageError{errors.New("--to: must be postgres://…, here or as database.url")}
	}
	all, err := m.Do(ctx)
	if told := c.tell(p.out, all); err == nil {
		err = told
	}
	if err != nil {
		return fmt.Errorf("move: %w", err)
	}
	return nil
}

// tell prints how the tables compare that were copied, and which ones were not.
func (c dbMoveCmd) tell(out io.Writer, all []gormadapter.Moved) error {
	if len(all) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TABLE\tROWS\tCOPIED\tSHA-256\tOF THE COPY\t")
	for _, m := range all {
		verdict := "same"
		if !m.Same() {
			verdict = "DIFFERS"
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%x\t%x\t%s\n", m.Table, m.Source.Rows, m.Target.Rows, m.Source.SHA256[:8], m.Target.SHA256[:8], verdict)
	}
	left := gormadapter.LeftBehind()
	for _, table := range slices.Sorted(maps.Keys(left)) {
		fmt.Fprintf(w, "%s\tleft behind: it %s\n", table, left[table])
	}
	return w.Flush()
}
