package gorm

import (
	"context"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"gatehouse/domain/notice"
	"gatehouse/domain/onetime"
	"gatehouse/domain/session"
	"gatehouse/domain/throttle"
	"gatehouse/ports/outbound"
)

// plainVault seals nothing: plans do not depend on it.
type plainVault struct{ outbound.Vault }

func (plainVault) Index(use, text string) []byte { return []byte(use + text) }

func TestLookUpsUseAnIndex(t *testing.T) {
	db, err := Open(t.Context(), Config{URL: "sqlite://" + t.TempDir() + "/gatehouse.db"})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	now, h := time.Unix(1e9, 0), onetime.Hash{1}
	s := NewStore(db, plainVault{}).Single()
	for name, call := range map[string]func(ctx context.Context){
		"ByID":        func(ctx context.Context) { _, _ = s.Principals.ByID(ctx, "u1") },
		"ByEmail":     func(ctx context.Context) { _, _ = s.Principals.ByEmail(ctx, "x") },
		"Users":       func(ctx context.Context) { _, _ = s.Principals.Users(ctx, "", 9) },
		"Admins":      func(ctx context.Context) { _, _ = s.Principals.EnabledAdmins(ctx) },
		"Access":      func(ctx context.Context) { _, _ = s.Sessions.Access(ctx, "s1") },
		"Refreshable": func(ctx context.Context) { _, _, _ = s.Sessions.Refreshable(ctx, "s1", "j", now) },
		"Of":          func(ctx context.Context) { _, _ = s.Sessions.Of(ctx, "u1", now) },
		"End":         func(ctx context.Context) { _, _ = s.Sessions.End(ctx, "u1", "s1", session.SignedOut, now) },
		"EndAll":      func(ctx context.Context) { _ = s.Sessions.EndAll(ctx, "u1", "", session.SignedOut, now) },
		"Rotate": func(ctx context.Context) {
			_, _ = s.Sessions.(sessions).rotateInSteps(ctx, rotation{Rotation: session.Rotation{At: now}})
		},
		"Find":      func(ctx context.Context) { _, _ = s.OneTime.Find(ctx, onetime.PasswordReset, h) },
		"Use":       func(ctx context.Context) { _ = s.OneTime.Use(ctx, onetime.PasswordReset, h, now) },
		"Void":      func(ctx context.Context) { _ = s.OneTime.Void(ctx, "u1", onetime.PasswordReset, "x", now) },
		"Claim":     func(ctx context.Context) { _, _ = s.Outbox.Claim(ctx, "me", now, now, 9) },
		"Settle":    func(ctx context.Context) { _ = s.Outbox.Settle(ctx, outbound.Claim{}, outbound.Outcome{At: now}) },
		"Backlog":   func(ctx context.Context) { _, _ = s.Outbox.Backlog(ctx) },
		"State":     func(ctx context.Context) { _, _ = s.Attempts.State(ctx, throttle.Subject{}) },
		"Cooldowns": func(ctx context.Context) { _, _ = s.Cooldowns.Start(ctx, notice.LoginAlert, "x", now, time.Hour) },
		"Forget":    func(ctx context.Context) { _, _ = s.Devices.Purge(ctx, now, 9) },
		"Mark":      func(ctx context.Context) { _, _, _ = s.Devices.Mark(ctx, "u1", "x", now, now) },
	} {
		for _, q := range statements(t, db, call) {
			for _, step := range planOf(t, db, q) {
				if strings.HasPrefix(step, "SCAN") && !strings.Contains(step, "INDEX") && step != "SCAN c" && step != "SCAN CONSTANT ROW" {
					t.Errorf("%s: %s\n%s", name, step, q.sql)
				}
			}
		}
	}
}

type statement struct {
	sql  string
	args []any
}

// statements returns what is asked of db by call.
func statements(t *testing.T, db *DB, call func(context.Context)) (out []statement) {
	t.Helper()
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, true)
	note := func(tx *gorm.DB) {
		if tx.Statement.Context.Value(key{}) != nil {
			out = append(out, statement{tx.Statement.SQL.String(), tx.Statement.Vars})
		}
	}
	for _, g := range []*gorm.DB{db.read, db.write} {
		_ = g.Callback().Query().After("gorm:query").Replace("test:note", note)
		_ = g.Callback().Raw().After("gorm:raw").Replace("test:note", note)
	}
	call(ctx)
	if len(out) == 0 {
		t.Error("no statement was seen")
	}
	return out
}

func planOf(t *testing.T, db *DB, q statement) []string {
	t.Helper()
	var steps []struct{ Detail string }
	if err := db.write.Raw("EXPLAIN QUERY PLAN "+q.sql, q.args...).Find(&steps).Error; err != nil {
		t.Fatalf("%v\n%s", err, q.sql)
	}
	var out []string
	for _, s := range steps {
		out = append(out, s.Detail)
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
