package registration_test

import (
	"errors"
	"io"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/domain/fault"
	"gatehouse/domain/notice"
	"gatehouse/domain/onetime"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/ports/inbound"
)

func TestSendVerification(t *testing.T) {
	for name, tc := range map[string]struct {
		user  func(*principal.Snapshot)
		given func(*testing.T, *world)
		as    principal.ID
		want  fault.Code
		wait  time.Duration
	}{
		"sends":                  {as: "ada"},
		"a transaction twice":    {as: "ada", given: func(_ *testing.T, w *world) { w.work.Twice = true }},
		"the account is gone":    {as: "eve", want: fault.UserNotFound},
		"a guest":                {as: "gus", want: fault.UserNotFound},
		"verified already":       {as: "ada", user: verified, want: fault.EmailAlreadyVerified},
		"mail off":               {as: "ada", given: mailOff, want: fault.EmailDisabled, wait: time.Hour},
		"verified, and mail off": {as: "ada", user: verified, given: mailOff, want: fault.EmailAlreadyVerified},
		"cooling":                {as: "ada", given: cooling("ada@example.com"), want: fault.EmailCooldownActive, wait: 59 * time.Second},
		"mail off, and cooling":  {as: "ada", given: both(mailOff, cooling("ada@example.com")), want: fault.EmailDisabled, wait: time.Hour},
		"another address cools":  {as: "ada", given: cooling("bob@example.com")},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			a := ada()
			if tc.user != nil {
				tc.user(&a)
			}
			w.add(t, a)
			w.add(t, gus())
			w.addItem(t, adasLink())
			if tc.given != nil {
				tc.given(t, w)
			}
			before := w.look(t)
			out, err := w.sender().Do(t.Context(), inbound.SendVerification{Context: caller(tc.as)})
			wantCode(t, err, tc.want)
			after := w.look(t)
			if tc.want != "" {
				f, _ := errors.AsType[*fault.Error](err)
				same(t, "wait", f.Wait(), tc.wait)
				same(t, "older link", w.item(t, mailed).State(noon), onetime.Usable)
				if !reflect.DeepEqual(after, before) {
					t.Errorf("a refusal left %+v", after)
				}
				return
			}
			same(t, "cooldown told", out.Cooldown, time.Minute)
			same(t, "cools", w.cooling(t, notice.EmailVerification, "ada@example.com"), true)
			same(t, "older link", w.item(t, mailed).State(noon), onetime.Voided)
			sameList(t, "mails", kinds(after.mails), []notice.Kind{notice.EmailVerification})
			if !reflect.DeepEqual(after.users, before.users) {
				t.Errorf("the user became %+v", after.users)
			}
			sameList(t, "sessions", after.sessions, before.sessions)
		})
	}
}

func mailOff(_ *testing.T, w *world) { w.mail.On = false }

func TestTheLinkSentProvesTheStoredAddress(t *testing.T) {
	w := newWorld()
	w.add(t, ada())
	w.addItem(t, link("reset", onetime.PasswordReset))
	_, err := w.sender().Do(t.Context(), inbound.SendVerification{Context: caller("ada")})
	check(t, err)
	n := w.queued(t)[0]
	if n.To.Typed() != "Ada@Example.com" || n.Locale != "de" || n.Valid != 24*time.Hour || n.Principal != "ada" {
		t.Errorf("mail = %+v", n)
	}
	if i := w.item(t, n.Token); i.Address != n.To || i.Session != "ada-phone" || !i.ExpiresAt.Equal(noon.Add(24*time.Hour)) {
		t.Errorf("link = %+v", i)
	}
	reset, err := w.store.Single().OneTime.Find(t.Context(), onetime.PasswordReset, onetime.HashOf(secret.New("reset")))
	check(t, err)
	same(t, "reset link", reset.State(noon), onetime.Usable)
	p, err := w.verifier().Do(t.Context(), inbound.VerifyEmail{Token: n.Token})
	check(t, err)
	same(t, "verified", p.EmailVerified(), true)
}

func TestACooldownEndsByItself(t *testing.T) {
	w := newWorld()
	w.add(t, ada())
	for _, tc := range []struct {
		after time.Duration
		want  fault.Code
	}{{0, ""}, {time.Minute - time.Microsecond, fault.EmailCooldownActive}, {time.Minute, ""}} {
		w.now = noon.Add(tc.after)
		_, err := w.sender().Do(t.Context(), inbound.SendVerification{Context: caller("ada")})
		if fault.CodeOf(err) != tc.want {
			t.Errorf("after %v: %v, want %q", tc.after, err, tc.want)
		}
	}
}

func TestSendPassesFailuresOnAndChangesNothing(t *testing.T) {
	call := 0
	calls := failAtEveryCall(t, func(w *world) error {
		call++
		w.add(t, ada())
		w.addItem(t, adasLink())
		before := w.look(t)
		_, err := w.sender().Do(t.Context(), inbound.SendVerification{Context: caller("ada")})
		if err == nil {
			return nil
		}
		want := fault.DatabaseFailure
		if call == 2 { // the cooldown
			want = fault.CacheOperationFailure
		}
		same(t, "code", fault.CodeOf(err), want)
		same(t, "cause kept", errors.Is(err, io.ErrUnexpectedEOF), true)
		same(t, "older link", w.item(t, mailed).State(noon), onetime.Usable)
		same(t, "cools", w.cooling(t, notice.EmailVerification, "ada@example.com"), false)
		if after := w.look(t); !reflect.DeepEqual(after, before) {
			t.Errorf("a failure left %+v", after)
		}
		return err
	})
	same(t, "calls that can fail", calls, 5)
}

func TestOneOfManyRequestsIsSent(t *testing.T) {
	const crowd = 50
	w := newWorld()
	w.add(t, ada())
	use := w.sender()
	var all sync.WaitGroup
	var sent atomic.Int32
	for range crowd {
		all.Go(func() {
			_, err := use.Do(t.Context(), inbound.SendVerification{Context: caller("ada")})
			switch fault.CodeOf(err) {
			case "":
				sent.Add(1)
			case fault.EmailCooldownActive:
			default:
				t.Errorf("Do = %v", err)
			}
		})
	}
	all.Wait()
	same(t, "sent", sent.Load(), 1)
	same(t, "mails", len(w.queued(t)), 1)
}
