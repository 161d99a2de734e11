package keys_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse/adapters/gorm"
	"gatehouse/adapters/gorm/pgtest"
	"gatehouse/adapters/jwx"
	"gatehouse/adapters/masterkey"
	"gatehouse/adapters/vault"
	app "gatehouse/application/keys"
	"gatehouse/domain/email"
	"gatehouse/domain/key"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/domain/session"
	"gatehouse/domain/throttle"
	"gatehouse/domain/token"
	"gatehouse/ports/outbound"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// node is all of a replica that has to do with keys, on a real database.
type node struct {
	t      *testing.T
	work   outbound.UnitOfWork
	tokens *jwx.Tokens
	keeper *app.Keeper
	ring   *app.Ring
	worker *app.Worker
}

// looks is how often a node looks at the stored keys, and spread after how long
// every one of them has: in the same proportion as in earnest.
const (
	looks  = 400 * time.Millisecond
	spread = 1200 * time.Millisecond
)

func newNode(t *testing.T, db *gorm.DB, spread time.Duration) *node {
	t.Helper()
	master, err := masterkey.FromBase64(base64.StdEncoding.EncodeToString(make([]byte, 32)))
	check(t, err)
	now := func() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }
	keys := gorm.NewStore(db, nil)
	n := &node{t: t}
	log := slog.New(slog.DiscardHandler)
	n.keeper = app.NewKeeper(app.KeeperDeps{Work: keys, Maker: jwx.KeyMaker{SigningAlgorithm: "EdDSA"}, Wrapper: master, Now: now, NewID: rand.Text})
	check(t, n.keeper.Ensure(t.Context()))
	n.ring = app.NewRing(app.RingDeps{Keeper: n.keeper, Every: 2 * time.Second, Now: now, Log: log})
	check(t, n.ring.Reload(t.Context()))
	var v *vault.Vault
	check(t, n.ring.Use(func(all []key.Opened) (err error) {
		of := map[key.Purpose][]key.Opened{}
		for _, k := range all {
			of[k.Purpose] = append(of[k.Purpose], k)
		}
		if v != nil {
			return errors.Join(v.Load(of[key.Encryption], of[key.BlindIndex]), n.tokens.Load(of[key.Signing]))
		}
		v, err = vault.New(of[key.Encryption], of[key.BlindIndex], n.ring.Poke)
		if err != nil {
			return err
		}
		n.tokens, err = jwx.New(jwx.Config{Issuer: "i", Audience: "a", Keys: of[key.Signing]})
		return err
	}))
	n.work = gorm.NewStore(db, v)
	n.worker = app.NewWorker(app.WorkerDeps{
		Work: n.work, Keeper: n.keeper, Ring: n.ring, Owner: rand.Text(), Spread: spread, Every: time.Second, Now: now, NewID: rand.Text, Log: log,
	})
	return n
}

// follow keeps the keys of a node up to date until ctx ends.
func (n *node) follow(ctx context.Context) {
	for ctx.Err() == nil {
		if err := n.ring.Reload(ctx); err != nil && ctx.Err() == nil {
			n.t.Errorf("Reload = %v", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(looks):
		}
	}
}

func newUser(address string) *principal.Principal {
	a, _ := email.Parse(address)
	at := time.Now().UTC().Truncate(time.Microsecond)
	p, err := principal.Restore(principal.Snapshot{
		ID: principal.ID(uuid.Must(uuid.NewV7()).String()), Kind: principal.User, Name: "Ada", Email: a,
		Hash: password.NewHash("$argon2id$hash"), CreatedAt: at, LastActive: at,
	})
	if err != nil {
		panic(err)
	}
	return p
}

func (n *node) registers(address string) {
	n.t.Helper()
	out, err := n.work.Single().Entry.Register(n.t.Context(), outbound.Registration{User: newUser(address)})
	if err != nil || !out.Done {
		n.t.Errorf("Register %s = %+v, %v", address, out, err)
	}
}

func (n *node) refuses(address string) {
	n.t.Helper()
	out, err := n.work.Single().Entry.Register(n.t.Context(), outbound.Registration{User: newUser(address)})
	if err != nil || out.Done {
		n.t.Errorf("Register %s again = %+v, %v", address, out, err)
	}
}

// signsIn finds who has an address, begins a session, and reads the record
// again.
func (n *node) signsIn(address string) (principal.ID, session.ID) {
	n.t.Helper()
	_, p, err := n.work.Single().Entry.Look(n.t.Context(), throttle.Subject{Account: address})
	if err != nil || p == nil {
		n.t.Errorf("Look for %s = %v, %v", address, p, err)
		return "", ""
	}
	at := time.Now().UTC().Truncate(time.Microsecond)
	s := session.Session{
		ID: session.ID(uuid.Must(uuid.NewV7()).String()), PrincipalID: p.ID(), RefreshID: "r", Proven: session.Proven{session.Password},
		StartedAt: at, LastActive: at, ExpiresAt: at.Add(time.Hour), Until: at.Add(time.Hour),
	}
	out, err := n.work.Single().Entry.SignIn(n.t.Context(), outbound.SignIn{Judged: p, Session: s, Device: "device", Since: at.Add(-time.Hour)})
	if err != nil || !out.Done {
		n.t.Errorf("SignIn of %s = %+v, %v", address, out, err)
	}
	err = n.work.Within(n.t.Context(), func(ctx context.Context, st outbound.Stores) error {
		p, err := st.Principals.ByID(ctx, p.ID())
		if err != nil {
			return err
		}
		return st.Principals.Save(ctx, p)
	})
	if err != nil {
		n.t.Errorf("Save of %s = %v", address, err)
	}
	return p.ID(), s.ID
}

func (n *node) mints(of principal.ID, in session.ID) secret.Text {
	n.t.Helper()
	at := time.Now().UTC().Truncate(time.Second)
	s, err := n.tokens.Mint(token.Refresh, token.Claims{
		ID: uuid.Must(uuid.NewV7()).String(), Subject: of, Session: in, IssuedAt: at, ExpiresAt: at.Add(time.Hour),
	})
	if err != nil {
		n.t.Errorf("Mint = %v", err)
	}
	return s
}

func (n *node) accepts(s secret.Text) {
	n.t.Helper()
	if _, err := n.tokens.Verify(s, token.Refresh, time.Now()); err != nil {
		n.t.Errorf("Verify = %v", err)
	}
}

// Keys of every purpose are exchanged while people register, sign in and come
// back at two replicas. Nobody is refused, and no address is had twice (Q14,
// F11, F94).
func TestARotationUnderLoadRefusesNobody(t *testing.T) {
	db, err := gorm.Open(t.Context(), gorm.Config{URL: pgtest.URL(t)})
	check(t, err)
	defer func() { check(t, db.Close()) }()
	check(t, db.Migrate(t.Context()))
	nodes := []*node{newNode(t, db, spread), newNode(t, db, spread)}
	ctx, stop := context.WithCancel(t.Context())
	var loops, people sync.WaitGroup
	for _, n := range nodes {
		loops.Go(func() { n.follow(ctx) })
	}
	var busy atomic.Bool
	busy.Store(true)
	var known, asked atomic.Int32
	for i := range 4 {
		people.Go(func() {
			for k := 0; busy.Load(); k++ {
				here, there := nodes[(i+k)%2], nodes[(i+k+1)%2]
				address := fmt.Sprintf("ada%d-%d@example.com", i, k)
				here.registers(address)
				who, where := there.signsIn(address)
				s := there.mints(who, where)
				here.accepts(s)
				there.refuses(address)
				first := fmt.Sprintf("ada%d-0@example.com", i) // from before
				here.signsIn(first)
				here.refuses(first)
				known.Add(1)
				asked.Add(7)
			}
		})
	}
	for known.Load() < 20 && !t.Failed() {
		time.Sleep(10 * time.Millisecond)
	}
	_, err = app.NewStarter(app.StarterDeps{Work: nodes[0].work, Wake: func() {}, Now: time.Now, NewID: rand.Text}).Do(t.Context(), rotateKeys)
	check(t, err)
	if done, err := nodes[0].worker.Work(t.Context()); !done || err != nil {
		t.Fatalf("Work = %t, %v", done, err)
	}
	busy.Store(false)
	people.Wait()
	stop()
	loops.Wait()
	latest, err := nodes[0].work.Single().Rotations.Latest(t.Context())
	check(t, err)
	for _, s := range latest.Steps {
		if s.Failed > 0 || !s.Done {
			t.Errorf("step %+v", s)
		}
	}
	for i := range 4 {
		nodes[1].signsIn(fmt.Sprintf("ada%d-0@example.com", i))
	}
	t.Logf("%d people, %d calls, one rotation, nobody was refused", known.Load(), asked.Load())
}

// A new process on what a rotation left, without the old keys.
func TestNothingNeedsTheOldKeysAfterARotation(t *testing.T) {
	db, err := gorm.Open(t.Context(), gorm.Config{URL: "sqlite://" + filepath.Join(t.TempDir(), "gatehouse.db")})
	check(t, err)
	defer func() { check(t, db.Close()) }()
	check(t, db.Migrate(t.Context()))
	n := newNode(t, db, 0)
	for i := range 3 {
		n.registers(fmt.Sprintf("ada%d@example.com", i))
	}
	_, err = app.NewStarter(app.StarterDeps{Work: n.work, Wake: func() {}, Now: time.Now, NewID: rand.Text}).Do(t.Context(), rotateKeys)
	check(t, err)
	if done, err := n.worker.Work(t.Context()); !done || err != nil {
		t.Fatalf("Work = %t, %v", done, err)
	}
	removed := 0
	for _, k := range n.ring.Keys() {
		if k.State == key.Retired {
			check(t, n.work.Single().Keys.Remove(t.Context(), k.ID))
			removed++
		}
	}
	again := newNode(t, db, 0)
	for i := range 3 {
		again.signsIn(fmt.Sprintf("ada%d@example.com", i))
	}
	if removed != 3 {
		t.Errorf("%d keys were retired, want 3", removed)
	}
}
