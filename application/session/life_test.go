package session_test

import (
	"cmp"
	"database/sql"
	"flag"
	"math"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gatehouse/adapters/gorm"
	"gatehouse/adapters/gorm/pgtest"
	"gatehouse/adapters/vault"
	app "gatehouse/application/session"
	"gatehouse/domain/fault"
	"gatehouse/domain/key"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/ports/inbound"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// life is what ought to be true of ada's sessions, however they are used. It
// knows no store, no token and no transaction.
type life struct {
	w     *world
	began []*modelled
	mails int // alerts about reused tokens
	pairs int // how many of a session are checked, the latest ones
}

// modelled is a session: the pairs it has had, the current one last, and when
// each one was replaced.
type modelled struct {
	id         session.ID
	started    time.Time
	lastActive time.Time
	expires    time.Time
	pairs      []session.Pair
	replaced   []time.Time
	ended      bool
}

func (m *modelled) live(now time.Time) bool { return !m.ended && now.Before(m.expires) }

// refreshed is what has to come of presenting the i-th refresh token: its
// refusal, the pair it was exchanged for, or neither, when it is current.
func (m *modelled) refreshed(i int, now time.Time) (code fault.Code, again *session.Pair) {
	current := i == len(m.pairs)-1
	switch {
	case !now.Before(m.pairs[i].RefreshExpires):
		return fault.RefreshTokenExpired, nil
	case m.ended:
		return fault.RefreshTokenInvalid, nil
	case !current && now.Before(m.replaced[i].Add(grace)):
		return "", &m.pairs[i+1]
	case !current:
		return fault.RefreshTokenInvalid, nil
	}
	return "", nil
}

func (m *modelled) expiry(now time.Time) time.Time {
	end, limit := now.Add(90*day), m.started.Add(180*day)
	if end.After(limit) {
		return limit
	}
	return end
}

func (l *life) signIn(t *rapid.T) {
	pw := rapid.SampledFrom([]string{right, right, right, wrong}).Draw(t, "password")
	cmd := signIn("ada@example.com", pw)
	got, err := l.w.signerIn().Do(t.Context(), cmd)
	if pw == wrong {
		if fault.CodeOf(err) != fault.InvalidCredentials {
			t.Fatalf("sign-in with a wrong password: %v", err)
		}
		return
	}
	if err != nil {
		t.Fatalf("sign-in: %v", err)
	}
	m := &modelled{id: got.SessionID, started: l.w.now, lastActive: l.w.now, pairs: []session.Pair{got.Tokens}}
	m.expires = m.expiry(l.w.now)
	l.began = append(l.began, m)
}

// any draws a session, whatever became of it.
func (l *life) any(t *rapid.T) *modelled {
	if len(l.began) == 0 {
		t.Skip("nobody has signed in yet")
	}
	return rapid.SampledFrom(l.began).Draw(t, "session")
}

func (l *life) refresh(t *rapid.T) {
	m := l.any(t)
	i := len(m.pairs) - 1 - min(len(m.pairs)-1, rapid.IntRange(0, 3).Draw(t, "age of the token"))
	want, again := m.refreshed(i, l.w.now)
	got, err := l.w.refresh(t.Context(), m.pairs[i].Refresh)
	switch {
	case fault.CodeOf(err) != want:
		t.Fatalf("refresh token %d of %d: %v, want code %q", i, len(m.pairs), err, want)
	case want == fault.RefreshTokenInvalid && !m.ended:
		m.ended = true
		l.mails++
	case want != "":
	case again != nil:
		if !same(got.Tokens, *again) {
			t.Fatalf("refresh token %d of %d: not the pair it was exchanged for", i, len(m.pairs))
		}
	default:
		m.pairs, m.replaced = append(m.pairs, got.Tokens), append(m.replaced, l.w.now)
		m.lastActive, m.expires = l.w.now, m.expiry(l.w.now)
	}
}

func (l *life) pass(t *rapid.T) {
	l.w.now = l.w.now.Add(rapid.SampledFrom([]time.Duration{
		time.Millisecond, time.Second, time.Minute, 15 * time.Minute,
		day, 30 * day, 89 * day, 90*day - time.Second, 90 * day,
	}).Draw(t, "time"))
}

// window leads to either side of the end of the grace window.
func (l *life) window(t *rapid.T) {
	l.w.now = l.w.now.Add(rapid.SampledFrom([]time.Duration{grace - time.Millisecond, grace}).Draw(t, "time"))
}

func (l *life) signOut(t *rapid.T) {
	m := l.any(t)
	pair := rapid.SampledFrom(m.pairs).Draw(t, "pair")
	cmd := inbound.SignOut{AccessToken: pair.Access}
	if rapid.Bool().Draw(t, "by the refresh token") {
		cmd = inbound.SignOut{RefreshToken: pair.Refresh}
	}
	if _, err := l.w.signerOut().Do(t.Context(), cmd); err != nil {
		t.Fatalf("sign-out: %v", err)
	}
	l.end(m)
}

// end ends what goes on; what has expired can no longer end.
func (l *life) end(m *modelled) {
	if m.live(l.w.now) {
		m.ended = true
	}
}

func (l *life) endOne(t *rapid.T) {
	caller, m := l.any(t), l.any(t)
	cmd := inbound.EndSession{Context: by("ada", caller.id), SessionID: m.id}
	got, err := app.NewEnder(l.w.ending()).Do(t.Context(), cmd)
	if err != nil {
		t.Fatalf("end: %v", err)
	}
	l.end(m)
	l.same(t, got, caller)
}

func (l *life) endAll(t *rapid.T) {
	caller := l.any(t)
	if _, err := app.NewAllEnder(l.w.ending()).Do(t.Context(), inbound.EndAllSessions{Context: by("ada", caller.id)}); err != nil {
		t.Fatalf("end all: %v", err)
	}
	for _, m := range l.began {
		m.ended = true
	}
}

func (l *life) stepUp(t *rapid.T) {
	m := l.any(t)
	want := fault.Code("")
	if !m.live(l.w.now) {
		want = fault.SessionExpired
	}
	_, err := l.w.stepperUp().Do(t.Context(), stepUp("ada", m.id, right))
	if fault.CodeOf(err) != want {
		t.Fatalf("step-up: %v, want code %q", err, want)
	}
}

func (l *life) changePassword(t *rapid.T) {
	l.w.change(t, "ada", func(p *principal.Principal) { p.ChangePassword(password.NewHash("v1:" + right)) })
}

// check compares everything that can be seen with the model.
func (l *life) check(t *rapid.T) {
	for _, m := range l.began {
		for i := max(0, len(m.pairs)-l.pairs); i < len(m.pairs); i++ {
			pair, want := m.pairs[i], fault.Code("")
			if !m.live(l.w.now) || !l.w.now.Before(pair.AccessExpires) {
				want = fault.AccessTokenExpired
			}
			if got := l.w.accepts(t, pair.Access); got != want {
				t.Fatalf("access token %d of %d: code %q, want %q", i, len(m.pairs), got, want)
			}
			if pair.AccessExpires.After(m.expires) || pair.RefreshExpires.After(m.started.Add(180*day)) {
				t.Fatalf("access token %d of %d outlives its session", i, len(m.pairs))
			}
		}
	}
	if n := len(l.w.mails(t)); n != l.mails {
		t.Fatalf("%d mails, want %d", n, l.mails)
	}
	if len(l.began) == 0 {
		return
	}
	caller := l.began[0]
	got, err := l.w.lister().Do(t.Context(), inbound.ListSessions{Context: by("ada", caller.id)})
	if err != nil {
		t.Fatalf("list: %v", err)
	}
	l.same(t, got, caller)
}

func (l *life) same(t *rapid.T, got inbound.Sessions, caller *modelled) {
	live := slices.DeleteFunc(slices.Clone(l.began), func(m *modelled) bool { return !m.live(l.w.now) })
	slices.SortFunc(live, func(a, b *modelled) int {
		switch {
		case a == caller:
			return -1
		case b == caller:
			return 1
		}
		return cmp.Or(b.lastActive.Compare(a.lastActive), cmp.Compare(a.id, b.id))
	})
	var want []session.ID
	for _, m := range live {
		want = append(want, m.id)
	}
	if !slices.Equal(ids(got), want) {
		t.Fatalf("sessions %v, want %v", ids(got), want)
	}
}

func TestTheLifeOfSessions(t *testing.T) {
	t.Run("memory", func(t *testing.T) { lives(t, math.MaxInt, func(t *rapid.T) *world { return newWorld(t) }) })
	t.Run("sqlite", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "gatehouse.db")
		livesIn(t, "sqlite://"+file, "sqlite", file)
	})
	t.Run("postgres", func(t *testing.T) {
		url := pgtest.URL(t)
		livesIn(t, url, "pgx", url)
	})
}

// livesIn leads fewer lives, one after the other in one database, which is
// emptied past the stores.
func livesIn(t *testing.T, url, driver, source string) {
	t.Helper()
	const checks = "rapid.checks"
	most := flag.Lookup(checks).Value.String()
	must(t, flag.Set(checks, "30"))
	defer func() { must(t, flag.Set(checks, most)) }()

	db, err := gorm.Open(t.Context(), gorm.Config{URL: url})
	must(t, err)
	defer func() { must(t, db.Close()) }()
	must(t, db.Migrate(t.Context()))
	past, err := sql.Open(driver, source)
	must(t, err)
	defer func() { must(t, past.Close()) }()
	store := gorm.NewStore(db, newVault(t))
	lives(t, 2, func(t *rapid.T) *world {
		for _, table := range []string{"refresh_grace", "sessions", "devices", "identities", "principals", "outbox"} {
			if _, err := past.ExecContext(t.Context(), "DELETE FROM "+table); err != nil {
				t.Fatal(err)
			}
		}
		return newWorldIn(t, store)
	})
}

func newVault(t *testing.T) *vault.Vault {
	t.Helper()
	opened := func(p key.Purpose, algorithm string) key.Opened {
		return key.Opened{
			Key:      key.Key{ID: string(p), Purpose: p, Algorithm: algorithm, State: key.Current},
			Material: key.NewMaterial(make([]byte, 32)),
		}
	}
	index := opened(key.BlindIndex, "HS256")
	index.Slot = key.FirstSlot
	v, err := vault.New([]key.Opened{opened(key.Encryption, "A256GCM")}, []key.Opened{index}, nil)
	must(t, err)
	return v
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func lives(t *testing.T, pairs int, begin func(*rapid.T) *world) {
	t.Helper()
	rapid.Check(t, func(t *rapid.T) {
		w := begin(t)
		w.alerts.Login = false
		w.policy.Off = true
		l := &life{w: w, pairs: pairs}
		t.Repeat(map[string]func(*rapid.T){
			"sign in":         l.signIn,
			"refresh":         l.refresh,
			"refresh again":   l.refresh, // twice as likely as the rest
			"time passes":     l.pass,
			"window passes":   l.window,
			"sign out":        l.signOut,
			"end one":         l.endOne,
			"end all":         l.endAll,
			"step up":         l.stepUp,
			"change password": l.changePassword,
			"":                l.check,
		})
	})
}
