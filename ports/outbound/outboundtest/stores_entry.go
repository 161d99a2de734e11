package outboundtest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/domain/fault"
	"gatehouse/domain/notice"
	"gatehouse/domain/onetime"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/domain/throttle"
	"gatehouse/ports/outbound"
)

var entryChecks = []storeCheck{
	{"SwapComparesBothCounters", swapComparesBothCounters},
	{"SwapHasOneWinner", swapHasOneWinner},
	{"LookFindsCountersAndOwner", lookFindsCountersAndOwner},
	{"SignInStoresAllItMeans", signInStoresAllItMeans},
	{"SignInRefusesWhoHasChanged", signInRefusesWhoHasChanged},
	{"SignInTellsOfUnknownDevices", signInTellsOfUnknownDevices},
	{"SignInsTogether", signInsTogether},
	{"SignInNeverOutlivesAChange", signInNeverOutlivesAChange},
	{"RegisterStoresAllItMeans", registerStoresAllItMeans},
	{"RegisterKeepsMailsApart", registerKeepsMailsApart},
	{"RegisterRefusesWhatIsTaken", registerRefusesWhatIsTaken},
	{"RegisterHasOneWinner", registerHasOneWinner},
	{"TurnAwayStoresAllItMeans", turnAwayStoresAllItMeans},
	{"TurnAwayRefusesWhoHasChanged", turnAwayRefusesWhoHasChanged},
	{"EntryChangesNothingWhereItFails", entryChangesNothingWhereItFails},
}

var (
	here  = throttle.Subject{Account: address("Ada.u1@Example.com").Normal(), Network: "192.0.2.0/24"}
	there = throttle.Subject{Account: here.Account, Network: "2001:db8::/64"}
)

// counted has been wrong n times, the last time at now.
func counted(n int, now time.Time) (s throttle.State) {
	for range n {
		s = s.Count(now)
	}
	return s
}

func swapComparesBothCounters(t *testing.T, w work) {
	swap := func(of throttle.Subject, old, next throttle.State, want bool) {
		t.Helper()
		if got, err := w.Single().Attempts.Swap(t.Context(), of, old, next); err != nil || got != want {
			t.Errorf("Swap from %+v to %+v = %t, %v, want %t", old, next, got, err, want)
		}
	}
	one, two := counted(1, at), counted(2, at.Add(time.Second))
	swap(here, one, two, false) // there are none
	counters(t, w, here, throttle.State{})
	swap(here, throttle.State{}, one, true)
	counters(t, w, here, one)
	for _, old := range []throttle.State{
		{},
		{Network: one.Network},
		{Account: one.Account},
		{Network: one.Network, Account: two.Account},
		{Network: two.Network, Account: one.Account},
		{Network: one.Network, Account: throttle.Counter{Failures: 1, Last: at.Add(time.Microsecond)}},
		{Network: throttle.Counter{Failures: 1, Last: at.Add(time.Microsecond)}, Account: one.Account},
	} {
		swap(here, old, two, false)
		counters(t, w, here, one)
	}
	swap(here, one, two, true)
	counters(t, w, here, two)
	swap(there, throttle.State{Account: two.Account}, throttle.State{Network: one.Network, Account: two.Account}, true)
	counters(t, w, there, throttle.State{Network: one.Network, Account: two.Account})

	// A right password elsewhere resets the account, and leaves this network.
	must(t, w.Single().Attempts.Save(t.Context(), there, throttle.State{}))
	swap(here, throttle.State{}, one, false)
	counters(t, w, here, throttle.State{Network: two.Network})
	within(t, w, func(ctx context.Context, s stores) error {
		done, err := s.Attempts.Swap(ctx, here, throttle.State{Network: two.Network}, throttle.State{})
		if !done {
			t.Error("Swap in a transaction = false")
		}
		return err
	})
	counters(t, w, here, throttle.State{})
}

func swapHasOneWinner(t *testing.T, w work) {
	var old throttle.State // no counters are there at first
	for round := range 10 {
		now := at.Add(time.Duration(round) * time.Second)
		var won atomic.Int32
		race(crowd, func(i int) {
			of, seen := here, old
			if i%2 == 1 {
				of, seen.Network = there, throttle.Counter{}
			}
			done, err := w.Single().Attempts.Swap(t.Context(), of, seen, seen.Count(now))
			if err != nil {
				t.Errorf("Swap = %v", err)
			}
			if done {
				won.Add(1)
			}
		})
		if won.Load() != 1 {
			t.Errorf("round %d: %d of %d swapped", round, won.Load(), crowd)
		}
		old = counted(1, now)
		must(t, w.Single().Attempts.Save(t.Context(), there, throttle.State{}))
		must(t, w.Single().Attempts.Save(t.Context(), here, old))
	}
}

func lookFindsCountersAndOwner(t *testing.T, w work) {
	add(t, w, user("u1"), guest("g1"))
	look := func(of throttle.Subject, want throttle.State, owner string) {
		t.Helper()
		got, p, err := w.Single().Entry.Look(t.Context(), of)
		must(t, err)
		inUTC(&got.Network.Last, &got.Account.Last, &want.Network.Last, &want.Account.Last)
		same(t, fmt.Sprint("counters of ", of), got, want)
		switch {
		case (p != nil) != (owner != ""):
			t.Errorf("Look at %v finds %v, want %q", of, p, owner)
		case p != nil:
			samePrincipal(t, p.Snapshot(), user(owner))
		}
	}
	nobody := throttle.Subject{Account: "eve@example.com", Network: here.Network}
	nowhere := throttle.Subject{}
	look(here, throttle.State{}, "u1")
	look(nobody, throttle.State{}, "")
	look(nowhere, throttle.State{}, "")
	for _, of := range []throttle.Subject{here, nobody, nowhere} {
		must(t, w.Single().Attempts.Save(t.Context(), of, counted(3, at)))
	}
	look(here, counted(3, at), "u1")
	look(there, throttle.State{Account: counted(3, at).Account}, "u1")
	look(nobody, counted(3, at), "")
	look(nowhere, counted(3, at), "")
}

// entering is a sign-in of p, at [at], with a session named id.
func entering(p *principal.Principal, id, device string) outbound.SignIn {
	n := letter("alert of "+id, p.ID())
	n.Kind = notice.LoginAlert
	s := signedIn(session.ID(id), p.ID())
	s.StartedAt, s.LastActive = at.Add(time.Hour), at.Add(time.Hour)
	s.ExpiresAt, s.Until = at.Add(2*time.Hour), at.Add(3*time.Hour)
	return outbound.SignIn{Judged: p, Session: s, Reset: &here, Device: device, Since: at, Alert: &n}
}

var (
	nothing = outbound.Effect{}
	done    = outbound.Effect{Done: true}
	owing   = outbound.Effect{Done: true, Owes: true}
)

func enter(t *testing.T, w work, in outbound.SignIn, want outbound.Effect) {
	t.Helper()
	if got, err := w.Single().Entry.SignIn(t.Context(), in); err != nil || got != want {
		t.Errorf("SignIn with %s = %+v, %v, want %+v", in.Session.ID, got, err, want)
	}
}

// owed returns the ids of what the outbox owes, without taking it.
func owed(t *testing.T, w work) string {
	t.Helper()
	var ids []string
	for _, c := range claim(t, w, "onlooker", at.Add(24*time.Hour), 1000) {
		ids = append(ids, c.Notice.ID)
	}
	slices.Sort(ids)
	must(t, w.Single().Outbox.Release(t.Context(), "onlooker", at))
	return strings.Join(ids, ", ")
}

func signInStoresAllItMeans(t *testing.T, w work) {
	add(t, w, user("u1"), user("u2"))
	must(t, w.Single().Attempts.Save(t.Context(), here, counted(3, at)))
	renewed := password.NewHash("$argon2id$v=19$m=2,t=2,p=1$renewed")
	in := entering(restore(user("u1")), "s1", "lynx")
	in.Renewed = renewed
	enter(t, w, in, done)

	want := user("u1")
	want.LastActive, want.Hash = at.Add(time.Hour), renewed
	samePrincipal(t, load(t, w, "u1"), want)
	all, err := w.Single().Sessions.Of(t.Context(), "u1", at.Add(time.Hour))
	must(t, err)
	if len(all) != 1 {
		t.Fatalf("sessions %+v", all)
	}
	sameSession(t, all[0], in.Session)
	forgotten := counted(3, at)
	forgotten.Network.Failures, forgotten.Account.Failures = 0, 0
	counters(t, w, here, forgotten)
	if known, ever := mark(t, w, "u1", "lynx", at); !known || !ever {
		t.Errorf("Mark = %t, %t afterwards", known, ever)
	}

	// Without any of what may be left out, in a transaction, and earlier than
	// the last one: that lets nobody seem less active.
	must(t, w.Single().Attempts.Save(t.Context(), here, counted(3, at)))
	late := entering(restore(user("u1")), "s2", "lynx")
	late.Session.LastActive, late.Reset, late.Alert = at, nil, nil
	within(t, w, func(ctx context.Context, s stores) error {
		got, err := s.Entry.SignIn(ctx, late)
		if got != done {
			t.Errorf("SignIn in a transaction = %+v", got)
		}
		return err
	})
	samePrincipal(t, load(t, w, "u1"), want)
	counters(t, w, here, counted(3, at))
	if got := list(t, w, "u1"); got != "s1 s2 " {
		t.Errorf("sessions %s", got)
	}
	samePrincipal(t, load(t, w, "u2"), user("u2"))
	if got := owed(t, w); got != "" {
		t.Errorf("owed: %s", got)
	}
}

func signInRefusesWhoHasChanged(t *testing.T, w work) {
	add(t, w, user("u1"), user("u2"), user("u3"), user("u4"))
	must(t, w.Single().Attempts.Save(t.Context(), here, counted(3, at)))
	change := func(id principal.ID, fn func(*principal.Principal)) {
		within(t, w, func(ctx context.Context, s stores) error {
			p, err := s.Principals.ByID(ctx, id)
			if err != nil {
				return err
			}
			fn(p)
			return s.Principals.Save(ctx, p)
		})
	}
	change("u1", func(p *principal.Principal) { p.ChangePassword(password.NewHash("$argon2id$other")) })
	change("u2", func(p *principal.Principal) { p.SetAdmin(true) })
	change("u3", func(p *principal.Principal) { p.Rename("Countess") })
	change("u4", func(p *principal.Principal) { p.Disable() })
	disabled, err := w.Single().Principals.ByID(t.Context(), "u4")
	must(t, err)
	judged := []*principal.Principal{
		restore(user("u1")), restore(user("u2")), restore(user("u3")), restore(user("u4")), disabled, restore(user("nobody")),
	}
	for i, p := range judged {
		before, _ := w.Single().Principals.ByID(t.Context(), p.ID())
		in := entering(p, fmt.Sprint("s", i), "lynx")
		in.Renewed = password.NewHash("$argon2id$renewed")
		enter(t, w, in, nothing)
		after, _ := w.Single().Principals.ByID(t.Context(), p.ID())
		same(t, "principal", after, before)
		if got := list(t, w, p.ID()); got != "" {
			t.Errorf("sessions of %s: %s", p.ID(), got)
		}
	}
	counters(t, w, here, counted(3, at))
	for _, id := range []string{"u1", "u2", "u3", "u4"} {
		if _, ever := mark(t, w, id, "lynx", at); ever {
			t.Errorf("%s has a device", id)
		}
	}
	if got := owed(t, w); got != "" {
		t.Errorf("owed: %s", got)
	}
}

func signInTellsOfUnknownDevices(t *testing.T, w work) {
	add(t, w, user("u1"), user("u2"))
	p := restore(user("u1"))
	for i, tc := range []struct {
		device string
		after  time.Duration // since the first one
		want   bool
	}{
		{"first", 0, false},
		{"first", time.Hour, false},
		{"second", time.Hour, true},
		{"second", 2 * time.Hour, false},
		{"first", 31 * time.Hour, false}, // seen exactly thirty hours ago
		{"second", 33 * time.Hour, true}, // too long ago
		{"second", 34 * time.Hour, false},
	} {
		in := entering(p, fmt.Sprint("s", i), tc.device)
		in.Session.LastActive = at.Add(tc.after)
		in.Since = in.Session.LastActive.Add(-30 * time.Hour)
		enter(t, w, in, outbound.Effect{Done: true, Owes: tc.want})
	}
	enter(t, w, entering(restore(user("u2")), "other", "second"), done) // whose first one it is
	quiet := entering(p, "quiet", "third")
	quiet.Alert = nil
	enter(t, w, quiet, done)
	if got := owed(t, w); got != "alert of s2, alert of s5" {
		t.Errorf("owed: %s", got)
	}
}

// Sign-ins of one principal do not get into each other's way, the very first
// ones neither; and each but one tells of its device.
func signInsTogether(t *testing.T, w work) {
	add(t, w, user("u1"), user("u2"))
	p := restore(user("u1"))
	var owing atomic.Int32
	race(crowd, func(i int) {
		got, err := w.Single().Entry.SignIn(t.Context(), entering(p, fmt.Sprintf("s%02d", i), fmt.Sprint("device ", i)))
		if err != nil || !got.Done {
			t.Errorf("SignIn = %+v, %v", got, err)
		}
		if got.Owes {
			owing.Add(1)
		}
	})
	all, err := w.Single().Sessions.Of(t.Context(), "u1", at.Add(time.Hour))
	must(t, err)
	if told := len(strings.Split(owed(t, w), ", ")); len(all) != crowd || told != crowd-1 || owing.Load() != crowd-1 {
		t.Errorf("%d sessions, %d devices are told of, of %d", len(all), told, crowd)
	}
	other := restore(user("u2"))
	race(crowd, func(i int) { enter(t, w, entering(other, fmt.Sprintf("t%02d", i), "the same"), done) })
}

// A change that ends all sessions, and sign-ins with what was right before it:
// whichever is second sees the other.
func signInNeverOutlivesAChange(t *testing.T, w work) {
	add(t, w, user("u1"))
	for round := range 10 {
		p, err := w.Single().Principals.ByID(t.Context(), "u1")
		must(t, err)
		race(8, func(i int) {
			if i > 0 {
				_, err := w.Single().Entry.SignIn(t.Context(), entering(p, fmt.Sprint("s", round, ".", i), "lynx"))
				if err != nil {
					t.Errorf("SignIn = %v", err)
				}
				return
			}
			err := w.Within(t.Context(), func(ctx context.Context, s stores) error {
				p, err := s.Principals.ByID(ctx, "u1")
				if err != nil {
					return err
				}
				p.ChangePassword(password.NewHash(fmt.Sprint("$argon2id$", round)))
				if err := s.Principals.Save(ctx, p); err != nil {
					return err
				}
				return s.Sessions.EndAll(ctx, "u1", "", session.PasswordChanged, at)
			})
			if err != nil {
				t.Errorf("Within = %v", err)
			}
		})
		if got := list(t, w, "u1"); got != "" {
			t.Fatalf("round %d: sessions %s", round, got)
		}
	}
}

// newcomer is a user as registrations make them.
func newcomer(id, typed string) principal.Snapshot {
	s := user(id)
	s.Email, s.EmailVerified, s.Identities = address(typed), false, nil
	return s
}

func mailing(id string, of principal.ID, kind notice.Kind, typed string) *outbound.Mailing {
	n := letter(id, of)
	n.Kind = kind
	return &outbound.Mailing{
		Cooldown: outbound.Cooldown{Kind: kind, Normal: address(typed).Normal(), Begin: at, Length: time.Minute}, Notice: n,
	}
}

// registering is a registration whose link is hash n.
func registering(p principal.Snapshot, n byte) outbound.Registration {
	m := mailing("mail of "+string(p.ID), p.ID, notice.EmailVerification, p.Email.Typed())
	i := item(n, p.ID)
	i.Session = ""
	m.Link = &i
	return outbound.Registration{User: restore(p), Mail: m}
}

func register(t *testing.T, w work, r outbound.Registration, want outbound.Effect) {
	t.Helper()
	if got, err := w.Single().Entry.Register(t.Context(), r); err != nil || got != want {
		t.Errorf("Register of %s = %+v, %v, want %+v", r.User.ID(), got, err, want)
	}
}

// left is how much of a cooldown that began at [at] is left, zero for none.
func left(t *testing.T, w work, kind notice.Kind, typed string) time.Duration {
	t.Helper()
	left, err := w.Single().Cooldowns.Start(t.Context(), kind, address(typed).Normal(), at.Add(time.Second), time.Millisecond)
	must(t, err)
	return left
}

func registerStoresAllItMeans(t *testing.T, w work) {
	plain := newcomer("u1", "Ada@Example.com")
	r := registering(plain, 1)
	register(t, w, r, owing)
	samePrincipal(t, load(t, w, "u1"), plain)
	p, err := w.Single().Principals.ByEmail(t.Context(), "ada@example.com")
	must(t, err)
	samePrincipal(t, p.Snapshot(), plain)
	sameItem(t, find(t, w, *r.Mail.Link), *r.Mail.Link)
	all := claim(t, w, "me", at, 9)
	if len(all) != 1 {
		t.Fatalf("owed: %s", idsOf(all))
	}
	got, want := all[0].Notice, r.Mail.Notice
	inUTC(&got.CreatedAt, &got.ExpiresAt, &want.CreatedAt, &want.ExpiresAt)
	same(t, "notice", got, want)
	if got := left(t, w, notice.EmailVerification, "ada@example.com"); got != 59*time.Second {
		t.Errorf("%v of the cooldown are left", got)
	}

	// Without a mail, with identities, and in a transaction.
	within(t, w, func(ctx context.Context, s stores) error {
		got, err := s.Entry.Register(ctx, outbound.Registration{User: restore(user("u2"))})
		if got != done {
			t.Errorf("Register in a transaction = %+v", got)
		}
		return err
	})
	samePrincipal(t, load(t, w, "u2"), user("u2"))
	if got := left(t, w, notice.EmailVerification, user("u2").Email.Typed()); got != 0 {
		t.Errorf("%v are left of a cooldown nobody asked for", got)
	}
}

// An account comes to be whether or not a mail may go out.
func registerKeepsMailsApart(t *testing.T, w work) {
	_, err := w.Single().Cooldowns.Start(t.Context(), notice.EmailVerification, "ada@example.com", at, time.Minute)
	must(t, err)
	r := registering(newcomer("u1", "Ada@Example.com"), 1)
	r.Mail.Begin = at.Add(time.Minute - time.Microsecond)
	register(t, w, r, done)
	load(t, w, "u1")
	if _, err := w.Single().OneTime.Find(t.Context(), r.Mail.Link.Kind, r.Mail.Link.Hash); err == nil || owed(t, w) != "" {
		t.Errorf("Find = %v, owed: %s", err, owed(t, w))
	}
	_, err = w.Single().Cooldowns.Start(t.Context(), notice.EmailVerification, "bob@example.com", at.Add(-time.Minute), time.Minute)
	must(t, err)
	register(t, w, registering(newcomer("u2", "bob@example.com"), 2), owing) // it has just ended
	if got := owed(t, w); got != "mail of u2" {
		t.Errorf("owed: %s", got)
	}
}

func registerRefusesWhatIsTaken(t *testing.T, w work) {
	first := newcomer("u1", "Ada@Example.com")
	register(t, w, outbound.Registration{User: restore(first)}, done)
	for _, p := range []principal.Snapshot{newcomer("u2", "ADA@example.com"), newcomer("u1", "bob@example.com")} {
		register(t, w, registering(p, 1), nothing)
		samePrincipal(t, load(t, w, "u1"), first)
		if got := left(t, w, notice.EmailVerification, p.Email.Typed()); got != 0 {
			t.Errorf("%v are left of a cooldown", got)
		}
	}
	users, err := w.Single().Principals.Users(t.Context(), "", 9)
	must(t, err)
	if _, err := w.Single().OneTime.Find(t.Context(), onetime.EmailVerification, onetime.Hash{1, 0, 0xff}); err == nil || owed(t, w) != "" || len(users) != 1 {
		t.Errorf("Find = %v, owed: %s, %d users", err, owed(t, w), len(users))
	}
}

func registerHasOneWinner(t *testing.T, w work) {
	var won atomic.Int32
	race(crowd, func(i int) {
		got, err := w.Single().Entry.Register(t.Context(), registering(newcomer(fmt.Sprintf("u%02d", i), "Ada@Example.com"), byte(i)))
		if err != nil || got != nothing && got != owing {
			t.Errorf("Register = %+v, %v", got, err)
		}
		if got.Done {
			won.Add(1)
		}
	})
	users, err := w.Single().Principals.Users(t.Context(), "", 99)
	must(t, err)
	if n := len(claim(t, w, "me", at, 99)); won.Load() != 1 || len(users) != 1 || n != 1 {
		t.Errorf("%d of %d registered, %d users, %d mails", won.Load(), crowd, len(users), n)
	}
}

func turnAway(t *testing.T, w work, c outbound.Collision, want outbound.Effect) {
	t.Helper()
	if got, err := w.Single().Entry.TurnAway(t.Context(), c); err != nil || got != want {
		t.Errorf("TurnAway = %+v, %v, want %+v", got, err, want)
	}
}

func turnAwayStoresAllItMeans(t *testing.T, w work) {
	add(t, w, user("u1"))
	owner := restore(user("u1"))
	typed := user("u1").Email.Typed()
	c := outbound.Collision{
		Owner:    owner,
		Cooldown: &outbound.Cooldown{Kind: notice.EmailVerification, Normal: owner.Email().Normal(), Begin: at, Length: time.Minute},
		Alert:    mailing("n1", "u1", notice.RegistrationAlert, typed),
	}
	turnAway(t, w, c, owing)
	if got := owed(t, w); got != "n1" {
		t.Errorf("owed: %s", got)
	}
	for _, kind := range []notice.Kind{notice.EmailVerification, notice.RegistrationAlert} {
		if got := left(t, w, kind, typed); got != 59*time.Second {
			t.Errorf("%v of the cooldown of %s are left", got, kind)
		}
	}
	again := c
	again.Alert = mailing("n2", "u1", notice.RegistrationAlert, typed)
	within(t, w, func(ctx context.Context, s stores) error {
		got, err := s.Entry.TurnAway(ctx, again)
		if got != done {
			t.Errorf("TurnAway in a transaction = %+v", got)
		}
		return err
	})
	turnAway(t, w, outbound.Collision{Owner: owner}, done)
	if got := owed(t, w); got != "n1" {
		t.Errorf("told twice: %s", got)
	}
	samePrincipal(t, load(t, w, "u1"), user("u1"))
}

func turnAwayRefusesWhoHasChanged(t *testing.T, w work) {
	add(t, w, user("u1"))
	changed := user("u1")
	changed.Version--
	for _, owner := range []principal.Snapshot{changed, user("nobody")} {
		turnAway(t, w, outbound.Collision{
			Owner:    restore(owner),
			Cooldown: &outbound.Cooldown{Kind: notice.EmailVerification, Normal: "x@example.com", Begin: at, Length: time.Minute},
			Alert:    mailing("n1", owner.ID, notice.RegistrationAlert, "x@example.com"),
		}, nothing)
	}
	for _, kind := range []notice.Kind{notice.EmailVerification, notice.RegistrationAlert} {
		if got := left(t, w, kind, "x@example.com"); got != 0 || owed(t, w) != "" {
			t.Errorf("%v are left of %s, owed: %s", got, kind, owed(t, w))
		}
	}
}

// The last part of each call fails, as what it adds is there already.
func entryChangesNothingWhereItFails(t *testing.T, w work) {
	add(t, w, user("u1"))
	p := restore(user("u1"))
	enter(t, w, entering(p, "s1", "lynx"), done)
	addNotices(t, w, letter("twice", "u1"))
	must(t, w.Single().Attempts.Save(t.Context(), here, counted(3, at)))
	in := entering(p, "s2", "firefox")
	in.Alert.ID = "twice"
	in.Renewed = password.NewHash("$argon2id$renewed")
	r := registering(newcomer("u2", "bob@example.com"), 1)
	r.Mail.Notice.ID = "twice"
	c := outbound.Collision{Owner: p, Alert: mailing("twice", "u1", notice.RegistrationAlert, "ada@example.com")}
	before := load(t, w, "u1")
	for name, call := range map[string]call{
		"SignIn":   func(ctx context.Context, s stores) error { return second(s.Entry.SignIn(ctx, in)) },
		"Register": func(ctx context.Context, s stores) error { return second(s.Entry.Register(ctx, r)) },
		"TurnAway": func(ctx context.Context, s stores) error { return second(s.Entry.TurnAway(ctx, c)) },
	} {
		if err := call(t.Context(), w.Single()); err == nil || fault.CodeOf(err) == fault.DatabaseEncryptionFailure {
			t.Errorf("%s = %v, want a failure", name, err)
		}
	}
	samePrincipal(t, load(t, w, "u1"), before)
	counters(t, w, here, counted(3, at))
	if _, err := w.Single().Principals.ByID(t.Context(), "u2"); err == nil {
		t.Error("a registration that failed left a user")
	}
	if known, _ := mark(t, w, "u1", "firefox", at); known || list(t, w, "u1") != "s1 " || owed(t, w) != "twice" {
		t.Errorf("sessions %s, owed: %s, device known: %t", list(t, w, "u1"), owed(t, w), known)
	}
	if got := left(t, w, notice.EmailVerification, "bob@example.com") + left(t, w, notice.RegistrationAlert, "ada@example.com"); got != 0 {
		t.Errorf("%v are left of cooldowns", got)
	}
}
