package password_test

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"testing"
	"time"

	app "gatehouse/application/password"
	"gatehouse/domain/fault"
	"gatehouse/domain/notice"
	"gatehouse/domain/onetime"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/ports/inbound"
)

func (w *world) requester(edit ...func(*app.ResetMail)) *app.ResetRequester {
	d := w.deps()
	mail := app.ResetMail{On: true, Cooldown: time.Minute, InfoCooldown: time.Hour, TTL: 30 * time.Minute}
	for _, fn := range edit {
		fn(&mail)
	}
	return app.NewResetRequester(app.ResetRequesterDeps{
		Work: w.work, Mail: mail, Now: d.Now, NewID: d.NewID, NewSecret: func() secret.Text { return secret.New("mailed") },
	})
}

func forgot(address string) inbound.RequestPasswordReset {
	c := reset().Context
	return inbound.RequestPasswordReset{Context: c, Email: address}
}

func (w *world) link(t *testing.T) onetime.Item {
	t.Helper()
	i, err := w.store.Single().OneTime.Find(t.Context(), onetime.PasswordReset, onetime.HashOf(secret.New("mailed")))
	check(t, err)
	return i
}

func TestWhoForgotAPasswordGetsALink(t *testing.T) {
	for name, user := range map[string]func(*principal.Snapshot){
		"with a password": func(*principal.Snapshot) {}, "without one": providerOnly,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, user)
			w.work.Twice = true
			want := w.look(t)
			out, err := w.requester().Do(t.Context(), forgot(" ADA@example.com "))
			check(t, err)
			same(t, "cooldown", out.Cooldown, time.Minute)
			after := w.look(t)
			want.links["reset"], want.mails = onetime.Voided, after.mails
			if !reflect.DeepEqual(after, want) {
				t.Errorf("after  %+v\nwant   %+v", after, want)
			}
			same(t, "mails", len(after.mails), 1)
			n := after.mails[0]
			if n.Kind != notice.PasswordReset || n.To.Typed() != "Ada@Example.com" || n.Principal != "ada" || n.Locale != "de" ||
				n.Valid != 30*time.Minute || n.Token.Reveal() != "mailed" || n.From.Device.OS != "Linux" {
				t.Errorf("mail = %+v", n)
			}
			if i := w.link(t); i.Principal != "ada" || !i.ExpiresAt.Equal(noon.Add(30*time.Minute)) || i.State(noon) != onetime.Usable {
				t.Errorf("link = %+v", i)
			}
		})
	}
}

func TestAStrangerIsToldThatThereIsNoAccount(t *testing.T) {
	w := newWorld(t)
	want := w.look(t)
	out, err := w.requester().Do(t.Context(), forgot("Eve@Example.com"))
	check(t, err)
	same(t, "cooldown", out.Cooldown, time.Minute)
	after := w.look(t)
	want.mails = after.mails
	if !reflect.DeepEqual(after, want) {
		t.Errorf("after  %+v\nwant   %+v", after, want)
	}
	same(t, "mails", len(after.mails), 1)
	n := after.mails[0]
	if n.Kind != notice.NoAccountInfo || n.To.Typed() != "Eve@Example.com" || n.Principal != "" || n.Name != "" || n.Locale != "de" ||
		!n.Token.Missing() || n.From.Device.OS != "Linux" || !n.ExpiresAt.Equal(noon.Add(24*time.Hour)) {
		t.Errorf("mail = %+v", n)
	}
	same(t, "whose link", w.link(t).Principal, "")
	_, err = w.resetter().Do(t.Context(), inbound.ResetPassword{Token: secret.New("mailed"), New: reset().New})
	same(t, "what it is good for", fault.CodeOf(err), fault.UserNotFound)
}

func TestADisabledAccountIsSentNothing(t *testing.T) {
	w := newWorld(t, func(s *principal.Snapshot) { s.Disabled = true })
	out, err := w.requester().Do(t.Context(), forgot("ada@example.com"))
	check(t, err)
	same(t, "cooldown", out.Cooldown, time.Minute)
	same(t, "mails", len(w.look(t).mails), 0)
}

// Known or not, the database is asked for the same things, as often (faults F34).
func TestAskingForALinkCostsTheSameForEverybody(t *testing.T) {
	for _, address := range []string{"ada@example.com", "eve@example.com"} {
		w := newWorld(t)
		_, err := w.requester().Do(t.Context(), forgot(address))
		check(t, err)
		same(t, "calls for "+address, w.work.Calls(), 6)
		same(t, "transactions for "+address, w.work.Units(), 1)
	}
}

func TestAskingForALinkIsRefused(t *testing.T) {
	off := func(m *app.ResetMail) { m.On = false }
	for name, tc := range map[string]struct {
		address string
		edit    func(*app.ResetMail)
		cooling notice.Kind
		want    fault.Code
		broken  []fault.Rule
		wait    time.Duration
	}{
		"nothing":              {address: " ", want: fault.InvalidRequest, broken: []fault.Rule{fault.RuleNotBlank}},
		"no address":           {address: "ada", want: fault.InvalidRequest, broken: []fault.Rule{fault.RuleEmail}},
		"no address, mail off": {address: "ada", edit: off, want: fault.InvalidRequest, broken: []fault.Rule{fault.RuleEmail}},
		"mail off":             {address: "ada@example.com", edit: off, cooling: notice.PasswordReset, want: fault.EmailDisabled, wait: time.Hour},
		"cooling, known":       {address: "ada@example.com", cooling: notice.PasswordReset, want: fault.EmailCooldownActive, wait: 59 * time.Second},
		"cooling, unknown":     {address: "eve@example.com", cooling: notice.PasswordReset, want: fault.EmailCooldownActive, wait: 59 * time.Second},
		"another kind cools":   {address: "ada@example.com", cooling: notice.EmailVerification},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if tc.cooling != "" {
				_, err := w.store.Single().Cooldowns.Start(t.Context(), tc.cooling, tc.address, noon.Add(-time.Second), time.Minute)
				check(t, err)
			}
			before := w.look(t)
			edits := []func(*app.ResetMail){}
			if tc.edit != nil {
				edits = append(edits, tc.edit)
			}
			_, err := w.requester(edits...).Do(t.Context(), forgot(tc.address))
			same(t, "code", fault.CodeOf(err), tc.want)
			if tc.want == "" {
				return
			}
			f, _ := errors.AsType[*fault.Error](err)
			same(t, "wait", f.Wait(), tc.wait)
			if got := rules(err); !slices.Equal(got, tc.broken) {
				t.Errorf("broken = %v, want %v", got, tc.broken)
			}
			if after := w.look(t); !reflect.DeepEqual(after, before) {
				t.Errorf("a refusal left %+v", after)
			}
		})
	}
}

func TestAskingForALinkPassesFailuresOnAndChangesNothing(t *testing.T) {
	boom := fault.New(fault.DatabaseFailure).Because(io.ErrUnexpectedEOF)
	const cache, database = fault.CacheOperationFailure, fault.DatabaseFailure
	for _, address := range []string{"ada@example.com", "eve@example.com"} {
		for n, want := range []fault.Code{cache, database, database, database, cache, database, ""} {
			w := newWorld(t)
			before := w.look(t)
			w.work.FailAt, w.work.Err = n+1, boom
			_, err := w.requester().Do(t.Context(), forgot(address))
			same(t, fmt.Sprint(address, ", call ", n+1), fault.CodeOf(err), want)
			if want == "" {
				continue
			}
			same(t, "cause kept", errors.Is(err, io.ErrUnexpectedEOF), true)
			if after := w.look(t); !reflect.DeepEqual(after, before) {
				t.Errorf("a failure left %+v", after)
			}
		}
	}
}

func TestACooldownIsToldForAnyText(t *testing.T) {
	w := newWorld(t)
	use := app.NewResetCooldown(app.ResetCooldownDeps{Work: w.work, Now: w.deps().Now})
	_, err := w.requester().Do(t.Context(), forgot("ada@example.com"))
	check(t, err)
	for text, want := range map[string]time.Duration{
		"ada@example.com": time.Minute, " ADA@Example.com": time.Minute, "eve@example.com": 0, "no address": 0,
	} {
		left, err := use.Do(t.Context(), inbound.PasswordResetCooldown{Email: text})
		check(t, err)
		same(t, text, time.Duration(left), want)
	}
	for _, text := range []string{"", " \t"} {
		_, err := use.Do(t.Context(), inbound.PasswordResetCooldown{Email: text})
		if got := rules(err); !slices.Equal(got, []fault.Rule{fault.RuleNotBlank}) {
			t.Errorf("%q: %v", text, err)
		}
	}
	w.work.FailAt, w.work.Err = w.work.Calls()+1, io.ErrUnexpectedEOF
	_, err = use.Do(t.Context(), inbound.PasswordResetCooldown{Email: "x"})
	same(t, "code", fault.CodeOf(err), fault.CacheOperationFailure)
	same(t, "cause kept", errors.Is(err, io.ErrUnexpectedEOF), true)
}
