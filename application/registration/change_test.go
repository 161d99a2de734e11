package registration_test

import (
	"context"
	"errors"
	"io"
	"reflect"
	"slices"
	"testing"
	"time"

	"gatehouse/application/account/accounttest"
	"gatehouse/application/password/passwordtest"
	app "gatehouse/application/registration"
	"gatehouse/domain/factor"
	"gatehouse/domain/fault"
	"gatehouse/domain/notice"
	"gatehouse/domain/onetime"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/domain/session"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

func moveTo(address string) inbound.ChangeEmail {
	c := caller("ada")
	c.Caller.StepUp = session.StepUpGranted
	return inbound.ChangeEmail{Context: c, NewEmail: address}
}

func TestAnotherAddressIsAskedToProveItself(t *testing.T) {
	for name, told := range map[string]bool{"with alerts": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.work.Twice, w.mail.AlertMoved = true, told
			w.add(t, ada())
			w.addItem(t, adasLink())
			w.addItem(t, link("reset", onetime.PasswordReset))
			before := w.look(t)
			out, err := w.changer().Do(t.Context(), moveTo(" Ada@Elsewhere.example "))
			check(t, err)
			if out != (inbound.EmailChange{VerificationRequired: true, Cooldown: time.Minute}) {
				t.Errorf("answer %+v", out)
			}
			after := w.look(t)
			if !reflect.DeepEqual(after.users, before.users) || !slices.Equal(after.sessions, before.sessions) {
				t.Errorf("something changed already: %+v", after)
			}
			same(t, "older link", w.item(t, mailed).State(noon), onetime.Voided)
			want := []notice.Kind{notice.EmailVerification}
			if told {
				want = append(want, notice.EmailChangeRequested)
			}
			sameList(t, "mails", kinds(after.mails), want)
			for _, n := range after.mails {
				switch n.Kind {
				case notice.EmailChangeRequested:
					if n.To.Typed() != "Ada@Example.com" || !n.Token.Missing() || n.Locale != "de" || n.From.Device.OS != "Linux" {
						t.Errorf("mail = %+v", n)
					}
				default:
					i := w.item(t, n.Token)
					if n.To.Typed() != "Ada@Elsewhere.example" || n.Principal != "ada" || i.Address != n.To || i.Session != "ada-phone" {
						t.Errorf("mail = %+v\nlink = %+v", n, i)
					}
				}
			}
			same(t, "cools", w.cooling(t, notice.EmailVerification, "ada@elsewhere.example"), true)
			same(t, "the present address cools", w.cooling(t, notice.EmailVerification, "ada@example.com"), false)
			same(t, "told", len(w.caches.Told()), 0)
		})
	}
}

func TestWithoutMailAnAddressIsTakenAtItsWord(t *testing.T) {
	w := newWorld()
	w.mail.On, w.work.Twice = false, true
	a := ada()
	a.EmailVerified = true
	w.add(t, a)
	w.addItem(t, adasLink()) // it would change the address back
	w.addItem(t, link("reset", onetime.PasswordReset))
	out, err := w.changer().Do(t.Context(), moveTo("Ada@Elsewhere.example"))
	check(t, err)
	same(t, "answer", out, inbound.EmailChange{})
	after := w.look(t)
	want := a
	want.Email, want.EmailVerified, want.CredVersion, want.Version = after.users[0].Email, false, a.CredVersion+1, after.users[0].Version
	if !reflect.DeepEqual(after.users[0], want) || want.Email.Typed() != "Ada@Elsewhere.example" {
		t.Errorf("user = %+v", after.users[0])
	}
	sameList(t, "sessions", after.sessions, []session.ID{"ada-phone"})
	same(t, "mails", len(after.mails), 0)
	same(t, "older link", w.item(t, mailed).State(noon), onetime.Voided)
	if told := w.caches.Told(); !slices.Equal(told, []outbound.Revocation{{Principal: "ada", Kept: "ada-phone"}}) {
		t.Errorf("caches were told %+v", told)
	}
}

func TestChangeEmailRefuses(t *testing.T) {
	end := func(t *testing.T, w *world) {
		_, err := w.store.Single().Sessions.End(t.Context(), "ada", "ada-phone", session.SignedOut, noon)
		check(t, err)
	}
	for name, tc := range map[string]struct {
		cmd    func(*inbound.ChangeEmail)
		given  func(*testing.T, *world)
		user   func(*principal.Snapshot)
		want   fault.Code
		broken []string
		wait   time.Duration
	}{
		"no step-up":              {cmd: func(c *inbound.ChangeEmail) { c.Caller.StepUp = session.StepUpMissing }, want: fault.StepUpTokenMissing},
		"no address":              {cmd: func(c *inbound.ChangeEmail) { c.NewEmail = " " }, want: fault.InvalidRequest, broken: []string{"newEmail not_blank"}},
		"a guest":                 {cmd: func(c *inbound.ChangeEmail) { c.Caller.PrincipalID, c.Caller.SessionID = "gus", "gus-phone" }, want: fault.UserNotFound},
		"an account that is gone": {cmd: func(c *inbound.ChangeEmail) { c.Caller.PrincipalID = "eve" }, want: fault.UserNotFound},
		"a session that is over":  {given: end, want: fault.AccessTokenExpired},
		"a session that is gone":  {cmd: func(c *inbound.ChangeEmail) { c.Caller.SessionID = "x" }, want: fault.AccessTokenExpired},
		"another one's session":   {cmd: func(c *inbound.ChangeEmail) { c.Caller.SessionID = "gus-phone" }, want: fault.AccessTokenExpired},
		"who was disabled":        {user: func(s *principal.Snapshot) { s.Disabled = true }, want: fault.AccessTokenExpired},
		"the own address":         {cmd: func(c *inbound.ChangeEmail) { c.NewEmail = "ADA@example.com" }, want: fault.EmailTaken},
		"another one's address":   {given: bobHas("ada@ELSEWHERE.example"), want: fault.EmailTaken},
		"taken, and cooling":      {given: both(bobHas("ada@elsewhere.example"), cooling("ada@elsewhere.example")), want: fault.EmailTaken},
		"cooling":                 {given: cooling("ada@elsewhere.example"), want: fault.EmailCooldownActive, wait: 59 * time.Second},
	} {
		for _, mail := range []bool{true, false} {
			w := newWorld()
			w.mail.On = mail
			if tc.want == fault.EmailCooldownActive && !mail {
				tc.want, tc.wait = "", 0
			}
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
			cmd := moveTo("ada@elsewhere.example")
			if tc.cmd != nil {
				tc.cmd(&cmd)
			}
			_, err := w.changer().Do(t.Context(), cmd)
			if got := fault.CodeOf(err); got != tc.want {
				t.Errorf("%s, mail on: %t: %v, want %q", name, mail, err, tc.want)
			}
			if tc.want == "" {
				continue
			}
			f, _ := errors.AsType[*fault.Error](err)
			same(t, name+": wait", f.Wait(), tc.wait)
			sameList(t, name+": broken", broken(err), tc.broken)
			if after := w.look(t); !reflect.DeepEqual(after, before) {
				t.Errorf("%s: a refusal left %+v", name, after)
			}
			same(t, name+": older link", w.item(t, mailed).State(noon), onetime.Usable)
		}
	}
}

func TestChangeEmailPassesFailuresOnAndChangesNothing(t *testing.T) {
	for _, mail := range []bool{true, false} {
		calls := failAtEveryCall(t, func(w *world) error {
			w.mail.On = mail
			w.add(t, ada())
			w.addItem(t, adasLink())
			before := w.look(t)
			_, err := w.changer().Do(t.Context(), moveTo("ada@elsewhere.example"))
			if err != nil {
				if after := w.look(t); !reflect.DeepEqual(after, before) {
					t.Errorf("a failure left %+v", after)
				}
				same(t, "older link", w.item(t, mailed).State(noon), onetime.Usable)
				same(t, "cools", w.cooling(t, notice.EmailVerification, "ada@elsewhere.example"), false)
				same(t, "told", len(w.caches.Told()), 0)
			}
			return err
		})
		same(t, "calls that can fail", calls, 7)
	}
}

// The address is taken between our look and our save.
func TestALostRaceForAnAddressIsATakenOne(t *testing.T) {
	w := newWorld()
	w.mail.On = false
	w.add(t, ada())
	bobHas("ada@elsewhere.example")(t, w)
	d := app.EmailChangerDeps{
		Work: early{w.work}, Mail: w.mail, Revocations: w.caches, Now: w.clock, NewID: w.newID, NewSecret: w.newSecret,
	}
	_, err := app.NewEmailChanger(d).Do(t.Context(), moveTo("ada@elsewhere.example"))
	wantCode(t, err, fault.EmailTaken)
	same(t, "sessions", len(w.look(t).sessions), 2)
}

// early is a database in which nobody is found by an address, since we look
// before others have stored anything.
type early struct{ *passwordtest.Work }

func (e early) Within(ctx context.Context, fn func(context.Context, outbound.Stores) error) error {
	return e.Work.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
		s.Principals = nobodyYet{s.Principals}
		return fn(ctx, s)
	})
}

type nobodyYet struct{ outbound.Principals }

func (nobodyYet) ByEmail(context.Context, string) (*principal.Principal, error) {
	return nil, outbound.ErrNotFound
}

var moveAddress = accounttest.Address("Ada@Elsewhere.example")

func hashOf(token string) onetime.Hash { return onetime.HashOf(secret.New(token)) }

// pending is a link that moves ada, asked for on her phone.
func pending() onetime.Item {
	i := adasLink()
	i.Address, i.Session = moveAddress, "ada-phone"
	return i
}

func TestAProvenAddressReplacesTheOldOne(t *testing.T) {
	for name, told := range map[string]bool{"with alerts": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.work.Twice, w.mail.AlertMoved = true, told
			w.add(t, ada())
			w.addItem(t, pending())
			w.addItem(t, link("older", onetime.EmailVerification))
			for _, kind := range []onetime.Kind{onetime.PasswordReset, onetime.Challenge} {
				w.addItem(t, link(string(kind), kind))
			}
			code, _ := factor.ParseCode(secret.New("424242"))
			check(t, w.store.Single().MailedCodes.Put(t.Context(), "ada", factor.MailedCode{Code: code, CreatedAt: noon, ExpiresAt: noon.Add(time.Minute)}))
			before := w.look(t)
			cmd := inbound.VerifyEmail{Context: caller("gus"), Token: mailed} // whoever is signed in where the link is opened
			p, err := w.verifier().Do(t.Context(), cmd)
			check(t, err)
			same(t, "answer", p.Email(), moveAddress)
			after := w.look(t)
			want := before.users[0]
			want.Email, want.EmailVerified, want.CredVersion, want.Version = moveAddress, true, want.CredVersion+1, want.Version+1
			if !reflect.DeepEqual(after.users[0], want) {
				t.Errorf("user = %+v\nwant   %+v", after.users[0], want)
			}
			sameList(t, "sessions", after.sessions, []session.ID{"ada-phone"})
			if err := w.store.Single().MailedCodes.Try(t.Context(), "ada", noon); !errors.Is(err, outbound.ErrStale) {
				t.Errorf("the code that is in the old mailbox: %v", err)
			}
			for name, want := range map[string]struct {
				kind  onetime.Kind
				state onetime.State
			}{
				"mailed": {onetime.EmailVerification, onetime.Used}, "older": {onetime.EmailVerification, onetime.Voided},
				string(onetime.PasswordReset): {onetime.PasswordReset, onetime.Voided}, string(onetime.Challenge): {onetime.Challenge, onetime.Usable},
			} {
				i, err := w.store.Single().OneTime.Find(t.Context(), want.kind, hashOf(name))
				check(t, err)
				same(t, name, i.State(noon), want.state)
			}
			if told := w.caches.Told(); !slices.Equal(told, []outbound.Revocation{{Principal: "ada", Kept: "ada-phone"}}) {
				t.Errorf("caches were told %+v", told)
			}
			if !told {
				same(t, "mails", len(after.mails), 0)
				return
			}
			sameList(t, "mails", kinds(after.mails), []notice.Kind{notice.EmailChanged})
			if n := after.mails[0]; n.To.Typed() != "Ada@Example.com" || n.Locale != "de" || n.From.Device.OS != "Linux" {
				t.Errorf("mail = %+v", n)
			}
		})
	}
}

func TestAMovePassesFailuresOnAndChangesNothing(t *testing.T) {
	calls := failAtEveryCall(t, func(w *world) error {
		w.add(t, ada())
		w.addItem(t, pending())
		before := w.look(t)
		_, err := w.verifier().Do(t.Context(), inbound.VerifyEmail{Token: mailed})
		if err != nil {
			if after := w.look(t); !reflect.DeepEqual(after, before) {
				t.Errorf("a failure left %+v", after)
			}
			same(t, "link", w.item(t, mailed).State(noon), onetime.Usable)
			same(t, "told", len(w.caches.Told()), 0)
		}
		return err
	})
	same(t, "calls that can fail", calls, 10)
}

func TestAMoveStandsThoughCachesWereNotTold(t *testing.T) {
	for _, mail := range []bool{true, false} {
		w := newWorld()
		w.mail.On, w.caches.Fails = mail, io.ErrClosedPipe
		w.add(t, ada())
		w.addItem(t, pending())
		var err error
		if mail {
			_, err = w.verifier().Do(t.Context(), inbound.VerifyEmail{Token: mailed})
		} else {
			_, err = w.changer().Do(t.Context(), moveTo(moveAddress.Typed()))
		}
		wantCode(t, err, fault.PostCommitSideEffectFailure)
		same(t, "address", w.look(t).users[0].Email, moveAddress)
	}
}

// Whoever changes the password ends the session of a thief, who must not be
// left with a pending change of address, whichever of the two comes first.
func TestAPendingMoveNeverOutlivesItsSession(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.add(t, ada())
		together(
			func() {
				_, err := w.changer().Do(t.Context(), moveTo("thief@example.com"))
				if got := fault.CodeOf(err); got != "" && got != fault.AccessTokenExpired {
					t.Errorf("Do = %v", err)
				}
			},
			func() {
				if err := w.store.Within(t.Context(), endAndVoid); err != nil {
					t.Error(err)
				}
			},
		)
		for _, n := range w.queued(t) {
			if n.Kind == notice.EmailVerification && w.item(t, n.Token).State(noon) == onetime.Usable {
				t.Fatal("the pending change survived")
			}
		}
	})
}

// Two accounts prove one address at once, and one of them gets it.
func TestOneOfTwoMovesToOneAddressWins(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		b := ada()
		b.ID, b.Email = "bob", accounttest.Address("bob@example.com")
		w.add(t, ada())
		w.add(t, b)
		bobs := pending()
		bobs.Principal, bobs.Session, bobs.Hash = "bob", "bob-phone", hashOf("bobs")
		w.addItem(t, pending())
		w.addItem(t, bobs)
		var codes [2]fault.Code
		prove := func(i int, token secret.Text) func() {
			return func() {
				_, err := w.verifier().Do(t.Context(), inbound.VerifyEmail{Token: token})
				codes[i] = fault.CodeOf(err)
			}
		}
		together(prove(0, mailed), prove(1, secret.New("bobs")))
		if slices.Sort(codes[:]); codes != [2]fault.Code{"", fault.EmailTaken} {
			t.Errorf("codes = %q", codes)
		}
		if p, err := w.store.Single().Principals.ByEmail(t.Context(), moveAddress.Normal()); err != nil || !p.EmailVerified() {
			t.Errorf("ByEmail = %v, %v", p, err)
		}
		sameList(t, "mails", kinds(w.queued(t)), []notice.Kind{notice.EmailChanged})
	})
}

// Of two changes of one account the later one stands, and can be proven.
func TestOneOfTwoChangesOfOneAccountStands(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.add(t, ada())
		ask := func(address string) func() {
			return func() {
				if _, err := w.changer().Do(t.Context(), moveTo(address)); err != nil {
					t.Errorf("Do = %v", err)
				}
			}
		}
		together(ask("one@example.com"), ask("two@example.com"))
		usable := 0
		for _, n := range w.queued(t) {
			if n.Kind == notice.EmailVerification && w.item(t, n.Token).State(noon) == onetime.Usable {
				usable++
			}
		}
		same(t, "links that are good", usable, 1)
	})
}

// endAndVoid is what a change of the password means to a pending move.
func endAndVoid(ctx context.Context, s outbound.Stores) error {
	p, err := s.Principals.ByID(ctx, "ada")
	if err != nil {
		return err
	}
	return errors.Join(
		s.Sessions.EndAll(ctx, p.ID(), "", session.PasswordChanged, noon),
		s.OneTime.Void(ctx, p.ID(), onetime.EmailVerification, p.Email().Normal(), noon),
	)
}

func TestTheVerificationCooldownIsThatOfThePresentAddress(t *testing.T) {
	w := newWorld()
	w.add(t, ada())
	use := app.NewCooldown(app.CooldownDeps{Work: w.work, Now: w.clock})
	ask := func(p principal.Snapshot) (time.Duration, error) {
		left, err := use.Do(t.Context(), inbound.VerificationCooldown{Access: inbound.Access{
			Self: func() (*principal.Principal, error) { return principal.Restore(p) },
		}})
		return time.Duration(left), err
	}
	for _, want := range []time.Duration{0, 59 * time.Second} {
		left, err := ask(ada())
		check(t, err)
		same(t, "left", left, want)
		cooling("ada@example.com")(t, w)
	}
	_, err := ask(gus())
	wantCode(t, err, fault.UserNotFound)
	w.work.FailAt, w.work.Err = w.work.Calls()+1, io.ErrUnexpectedEOF
	_, err = ask(ada())
	wantCode(t, err, fault.CacheOperationFailure)
	same(t, "cause kept", errors.Is(err, io.ErrUnexpectedEOF), true)
}
