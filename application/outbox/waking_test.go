package outbox_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"gatehouse/adapters/memory"
	"gatehouse/application/outbox"
	"gatehouse/domain/email"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/ports/outbound"
)

// twice runs every transaction a second time, as after a serialization
// failure.
type twice struct{ outbound.UnitOfWork }

func (u twice) Within(ctx context.Context, fn func(context.Context, outbound.Stores) error) error {
	lost := errors.New("lost")
	_ = u.UnitOfWork.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
		_ = fn(ctx, s)
		return lost
	})
	return u.UnitOfWork.Within(ctx, fn)
}

func ada() *principal.Principal {
	address, _ := email.Parse("ada@example.com")
	return principal.NewUser("ada", "Ada", address, password.NewHash("h"), time.Unix(1e9, 0))
}

func mailing() *outbound.Mailing {
	n := letter("n1")
	n.Principal = "ada"
	return &outbound.Mailing{Cooldown: outbound.Cooldown{Begin: time.Unix(1e9, 0), Length: time.Minute}, Notice: n}
}

func register(ctx context.Context, s outbound.Stores, mailed bool) error {
	r := outbound.Registration{User: ada()}
	if mailed {
		r.Mail = mailing()
	}
	return did(s.Entry.Register(ctx, r))
}

func did(got outbound.Effect, err error) error {
	if err == nil && !got.Done {
		err = errors.New("nothing was done")
	}
	return err
}

func TestWakingFollowsTheCommit(t *testing.T) {
	refused := errors.New("refused")
	adding := func(ctx context.Context, s outbound.Stores) error { return s.Outbox.Add(ctx, letter("n1")) }
	runs := 0
	for name, tc := range map[string]struct {
		work outbound.UnitOfWork
		do   func(ctx context.Context, w outbound.UnitOfWork) error
		want int
	}{
		"a notice": {memory.New(), func(ctx context.Context, w outbound.UnitOfWork) error { return w.Within(ctx, adding) }, 1},
		"two notices": {memory.New(), func(ctx context.Context, w outbound.UnitOfWork) error {
			return w.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
				return errors.Join(adding(ctx, s), s.Outbox.Add(ctx, letter("n2")))
			})
		}, 1},
		"none": {memory.New(), func(ctx context.Context, w outbound.UnitOfWork) error {
			return w.Within(ctx, func(context.Context, outbound.Stores) error { return nil })
		}, 0},
		"rolled back": {memory.New(), func(ctx context.Context, w outbound.UnitOfWork) error {
			_ = w.Within(ctx, func(ctx context.Context, s outbound.Stores) error { return errors.Join(adding(ctx, s), refused) })
			return nil
		}, 0},
		"only in a run that was lost": {twice{memory.New()}, func(ctx context.Context, w outbound.UnitOfWork) error {
			return w.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
				if runs++; runs == 1 {
					return adding(ctx, s)
				}
				return nil
			})
		}, 0},
		"outside of a transaction": {memory.New(), func(ctx context.Context, w outbound.UnitOfWork) error {
			return adding(ctx, w.Single())
		}, 1},
		"refused outside": {memory.New(), func(ctx context.Context, w outbound.UnitOfWork) error {
			n := letter("n1")
			n.Principal = "nobody"
			if err := w.Single().Outbox.Add(ctx, n); err == nil {
				return errors.New("stored for nobody")
			}
			return nil
		}, 0},
		"a mail of a registration": {memory.New(), func(ctx context.Context, w outbound.UnitOfWork) error {
			return register(ctx, w.Single(), true)
		}, 1},
		"a registration without a mail": {memory.New(), func(ctx context.Context, w outbound.UnitOfWork) error {
			return register(ctx, w.Single(), false)
		}, 0},
		"a registration in a transaction": {memory.New(), func(ctx context.Context, w outbound.UnitOfWork) error {
			return w.Within(ctx, func(ctx context.Context, s outbound.Stores) error { return register(ctx, s, true) })
		}, 1},
		"an alert to the owner": {memory.New(), func(ctx context.Context, w outbound.UnitOfWork) error {
			c := outbound.Collision{Owner: ada(), Alert: mailing()}
			return errors.Join(register(ctx, w.Single(), false), did(w.Single().Entry.TurnAway(ctx, c)))
		}, 1},
		"an alert of the second device": {memory.New(), func(ctx context.Context, w outbound.UnitOfWork) error {
			n := mailing().Notice
			first := outbound.SignIn{Judged: ada(), Session: session.Session{ID: "s1", PrincipalID: "ada"}, Device: "1", Alert: &n}
			second := first
			second.Session.ID, second.Device = "s2", "2"
			s := w.Single()
			return errors.Join(register(ctx, s, false), did(s.Entry.SignIn(ctx, first)), did(s.Entry.SignIn(ctx, second)))
		}, 1},
		"a view": {memory.New(), func(ctx context.Context, w outbound.UnitOfWork) error {
			return w.View(ctx, func(context.Context, outbound.Stores) error { return nil })
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			woken := 0
			w := outbox.Waking(tc.work, func() {
				woken++
				if b, err := tc.work.Single().Outbox.Backlog(t.Context()); err != nil || b.Queued == 0 {
					t.Errorf("woken before there is anything to see: %+v, %v", b, err)
				}
			})
			if err := tc.do(t.Context(), w); err != nil {
				t.Fatal(err)
			}
			if woken != tc.want {
				t.Errorf("woken %d times, want %d", woken, tc.want)
			}
		})
	}
}

func TestWakeNeverBlocks(*testing.T) {
	r := outbox.NewRelay(outbox.Deps{Parallel: 1})
	for range 3 {
		r.Wake()
		r.Hear()
	}
}
