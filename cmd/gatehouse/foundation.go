package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	gormadapter "gatehouse/adapters/gorm"
	jwxadapter "gatehouse/adapters/jwx"
	masterkeyadapter "gatehouse/adapters/masterkey"
	transitadapter "gatehouse/adapters/transit"
	vaultadapter "gatehouse/adapters/vault"
	appkeys "gatehouse/application/keys"
	apptrail "gatehouse/application/trail"
	"gatehouse/domain/factor"
	"gatehouse/domain/key"
	"gatehouse/domain/recovery"
	"gatehouse/domain/secret"
	"gatehouse/ports/outbound"
)

// now is as exact as the databases are.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

func newID() string { return uuid.Must(uuid.NewV7()).String() }

// newSecret returns 256 random bits in 43 characters.
func newSecret() secret.Text {
	var b [32]byte
	_, _ = rand.Read(b[:]) // it never fails
	return secret.New(base64.RawURLEncoding.EncodeToString(b[:]))
}

// newCode returns a code to be mailed.
func newCode() factor.Code {
	n, _ := rand.Int(rand.Reader, big.NewInt(1_000_000)) // it never fails
	return factor.Code{Text: secret.New(factor.PadCode(n.String()))}
}

// newRecoveryCodes makes n codes.
func newRecoveryCodes(n int) []recovery.Code {
	codes := make([]recovery.Code, n)
	for i := range codes {
		var b [recovery.Length]byte
		_, _ = rand.Read(b[:]) // it never fails
		codes[i] = recovery.Make(b)
	}
	return codes
}

// foundation is what serving and operating both stand on.
type foundation struct {
	cfg     settings
	log     *slog.Logger
	db      *gormadapter.DB
	vault   *vaultadapter.Vault
	work    outbound.UnitOfWork
	keeper  *appkeys.Keeper
	ring    *appkeys.Ring
	shared  shared
	journal *apptrail.Journal
	fresh   bool // there were no keys, so nothing was there before
}

// lay opens the data folder, the database and the keys, in this order.
func lay(ctx context.Context, cfg settings, log *slog.Logger) (*foundation, error) {
	db, err := openDatabase(ctx, cfg)
	if err != nil {
		return nil, err
	}
	f := &foundation{cfg: cfg, log: log, db: db}
	if err := f.migrate(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if err := f.openKeys(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	f.work = gormadapter.NewStore(db, f.vault)
	f.journal = newJournal(f)
	if f.shared, err = newShared(f); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return f, nil
}

func (f *foundation) migrate(ctx context.Context) error {
	prepare := f.db.SchemaCurrent
	if f.cfg.Database.Migrate {
		prepare = f.db.Migrate
	}
	if err := prepare(ctx); err != nil {
		return err
	}
	return f.db.Complete(ctx)
}

// patient is for what changes very many rows at once.
func (f *foundation) patient() outbound.UnitOfWork {
	return gormadapter.NewStore(f.db, f.vault).Patient()
}

const (
	// auditRoom is how many audit entries may wait: some hundred bytes each.
	auditRoom = 10_000

	// auditGather is how long the first of them waits for others, so that many
	// share a transaction.
	auditGather = 200 * time.Millisecond
)

func newJournal(f *foundation) *apptrail.Journal {
	return apptrail.NewJournal(apptrail.JournalDeps{
		Work: f.work, NewID: newID, Now: now, Log: f.log, Room: auditRoom, Gather: auditGather,
	})
}

// Close stores what is still to be recorded, and closes the cache and the
// database. What cannot be stored is in the log, and no failure.
func (f *foundation) Close() error {
	const patience = 3 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	f.journal.Close(ctx)
	f.shared.close()
	return f.db.Close()
}

// masterFile is where development keeps a master key, in the data folder.
const masterFile = "master.key"

func (f *foundation) openKeys(ctx context.Context) error {
	work := gormadapter.NewStore(f.db, nil) // keys are not sealed by a vault that is made of them
	known, err := work.Single().Keys.All(ctx)
	if err != nil {
		return err
	}
	f.fresh = len(known) == 0
	master, err := openMaster(f.cfg, f.log, f.fresh)
	if err != nil {
		return err
	}
	if err := check(ctx, master); err != nil {
		return err
	}
	f.keeper = appkeys.NewKeeper(appkeys.KeeperDeps{
		Work:    work,
		Maker:   jwxadapter.KeyMaker{SigningAlgorithm: f.cfg.Tokens.Algorithm},
		Wrapper: master, Now: now, NewID: rand.Text,
	})
	f.ring = appkeys.NewRing(appkeys.RingDeps{Keeper: f.keeper, Every: ringEvery, Now: now, Log: f.log})
	if f.cfg.Keys.MasterPrevious.Reveal() != "" {
		if err := f.rewrap(ctx); err != nil {
			return err
		}
	}
	if err := f.keeper.Ensure(ctx); err != nil {
		return err
	}
	if err := f.ring.Reload(ctx); err != nil {
		return err
	}
	return f.ring.Use(f.openVault)
}

// rewrap brings the stored keys under the master key of now.
func (f *foundation) rewrap(ctx context.Context) error {
	n, err := f.keeper.Rewrap(ctx)
	if n > 0 {
		f.log.InfoContext(ctx, "keys wrapped under another master key", "keys", n)
	}
	return err
}

// spread is after how long every replica has loaded what was stored: one that is
// healthy looks twice in it. One that is not says so, and is not ready.
const spread = 6 * time.Second

func newWorker(f *foundation) *appkeys.Worker {
	t, wait := f.cfg.Tokens, spread
	if f.alone() {
		wait = 0
	}
	return appkeys.NewWorker(appkeys.WorkerDeps{
		Work: f.work, Keeper: f.keeper, Ring: f.ring, Owner: newID(), Spread: wait, Every: ringEvery,
		Now: now, NewID: newID, Log: f.log, Interval: f.cfg.Keys.RotationInterval,
		TokenLife: max(t.AccessTTL, t.RefreshTTL, t.StepUpTTL, f.cfg.Guests.IdleTTL),
	})
}

// ringEvery is how soon a process notices that keys were exchanged. One that was
// killed is gone everywhere within 10 seconds (faults §9.6).
const ringEvery = 2 * time.Second

// openVault makes the vault of the first keys it gets, and gives it those that
// follow.
func (f *foundation) openVault(keys []key.Opened) (err error) {
	keks, indexes := of(keys, key.Encryption), of(keys, key.BlindIndex)
	if f.vault != nil {
		return f.vault.Load(keks, indexes)
	}
	f.vault, err = vaultadapter.New(keks, indexes, f.ring.Poke)
	return err
}

// of returns the keys of one purpose.
func of(keys []key.Opened, p key.Purpose) (some []key.Opened) {
	for _, k := range keys {
		if k.Purpose == p {
			some = append(some, k)
		}
	}
	return some
}

// openMaster returns what wraps the stored keys. In development it makes a
// master key, unless there are keys already, which only the missing one could
// open.
func openMaster(cfg settings, log *slog.Logger, fresh bool) (outbound.KeyWrapper, error) {
	text := strings.TrimSpace(cfg.Keys.Master.Reveal())
	if text == "" {
		path := filepath.Join(cfg.DataDir, masterFile)
		if fresh {
			if err := masterkeyadapter.Generate(path); err != nil && !errors.Is(err, fs.ErrExist) {
				return nil, fmt.Errorf("make master key: %w", err)
			}
		}
		text = "file:" + path
	}
	master, err := cfg.wrapper("keys.master", text, log)
	if err != nil {
		return nil, err
	}
	text = strings.TrimSpace(cfg.Keys.MasterPrevious.Reveal())
	if text == "" {
		return master, nil
	}
	previous, err := cfg.wrapper("keys.master_previous", text, log)
	if err != nil {
		return nil, err
	}
	return appkeys.Handover{To: master, From: previous}, nil
}

// wrapper returns what a setting of a master key names.
func (s settings) wrapper(setting, text string, log *slog.Logger) (outbound.KeyWrapper, error) {
	var w outbound.KeyWrapper
	var err error
	if place, ok := strings.CutPrefix(text, "transit:"); ok {
		w, err = transitadapter.New(transitadapter.Config{URL: place, Token: s.transitToken, Namespace: s.Keys.TransitNamespace})
	} else {
		w, err = s.masterKey(text, log)
	}
	if err != nil {
		return nil, usageError{fmt.Errorf("%s: %w (%s)", setting, err, s.origin[setting])}
	}
	return w, nil
}

func (s settings) masterKey(text string, log *slog.Logger) (*masterkeyadapter.Wrapper, error) {
	path, isFile := strings.CutPrefix(text, "file:")
	if !isFile {
		return masterkeyadapter.FromBase64(text)
	}
	w, err := masterkeyadapter.FromFile(path)
	if open, ok := errors.AsType[*masterkeyadapter.ModeError](err); ok && s.App.Mode == development {
		log.Warn("master key can be read by others", "path", open.Path, "mode", open.Mode.String())
		err = nil
	}
	return w, err
}

// transitToken is read from its file each time: whoever renews it writes there.
func (s settings) transitToken() (secret.Text, error) {
	path, isFile := strings.CutPrefix(strings.TrimSpace(s.Keys.TransitToken.Reveal()), "file:")
	if !isFile {
		return secret.New(path), nil
	}
	b, err := os.ReadFile(path)
	return secret.New(strings.TrimSpace(string(b))), err
}

// check asks a key service whether it is fit.
func check(ctx context.Context, w outbound.KeyWrapper) error {
	if h, ok := w.(appkeys.Handover); ok {
		w = h.To
	}
	if service, ok := w.(*transitadapter.Wrapper); ok {
		return service.Check(ctx)
	}
	return nil
}

// ownFolder makes the data folder if there is none.
func ownFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("data_dir: %w", err)
	}
	return nil
}

// alone says whether no other process can use this database: it is a file, and
// locked.
func (f *foundation) alone() bool { return f.cfg.isFile() }
