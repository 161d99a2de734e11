package gorm_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/adapters/gorm"
	"gatehouse/adapters/gorm/pgtest"
	"gatehouse/domain/notice"
	"gatehouse/domain/onetime"
	"gatehouse/domain/page"
	"gatehouse/domain/session"
	"gatehouse/domain/throttle"
	"gatehouse/ports/outbound"
)

// What every request asks is one statement. What some ask may be a few.
func TestStatementBudget(t *testing.T) {
	databases(t, func(t *testing.T, url string) {
		postgres := !strings.HasPrefix(url, "sqlite")
		var count atomic.Int32
		st := gorm.NewStore(open(t, gorm.Config{URL: url, OnStatement: func(context.Context) { count.Add(1) }}), newVault(t))
		fill(t, st)
		must(t, st.Single().Sessions.Add(t.Context(), signIn("s2")))
		ifPostgres := func(a, b int32) int32 {
			if postgres {
				return a
			}
			return b
		}
		second := func(_ any, err error) error { return err }
		third := func(_, _ any, err error) error { return err }
		did := func(got outbound.Effect, err error) error {
			if err == nil && !got.Done {
				t.Error("nothing was done")
			}
			return err
		}
		done := func(ok bool, err error) error { return did(outbound.Effect{Done: ok}, err) }
		for _, tc := range []struct {
			name string
			want int32
			call func(context.Context, outbound.Stores) error
		}{
			{"Access", 1, openAccess},
			{"Refreshable", 1, openPair},
			{"Of", 1, openList},
			{"ByID", 1, openPrincipal},
			{"ByEmail", 1, openByEmail},
			{"Refreshable and Rotate", ifPostgres(2, 4), func(ctx context.Context, s outbound.Stores) error {
				if _, _, err := s.Sessions.Refreshable(ctx, "s2", "jti-0", now); err != nil {
					return err
				}
				done, err := s.Sessions.Rotate(ctx, rotation("s2"))
				if !done {
					t.Error("Rotate = false")
				}
				return err
			}},
			{"lost Rotate", 2, func(ctx context.Context, s outbound.Stores) error {
				return second(s.Sessions.Rotate(ctx, rotation("s2"))) // and one for the data key
			}},
			{"End", 1, func(ctx context.Context, s outbound.Stores) error {
				return second(s.Sessions.End(ctx, "u1", "s9", session.SignedOut, now))
			}},
			{"Find", 1, openLink},
			{"Use", 1, func(ctx context.Context, s outbound.Stores) error {
				return s.OneTime.Use(ctx, onetime.EmailVerification, link.Hash, now)
			}},
			{"State", 1, func(ctx context.Context, s outbound.Stores) error { return second(s.Attempts.State(ctx, guesser)) }},
			{"Start", 1, func(ctx context.Context, s outbound.Stores) error {
				return second(s.Cooldowns.Start(ctx, notice.LoginAlert, "x", now, time.Minute))
			}},
			{"Left", 1, func(ctx context.Context, s outbound.Stores) error {
				return second(s.Cooldowns.Left(ctx, notice.LoginAlert, "x", now))
			}},
			{"Look", 1, func(ctx context.Context, s outbound.Stores) error { return third(s.Entry.Look(ctx, guesser)) }},
			{"Swap", ifPostgres(1, 2), func(ctx context.Context, s outbound.Stores) error {
				return done(s.Attempts.Swap(ctx, guesser, throttle.State{}.Count(now), throttle.State{}.Count(now).Count(now)))
			}},
			{"lost Swap", 1, func(ctx context.Context, s outbound.Stores) error {
				return second(s.Attempts.Swap(ctx, guesser, throttle.State{}, throttle.State{}.Count(now)))
			}},
			{"Look and SignIn", ifPostgres(2, 7), func(ctx context.Context, s outbound.Stores) error {
				_, p, err := s.Entry.Look(ctx, guesser)
				if err != nil {
					return err
				}
				return did(s.Entry.SignIn(ctx, arrival(p)))
			}},
			{"Register", ifPostgres(1, 4), func(ctx context.Context, s outbound.Stores) error {
				return did(s.Entry.Register(ctx, newcomer(t)))
			}},
			{"ByEmail and TurnAway", ifPostgres(2, 6), func(ctx context.Context, s outbound.Stores) error {
				owner, err := s.Principals.ByEmail(ctx, guesser.Account)
				if err != nil {
					return err
				}
				return did(s.Entry.TurnAway(ctx, collision(owner)))
			}},
			{"Claim", 1, openNotice},
			{"Backlog", 1, func(ctx context.Context, s outbound.Stores) error { return second(s.Outbox.Backlog(ctx)) }},
			{"EnabledAdmins", 1, func(ctx context.Context, s outbound.Stores) error { return second(s.Principals.EnabledAdmins(ctx)) }},
			{"Save after ByID", 2, func(ctx context.Context, s outbound.Stores) error {
				p, err := s.Principals.ByID(ctx, "u1")
				if err != nil {
					return err
				}
				return s.Principals.Save(ctx, p)
			}},
			{"Save of somebody who left a group", 3, func(ctx context.Context, s outbound.Stores) error {
				p, err := s.Principals.ByID(ctx, "u1")
				if err != nil {
					return err
				}
				p.Leave("staff")
				return s.Principals.Save(ctx, p)
			}},
			{"File", 1, func(ctx context.Context, s outbound.Stores) error { return second(s.Files.ByKey(ctx, "f1")) }},
			{"ByKey", 1, func(ctx context.Context, s outbound.Stores) error { return second(s.Groups.ByKey(ctx, "staff")) }},
			{"Page", 2, func(ctx context.Context, s outbound.Stores) error {
				return second(s.Groups.Page(ctx, "en", "en", page.Request{Size: 20}))
			}},
		} {
			count.Store(0)
			must(t, tc.call(t.Context(), st.Single()))
			if got := count.Load(); got != tc.want {
				t.Errorf("%s took %d statements, want %d", tc.name, got, tc.want)
			}
		}
	})
}

// Access is what every request costs.
func BenchmarkAccess(b *testing.B) {
	for name, url := range map[string]string{"sqlite": "sqlite://" + b.TempDir() + "/gatehouse.db", "postgres": pgtest.URL(b)} {
		b.Run(name, func(b *testing.B) {
			db, err := gorm.Open(b.Context(), gorm.Config{URL: url})
			must(b, err)
			defer db.Close()
			must(b, db.Migrate(b.Context()))
			st := gorm.NewStore(db, newVault(b))
			fill(b, st)
			s := st.Single()
			for b.Loop() {
				_, err := s.Sessions.Access(b.Context(), "s1")
				must(b, err)
			}
			must(b, db.MigrateDown(b.Context()))
		})
	}
}
