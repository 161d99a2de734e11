package gorm

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gorm.io/gorm"

	"gatehouse/adapters/gorm/pgtest"
	"gatehouse/domain/audit"
	"gatehouse/domain/email"
	"gatehouse/domain/fault"
	"gatehouse/domain/key"
	"gatehouse/domain/limit"
	"gatehouse/domain/notice"
	"gatehouse/domain/onetime"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/domain/throttle"
	"gatehouse/ports/outbound"
)

// plainVault seals nothing: plans do not depend on it.
type plainVault struct{ outbound.Vault }

func (plainVault) Index(use, text string) []byte { return []byte(use + text) }

func (plainVault) Indexes(use, text string) [][]byte {
	return [][]byte{[]byte(use + text), []byte(text + use)}
}

func (plainVault) Slots(use, text string) (first, second []byte) {
	return []byte(use + text), []byte(text + use)
}

func (plainVault) Filling() key.Slot { return key.SecondSlot }

func (plainVault) Rewrap(k outbound.DataKey) (outbound.DataKey, error) {
	return outbound.DataKey{Owner: k.Owner, Wrapped: []byte("anew")}, nil
}

func (plainVault) NewDataKey(owner string) (outbound.DataKey, error) {
	return outbound.DataKey{Owner: owner, Wrapped: []byte("key")}, nil
}
func (plainVault) Shared() outbound.DataKey { return outbound.DataKey{} }

func (plainVault) Seal(_ outbound.DataKey, _ outbound.Field, plain []byte) ([]byte, error) {
	return plain, nil
}

func (plainVault) Sign(outbound.DataKey, string, []byte) ([]byte, error) { return proof, nil }

var proof = []byte(strings.Repeat("0", 32))

func (plainVault) Open(_ outbound.DataKey, _ outbound.Field, sealed []byte) ([]byte, error) {
	return sealed, nil
}

// noon is when everything happens in these tests.
var noon = time.Date(2028, 2, 29, 12, 0, 0, 0, time.UTC)

func second[T any](_ T, err error) error { return err }

// hot is what is asked of the stores again and again: by requests, by the
// relay, by the housekeeping. New statements get a row here.
var hot = map[string]func(ctx context.Context, s outbound.Stores) error{
	"ByID": func(ctx context.Context, s outbound.Stores) error { return second(s.Principals.ByID(ctx, "u1")) },
	"ByEmail": func(ctx context.Context, s outbound.Stores) error {
		return second(s.Principals.ByEmail(ctx, "ada1@example.com"))
	},
	"Users":  func(ctx context.Context, s outbound.Stores) error { return second(s.Principals.Users(ctx, "u5", 9)) },
	"Admins": func(ctx context.Context, s outbound.Stores) error { return second(s.Principals.EnabledAdmins(ctx)) },
	"Save": func(ctx context.Context, s outbound.Stores) error {
		p, err := s.Principals.ByID(ctx, "u2")
		if err != nil {
			return err
		}
		return s.Principals.Save(ctx, p)
	},
	"Group": func(ctx context.Context, s outbound.Stores) error { return second(s.Groups.ByKey(ctx, "g1")) },
	"Join": func(ctx context.Context, s outbound.Stores) error {
		p, err := s.Principals.ByID(ctx, "u8")
		if err != nil {
			return err
		}
		p.Join("g2")
		return errors.Join(s.Groups.Hold(ctx, "g2"), s.Principals.Save(ctx, p))
	},
	"Empty": func(ctx context.Context, s outbound.Stores) error {
		return errors.Join(second(s.Groups.Empty(ctx, "g3")), s.Groups.Delete(ctx, "g3"))
	},
	"File":      func(ctx context.Context, s outbound.Stores) error { return second(s.Files.ByKey(ctx, "f99")) },
	"Unwanted":  func(ctx context.Context, s outbound.Stores) error { return second(s.Files.Unwanted(ctx, noon, "", 9)) },
	"SwapFiles": func(ctx context.Context, s outbound.Stores) error { return s.Files.Swap(ctx, "u30", noon, "f5") },
	"Forget":    func(ctx context.Context, s outbound.Stores) error { return s.Files.Forget(ctx, "f11", "f12") },
	"Access":    func(ctx context.Context, s outbound.Stores) error { return second(s.Sessions.Access(ctx, "s1")) },
	"Refreshable": func(ctx context.Context, s outbound.Stores) error {
		_, _, err := s.Sessions.Refreshable(ctx, "s1", "p1", noon)
		return err
	},
	"Of": func(ctx context.Context, s outbound.Stores) error { return second(s.Sessions.Of(ctx, "u1", noon)) },
	"End": func(ctx context.Context, s outbound.Stores) error {
		return second(s.Sessions.End(ctx, "u3", "s3", session.SignedOut, noon))
	},
	"EndAll": func(ctx context.Context, s outbound.Stores) error {
		return s.Sessions.EndAll(ctx, "u4", "", session.SignedOut, noon)
	},
	"Rotate": func(ctx context.Context, s outbound.Stores) error {
		done, err := s.Sessions.Rotate(ctx, session.Rotation{
			SessionID: "s5", PrincipalID: "u5", Presented: "j5", Next: "j", At: noon, ExpiresAt: noon.Add(time.Hour), GraceUntil: noon.Add(time.Minute),
		})
		if err == nil && !done {
			err = errors.New("nothing is rotated")
		}
		return err
	},
	"Sessions": func(ctx context.Context, s outbound.Stores) error {
		return second(s.Sessions.Purge(ctx, noon, noon, 9))
	},
	"Find": func(ctx context.Context, s outbound.Stores) error {
		return second(s.OneTime.Find(ctx, onetime.PasswordReset, onetime.Hash{1}))
	},
	"Use": func(ctx context.Context, s outbound.Stores) error {
		return s.OneTime.Use(ctx, onetime.PasswordReset, onetime.Hash{2}, noon)
	},
	"Void": func(ctx context.Context, s outbound.Stores) error {
		return s.OneTime.Void(ctx, "u1", onetime.PasswordReset, "x", noon)
	},
	"Items": func(ctx context.Context, s outbound.Stores) error { return second(s.OneTime.Purge(ctx, noon, 9)) },
	"Claim and Settle": func(ctx context.Context, s outbound.Stores) error {
		claims, err := s.Outbox.Claim(ctx, "me", noon, noon.Add(time.Minute), 9)
		for i, c := range claims {
			err = errors.Join(err, s.Outbox.Settle(ctx, c, []outbound.Outcome{{At: noon}, {At: noon, RetryAt: noon}}[i%2]))
		}
		return err
	},
	"Release": func(ctx context.Context, s outbound.Stores) error { return s.Outbox.Release(ctx, "me", noon) },
	"Backlog": func(ctx context.Context, s outbound.Stores) error { return second(s.Outbox.Backlog(ctx)) },
	"Notices": func(ctx context.Context, s outbound.Stores) error { return second(s.Outbox.Purge(ctx, noon, noon, 9)) },
	"Passkeys": func(ctx context.Context, s outbound.Stores) error {
		p, err := s.Passkeys.ByCredential(ctx, []byte("k1"))
		return errors.Join(err, second(s.Passkeys.Of(ctx, "u1")),
			s.Passkeys.Use(ctx, p, p.SignCount), s.Passkeys.Rename(ctx, "u1", "k1", "x"), s.Passkeys.Delete(ctx, "u2", "k2"))
	},
	"State": func(ctx context.Context, s outbound.Stores) error {
		return second(s.Attempts.State(ctx, throttle.Subject{}))
	},
	"Count": func(ctx context.Context, s outbound.Stores) error {
		return s.Attempts.Save(ctx, throttle.Subject{}, throttle.State{})
	},
	"Swap": func(ctx context.Context, s outbound.Stores) error {
		return second(s.Attempts.Swap(ctx, throttle.Subject{}, throttle.State{}, throttle.State{}))
	},
	"Attempts": func(ctx context.Context, s outbound.Stores) error { return second(s.Attempts.Purge(ctx, noon, 9)) },
	"Start": func(ctx context.Context, s outbound.Stores) error {
		return second(s.Cooldowns.Start(ctx, notice.LoginAlert, "x", noon, time.Hour))
	},
	"Cooldowns": func(ctx context.Context, s outbound.Stores) error { return second(s.Cooldowns.Purge(ctx, noon, 9)) },
	"Mark": func(ctx context.Context, s outbound.Stores) error {
		_, _, err := s.Devices.Mark(ctx, "u1", "x", noon, noon)
		return err
	},
	"Append": func(ctx context.Context, s outbound.Stores) error {
		return second(s.Trail.Append(ctx, audit.Entry{ID: "anew", At: noon, Principal: "u1"}, audit.Entry{ID: "e2", At: noon}))
	},
	"Trail of": func(ctx context.Context, s outbound.Stores) error { return second(s.Trail.Of(ctx, "u7", 3, 9)) },
	"Check": func(ctx context.Context, s outbound.Stores) error {
		return second(s.Trail.Check(ctx, audit.Head{Position: 7}, 9))
	},
	"Trail": func(ctx context.Context, s outbound.Stores) error {
		return second(s.Trail.Purge(ctx, noon.Add(35*time.Second), 9))
	},
	"Guests": func(ctx context.Context, s outbound.Stores) error {
		return second(s.Principals.PurgeGuests(ctx, noon.Add(time.Hour), 9))
	},
	"Devices": func(ctx context.Context, s outbound.Stores) error { return second(s.Devices.Purge(ctx, noon, 9)) },
	"Rewrap":  func(ctx context.Context, s outbound.Stores) error { return second(s.Rekeying.Rewrap(ctx, "u7", 9)) },
	"Reindex": func(ctx context.Context, s outbound.Stores) error { return second(s.Rekeying.Reindex(ctx, "u7", 9)) },
	"Add": func(ctx context.Context, s outbound.Stores) error {
		to, _ := email.Parse("new@example.com")
		p, err := principal.Restore(principal.Snapshot{ID: "new", Kind: principal.Guest, Name: "New", CreatedAt: noon, LastActive: noon})
		return errors.Join(err,
			s.Principals.Add(ctx, p),
			s.Sessions.Add(ctx, session.Session{ID: "new", PrincipalID: "new", StartedAt: noon, LastActive: noon, ExpiresAt: noon, Until: noon}),
			s.OneTime.Add(ctx, onetime.Item{Kind: onetime.PasswordReset, Principal: "new", Address: to, CreatedAt: noon, ExpiresAt: noon}),
			s.Outbox.Add(ctx, notice.Notice{ID: "new", Principal: "new", To: to, CreatedAt: noon, ExpiresAt: noon}))
	},
	"SignIn": func(ctx context.Context, s outbound.Stores) error {
		_, p, err := s.Entry.Look(ctx, throttle.Subject{Account: "ada6@example.com"})
		if err != nil {
			return err
		}
		n := notice.To(p, notice.LoginAlert, "in", "en", noon)
		return did(s.Entry.SignIn(ctx, outbound.SignIn{
			Judged: p, Session: session.Session{ID: "in", PrincipalID: "u6", StartedAt: noon, LastActive: noon, ExpiresAt: noon, Until: noon},
			Reset: &throttle.Subject{}, Device: "x", Since: noon, Alert: &n,
		}))
	},
	"Register": func(ctx context.Context, s outbound.Stores) error {
		to, _ := email.Parse("newer@example.com")
		u := principal.NewUser("newer", "Newer", to, password.NewHash("$argon2id$"), noon)
		i := onetime.Item{Hash: onetime.Hash{9}, Kind: onetime.EmailVerification, Principal: "newer", Address: to, CreatedAt: noon, ExpiresAt: noon}
		m := mailing(u, "newer")
		m.Link = &i
		return did(s.Entry.Register(ctx, outbound.Registration{User: u, Mail: m}))
	},
	"TurnAway": func(ctx context.Context, s outbound.Stores) error {
		owner, err := s.Principals.ByEmail(ctx, "ada7@example.com")
		if err != nil {
			return err
		}
		m := mailing(owner, "turned away")
		return did(s.Entry.TurnAway(ctx, outbound.Collision{Owner: owner, Cooldown: &outbound.Cooldown{Begin: noon}, Alert: m}))
	},
}

func mailing(to *principal.Principal, id string) *outbound.Mailing {
	return &outbound.Mailing{
		Cooldown: outbound.Cooldown{Kind: notice.Kind(id), Begin: noon, Length: time.Hour},
		Notice:   notice.To(to, notice.RegistrationAlert, id, "en", noon),
	}
}

func did(got outbound.Effect, err error) error {
	if err == nil && !got.Done {
		err = fault.New(fault.DatabaseFailure).Because(errors.New("nothing was done"))
	}
	return err
}

// crowd fills every table that grows with n rows. Nothing in it is due to go.
var crowd = []string{
	`INSERT INTO principals (id, kind, name, name_fold, email, email_idx, email_verified, admin, disabled, password_hash, identities,
		cred_version, token_gen, data_key, created_at, last_active, version)
	SELECT 'u' || i, 'user', 'Ada' || i, 'ada' || i, blob('ada' || i || '@example.com'), blob('emailada' || i || '@example.com'), false, i % 5000 = 1,
		false, '$argon2id$', '[]', 0, 0, blob('key'), at(i), at(600 * i), 1 FROM n`,
	`INSERT INTO principals (id, kind, name, name_fold, email_verified, admin, disabled, password_hash, identities,
		cred_version, token_gen, data_key, created_at, last_active, version)
	SELECT 'v' || i, 'guest', 'Gus' || i, 'gus' || i, false, false, false, '', '[]', 0, 0, blob('key'), at(60 * i), at(60 * i), 1 FROM n`,
	`INSERT INTO groups (key) SELECT 'g' || i FROM n`,
	`INSERT INTO group_translations (group_key, locale, name, description) SELECT 'g' || i, 'en', 'Group', '' FROM n`,
	`INSERT INTO group_members (group_key, principal_id) SELECT 'g' || (1 + i % 100), 'u' || i FROM n`,
	`INSERT INTO identities (provider, subject, principal_id) SELECT 'google', 'g' || i, 'u' || i FROM n`,
	`INSERT INTO sessions (id, principal_id, refresh_jti, amr, started_at, last_active, expires_at, absolute_until, sweep_at)
	SELECT 's' || i, 'u' || i, 'j' || i, 'pwd', at(0), at(0), at(i), at(2 * i), at(i) FROM n`,
	`INSERT INTO refresh_grace (session_id, presented, rotated_at, until, pair)
	SELECT 's' || i, 'p' || i, at(0), at(i), blob('{}') FROM n`,
	`INSERT INTO one_time (hash, kind, principal_id, created_at, expires_at)
	SELECT blob('h' || i), 'password_reset', 'u' || i, at(0), at(i) FROM n`,
	`INSERT INTO outbox (id, kind, principal_id, locale, state, attempts, next_at, lease_owner, lease_until, fence, created_at, expires_at, settled_at)
	SELECT 'n' || i, 'login_alert', 'u' || i, 'en', CASE WHEN i <= 10 THEN 'queued' WHEN i <= 20 THEN 'leased' WHEN i <= 50 THEN 'dead' ELSE 'sent' END,
		0, at(0), CASE WHEN i BETWEEN 11 AND 20 THEN 'other' END, CASE WHEN i BETWEEN 11 AND 20 THEN at(i) END, 0, at(0), at(i),
		CASE WHEN i > 20 THEN at(i) END FROM n`,
	`INSERT INTO attempts (key, failures, last) SELECT blob('a' || i), 1, at(86400.0 * i) FROM n`,
	`INSERT INTO cooldowns (key, until) SELECT blob('c' || i), at(i) FROM n`,
	`INSERT INTO buckets (key, full_at, taken) SELECT blob('b' || i), i, true FROM n`,
	`INSERT INTO passkeys (id, principal_id, credential, public_key, name, aaguid, transports, backup_eligible, backed_up, sign_count, created_at)
	SELECT 'k' || i, 'u' || i, blob('k' || i), blob('public'), blob('Phone'), blob(''), '', false, false, 1, at(0) FROM n`,
	`INSERT INTO audit_chain (name, anchor_seq, anchor_hash, head_seq, head_hash, proof, data_key) SELECT 'audit', 0, blob('00000000000000000000000000000000'), max(i),
		blob('00000000000000000000000000000000'), blob('00000000000000000000000000000000'), blob('key') FROM n`,
	`INSERT INTO audit (seq, id, happened_at, command, principal_id, session_id, target_id, thing, outcome, request_id, network, hash)
	SELECT i, 'e' || i, at(10 * i), CASE WHEN i % 50 = 1 THEN 'GrantAdmin' ELSE 'SignIn' END, 'u' || (1 + i % 1000), 's' || i, 'u' || (1 + i % 999), '',
		CASE WHEN i % 40 = 1 THEN 'INVALID_CREDENTIALS' ELSE '' END, '', NULL, blob('00000000000000000000000000000000') FROM n`,
	`INSERT INTO files (key, principal_id, content_type, bytes, staged_until)
	SELECT 'f' || i, CASE WHEN i > 20 THEN 'u' || i END, 'image/png', 1, CASE WHEN i <= 10 THEN at(i) END FROM n`,
	`INSERT INTO devices (principal_id, key, last_seen) SELECT 'u' || i, blob('d' || i), at(i) FROM n`,
}

// dialects are what n, blob and at are in a crowd: its numbers, the bytes of a
// text, and noon and so many seconds.
var dialects = map[bool]struct{ n, blob, at string }{
	true: {"FROM generate_series(1, 100000) AS n (i)", "convert_to($1, 'UTF8')", "(timestamptz '2028-02-29 12:00:00Z' + ($1) * interval '1s')"},
	false: {
		"FROM (WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) SELECT i FROM n)",
		"CAST($1 AS blob)", "strftime('%Y-%m-%d %H:%M:%S+00:00', '2028-02-29 12:00:00', '+' || ($1) || ' seconds')",
	},
}

// unbound drops the foreign keys: no plan depends on them, and to check them
// takes most of the time that a crowd takes.
const unbound = `
DO $$ DECLARE f record; BEGIN
	FOR f IN SELECT conrelid::regclass AS t, conname FROM pg_constraint WHERE contype = 'f' AND connamespace = current_schema()::regnamespace
	LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', f.t, f.conname); END LOOP;
END $$`

// crowded returns stores that are full: all of them, or some tables.
func crowded(t *testing.T, url string, tables ...string) *Store {
	t.Helper()
	if strings.HasPrefix(url, "postgres") {
		url += "&statement_timeout=0" // to fill a table takes as long as it takes
	}
	db := opened(t, Config{URL: url})
	must(t, db.Migrate(t.Context()))
	d := dialects[db.postgres]
	if db.postgres {
		must(t, db.write.Exec(unbound).Error)
	}
	for _, q := range crowd {
		if len(tables) > 0 && !slices.Contains(tables, strings.Fields(q)[2]) {
			continue
		}
		q = regexp.MustCompile(`FROM n$`).ReplaceAllString(q, d.n)
		q = regexp.MustCompile(`\bblob\(([^()]*)\)`).ReplaceAllString(q, d.blob)
		q = regexp.MustCompile(`\bat\(([^()]*)\)`).ReplaceAllString(q, d.at)
		must(t, db.write.Exec(q).Error)
	}
	must(t, db.write.Exec("ANALYZE").Error)
	return NewStore(db, plainVault{})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var errUndone = errors.New("undone")

// askHot asks everything that is hot, in a transaction and alone.
func askHot(ctx context.Context, t *testing.T, st *Store) {
	for name, call := range hot {
		err := st.Within(ctx, func(ctx context.Context, s outbound.Stores) error { return errors.Join(call(ctx, s), errUndone) })
		for _, err := range []error{err, call(ctx, st.Single())} {
			if fault.CodeOf(err) == fault.DatabaseFailure || errors.Is(err, outbound.ErrTaken) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// askBuckets asks for a request within each kind of budget.
func askBuckets(ctx context.Context, t *testing.T, db *DB) {
	b := NewBuckets(db, BucketsConfig{
		Index: func(key string) []byte { return []byte(key) }, Now: func() time.Time { return noon },
		Log: slog.New(slog.DiscardHandler), Patience: time.Minute,
	})
	for key, count := range map[string]int{"b1": 1, "b2": 1_000_000} {
		b.Take(ctx, noon, limit.Take{Key: key, Budget: limit.Budget{Count: count, Per: time.Hour}})
	}
	must(t, b.Report(ctx))
}

// small is what SQLite may read from one end to the other: what was made just
// before, and the indexes with few rows.
var small = regexp.MustCompile(`^SCAN (c|one|r\d|CONSTANT ROW|\d+ CONSTANT ROWS|2-ROW VALUES CLAUSE|.* INDEX (` + strings.Join(few, "|") + `))$`)

func TestWhatIsHotUsesAnIndexOfSQLite(t *testing.T) {
	st := crowded(t, "sqlite://"+t.TempDir()+"/gatehouse.db")
	for _, q := range statements(t, st.db, func(ctx context.Context) { askHot(ctx, t, st) }) {
		var steps []struct{ Detail string }
		must(t, st.db.write.Raw("EXPLAIN QUERY PLAN "+q.sql, values(q.args)...).Find(&steps).Error)
		for _, s := range steps {
			if strings.HasPrefix(s.Detail, "SCAN") && !small.MatchString(s.Detail) {
				t.Errorf("%s\n%s", s.Detail, q.sql)
			}
		}
	}
}

// What the server does may depend on the values, or be the same for all: after
// a few times it takes that way if it looks no worse.
func TestWhatIsHotUsesAnIndexOfPostgres(t *testing.T) {
	st := crowded(t, pgtest.URL(t))
	pool, err := st.db.write.DB()
	must(t, err)
	c, err := pool.Conn(t.Context())
	must(t, err)
	defer c.Close()
	exec(t, c, "SET plan_cache_mode = force_generic_plan")
	for _, q := range statements(t, st.db, func(ctx context.Context) { askHot(ctx, t, st); askBuckets(ctx, t, st.db) }) {
		exec(t, c, "PREPARE hot AS "+q.sql)
		always := "hot"
		if n := len(q.args); n > 0 {
			always += "(NULL" + strings.Repeat(", NULL", n-1) + ")"
		}
		for _, p := range []plan{explain(t, c, q.sql, q.args...), explain(t, c, "EXECUTE "+always)} {
			for _, table := range p.scans() {
				t.Errorf("%s is scanned by\n%s", table, q.sql)
			}
		}
		exec(t, c, "DEALLOCATE hot")
	}
}

// Or each sweep would look at all the sessions again that lived on.
func TestASessionThatLivesOnIsPutOff(t *testing.T) {
	st := crowded(t, "sqlite://"+t.TempDir()+"/gatehouse.db")
	must(t, st.db.write.Exec("UPDATE sessions SET sweep_at = ''").Error) // as after the migration
	due := func() (n int) {
		must(t, st.db.read.Raw("SELECT count(*) FROM sessions WHERE sweep_at < ?", at(noon)).Find(&n).Error)
		return n
	}
	for _, want := range []int{100, 60, 20, 0} {
		if got := due(); got != want {
			t.Errorf("%d sessions are due, want %d", got, want)
		}
		n, err := st.Single().Sessions.Purge(t.Context(), noon, noon, 40)
		must(t, err)
		if n != 0 {
			t.Errorf("%d sessions that live were removed", n)
		}
	}
}

func exec(t *testing.T, c *sql.Conn, query string) {
	t.Helper()
	if _, err := c.ExecContext(t.Context(), query); err != nil {
		t.Fatalf("%v\n%s", err, query)
	}
}

// plan is a step of PostgreSQL, and what it is made from.
type plan struct {
	Step  string `json:"Node Type"`
	Table string `json:"Relation Name"`
	Index string `json:"Index Name"`
	Cond  string `json:"Index Cond"`
	Plans []plan
}

func explain(t *testing.T, c *sql.Conn, query string, args ...any) plan {
	t.Helper()
	var text []byte
	if err := c.QueryRowContext(t.Context(), "EXPLAIN (FORMAT JSON) "+query, args...).Scan(&text); err != nil {
		t.Fatalf("%v\n%s", err, query)
	}
	var made []struct{ Plan plan }
	must(t, json.Unmarshal(text, &made))
	return made[0].Plan
}

// few are the indexes with few rows, whatever there is in their table.
var few = []string{"principals_admins", "outbox_due"}

// scans lists what is read from one end to the other.
func (p plan) scans() (tables []string) {
	switch {
	case p.Step == "Seq Scan" && p.Table != "audit_chain": // which has one row
		tables = append(tables, p.Table)
	case p.Index != "" && p.Cond == "" && !slices.Contains(few, p.Index):
		tables = append(tables, p.Index)
	}
	for _, part := range p.Plans {
		tables = append(tables, part.scans()...)
	}
	return tables
}

type statement struct {
	sql  string
	args []any
}

// statements returns what is asked of db by call, each once.
func statements(t *testing.T, db *DB, call func(context.Context)) (out []statement) {
	t.Helper()
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, true)
	var mu sync.Mutex
	scanned := func(ctx context.Context, query string, args []any) {
		mu.Lock()
		defer mu.Unlock()
		q := statement{query, args}
		if ctx.Value(key{}) != nil && !slices.ContainsFunc(out, func(o statement) bool { return o.sql == q.sql }) {
			out = append(out, q)
		}
	}
	db.onScan = scanned
	note := func(tx *gorm.DB) { scanned(tx.Statement.Context, tx.Statement.SQL.String(), tx.Statement.Vars) }
	for _, g := range []*gorm.DB{db.read, db.write} {
		on := g.Callback()
		must(t, errors.Join(
			on.Create().After("gorm:create").Replace("test:note", note),
			on.Query().After("gorm:query").Replace("test:note", note),
			on.Update().After("gorm:update").Replace("test:note", note),
			on.Row().After("gorm:row").Replace("test:note", note),
			on.Raw().After("gorm:raw").Replace("test:note", note),
		))
	}
	call(ctx)
	if len(out) == 0 {
		t.Error("no statement was seen")
	}
	return out
}

// The driver ignores pragmas it does not know, so each pool is asked.
func TestPragmasAreReadBack(t *testing.T) {
	db, err := Open(t.Context(), Config{URL: "sqlite://" + t.TempDir() + "/gatehouse.db", Synchronous: "FULL"})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	pools := db.pools()
	for _, tc := range []struct {
		pool  int // 0 reads, 1 writes
		level string
		read  bool
		ok    bool
	}{
		{0, "FULL", true, true},
		{1, "FULL", false, true},
		{0, "NORMAL", true, false},
		{1, "OFF", false, false},
		{0, "FULL", false, false},
		{1, "FULL", true, false},
	} {
		if err := checkPragmas(t.Context(), pools[tc.pool], tc.level, tc.read); (err == nil) != tc.ok {
			t.Errorf("pool %d, synchronous %s, query_only %t: %v", tc.pool, tc.level, tc.read, err)
		}
	}
	for i, want := range []int{readers, 1} {
		if got := pools[i].Stats().MaxOpenConnections; got != want {
			t.Errorf("pool %d has %d connections at most, want %d", i, got, want)
		}
	}
}
