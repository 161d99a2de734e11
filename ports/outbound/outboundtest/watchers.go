package outboundtest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"gatehouse/domain/audit"
	"gatehouse/domain/fault"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/ports/outbound"
)

// Revocations runs the suite of [outbound.Revocations]. open returns one whose
// caches are in reach.
func Revocations(t *testing.T, open func(*testing.T) outbound.Revocations) {
	all := map[string]outbound.Revocation{
		"a session":                  {Principal: "u1", Session: "s1"},
		"everything":                 {Principal: "u1"},
		"everything but one session": {Principal: "u1", Kept: "s1"},
		"what nobody has heard of":   {Principal: "nobody", Session: "nothing"},
		"everybody":                  {},
	}
	t.Run("ArePropagatedAgainAndAgain", func(t *testing.T) {
		r := open(t)
		for range 2 {
			for what, told := range all {
				r.Announce(t.Context(), told)
				if err := r.Propagate(t.Context(), told); err != nil {
					t.Errorf("Propagate %s = %v", what, err)
				}
			}
		}
	})
	t.Run("ArePropagatedInParallel", func(t *testing.T) {
		r := open(t)
		race(crowd, func(i int) {
			told := outbound.Revocation{Principal: principal.ID(fmt.Sprint("u", i%3)), Session: session.ID(fmt.Sprint("s", i))}
			if err := r.Propagate(t.Context(), told); err != nil {
				t.Errorf("Propagate = %v", err)
			}
		})
	})
	t.Run("SurviveACallerWhoHungUp", func(t *testing.T) {
		r := open(t)
		r.Announce(hungUp(t), outbound.Revocation{Principal: "u1"})
		_ = r.Propagate(hungUp(t), outbound.Revocation{Principal: "u1"}) // may fail, since it says so
		if err := r.Propagate(t.Context(), outbound.Revocation{Principal: "u1"}); err != nil {
			t.Errorf("Propagate for the next one = %v", err)
		}
	})
}

// ends are the ways in which a use case can end.
var ends = []error{nil, fault.New(fault.UserNotFound), fmt.Errorf("wrapped: %w", fault.New(fault.EmailTaken)), errors.New("disk full"), context.Canceled}

type passenger struct{}

// Observer runs the suite of [outbound.Observer].
func Observer(t *testing.T, open func(*testing.T) outbound.Observer) {
	t.Run("SeesEveryEnd", func(t *testing.T) {
		o := open(t)
		for _, err := range ends {
			_, end := o.Begin(t.Context(), "SignIn")
			end(err)
		}
	})
	t.Run("HandsTheContextOn", func(t *testing.T) {
		ctx, hangUp := context.WithCancel(context.WithValue(t.Context(), passenger{}, "mine"))
		within, end := open(t).Begin(ctx, "SignIn")
		if within.Value(passenger{}) != "mine" || within.Err() != nil {
			t.Errorf("the use case is given %v, %v", within.Value(passenger{}), within.Err())
		}
		hangUp()
		if within.Err() == nil {
			t.Error("a use case does not learn that its caller hung up")
		}
		end(within.Err())
	})
	t.Run("SurvivesACallerWhoHungUp", func(t *testing.T) {
		for _, err := range ends {
			_, end := open(t).Begin(hungUp(t), "SignIn")
			end(err)
		}
	})
	t.Run("WatchesManyAtOnce", func(t *testing.T) {
		o := open(t)
		race(crowd, func(i int) {
			ctx, outer := o.Begin(t.Context(), fmt.Sprint("UseCase", i%3))
			_, inner := o.Begin(ctx, "Inner")
			inner(ends[i%len(ends)])
			outer(ends[(i+1)%len(ends)])
		})
	})
}

// AuditLog runs the suite of [outbound.AuditLog]. open returns an empty log
// and what counts the entries that were kept.
func AuditLog(t *testing.T, open func(*testing.T) (log outbound.AuditLog, kept func() int)) {
	entry := audit.Entry{At: at, Command: "SignIn", Principal: "u1", Session: "s1"}
	refused := audit.Entry{At: at, Command: "SignIn", Outcome: fault.InvalidCredentials} // to nobody
	t.Run("KeepsEveryEntry", func(t *testing.T) {
		log, kept := open(t)
		for i, e := range []audit.Entry{entry, refused, entry} {
			log.Record(t.Context(), e)
			same(t, "entries", kept(), i+1)
		}
	})
	t.Run("KeepsThatOfACallerWhoHungUp", func(t *testing.T) {
		log, kept := open(t)
		log.Record(hungUp(t), entry)
		same(t, "entries", kept(), 1)
	})
	t.Run("KeepsManyAtOnce", func(t *testing.T) {
		log, kept := open(t)
		race(crowd, func(int) { log.Record(t.Context(), entry) })
		same(t, "entries", kept(), crowd)
	})
}

func hungUp(t *testing.T) context.Context {
	t.Helper()
	ctx, hangUp := context.WithCancel(t.Context())
	hangUp()
	return ctx
}
