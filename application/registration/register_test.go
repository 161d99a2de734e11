package registration_test

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/text/unicode/norm"

	"gatehouse/application/account/accounttest"
	"gatehouse/application/password/passwordtest"
	app "gatehouse/application/registration"
	"gatehouse/domain/email"
	"gatehouse/domain/fault"
	"gatehouse/domain/notice"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/ports/inbound"
)

func register(address string) inbound.Register {
	origin := caller("")
	origin.Caller.SessionID = ""
	return inbound.Register{
		Context: origin, Email: address, Name: " Grace Hopper ", Password: password.NewPlain(good), SendEmail: true,
	}
}

func TestRegister(t *testing.T) {
	const verification, alert = notice.EmailVerification, notice.RegistrationAlert
	for name, tc := range map[string]struct {
		given      func(*testing.T, *world)
		cmd        func(*inbound.Register)
		stored     bool
		mails      []notice.Kind
		cooling    bool // afterwards, the verification mails of the address
		alertCools bool
	}{
		"free":                      {stored: true, mails: []notice.Kind{verification}, cooling: true},
		"free, no mail wanted":      {cmd: func(c *inbound.Register) { c.SendEmail = false }, stored: true},
		"free, mail off":            {given: func(_ *testing.T, w *world) { w.mail.On = false }, stored: true},
		"free, cooling":             {given: cooling("grace@example.com"), stored: true, cooling: true},
		"taken":                     {given: taken, mails: []notice.Kind{alert}, cooling: true, alertCools: true},
		"taken, no mail wanted":     {given: taken, cmd: func(c *inbound.Register) { c.SendEmail = false }, mails: []notice.Kind{alert}, alertCools: true},
		"taken, cooling":            {given: both(taken, cooling("grace@example.com")), mails: []notice.Kind{alert}, cooling: true, alertCools: true},
		"taken, mail off":           {given: both(taken, func(_ *testing.T, w *world) { w.mail.On = false })},
		"taken, alerts off":         {given: both(taken, func(_ *testing.T, w *world) { w.mail.Alert = false }), cooling: true},
		"taken, told lately":        {given: both(taken, toldLately), cooling: true, alertCools: true},
		"taken in another spelling": {given: taken, cmd: func(c *inbound.Register) { c.Email = " GRACE@EXAMPLE.COM " }, mails: []notice.Kind{alert}, cooling: true, alertCools: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			if tc.given != nil {
				tc.given(t, w)
			}
			before := w.look(t)
			cmd := register("Grace@Example.com")
			if tc.cmd != nil {
				tc.cmd(&cmd)
			}
			_, err := w.registrar().Do(t.Context(), cmd)
			check(t, err)
			check(t, w.hasher.Misused())
			same(t, "hashes made", w.hasher.Made(), 1)
			same(t, "store calls", w.work.Calls(), 2)
			sameList(t, "hashed for", w.hasher.Networks(), []string{"192.0.2.0/24"})
			after := w.look(t)
			sameList(t, "mails", kinds(after.mails), tc.mails)
			same(t, "users added", len(after.users)-len(before.users), map[bool]int{true: 1}[tc.stored])
			same(t, "verification cools", w.cooling(t, verification, "grace@example.com"), tc.cooling)
			same(t, "alert cools", w.cooling(t, alert, "grace@example.com"), tc.alertCools)
			if !tc.stored && !reflect.DeepEqual(after.users, before.users) {
				t.Errorf("the owner became %+v", after.users)
			}
			sameList(t, "sessions", after.sessions, before.sessions)
		})
	}
}

func taken(t *testing.T, w *world) {
	owner := ada()
	owner.Email = accounttest.Address("grace@example.COM")
	w.add(t, owner)
}

func toldLately(t *testing.T, w *world) {
	_, err := w.store.Single().Cooldowns.Start(t.Context(), notice.RegistrationAlert, "grace@example.com", noon.Add(-time.Minute), time.Hour)
	check(t, err)
}

func cooling(normal string) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		_, err := w.store.Single().Cooldowns.Start(t.Context(), notice.EmailVerification, normal, noon.Add(-time.Second), time.Minute)
		check(t, err)
	}
}

func both(fns ...func(*testing.T, *world)) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		for _, fn := range fns {
			fn(t, w)
		}
	}
}

func TestARegisteredUserIsNotVerifiedAndNotSignedIn(t *testing.T) {
	w := newWorld()
	_, err := w.registrar().Do(t.Context(), register(" Grace@Example.com "))
	check(t, err)
	after := w.look(t)
	u := after.users[0]
	if u.Email.Typed() != "Grace@Example.com" || u.Name != "Grace Hopper" || u.EmailVerified || u.Admin ||
		u.Kind != principal.User || !u.Hash.Equal(passwordtest.HashOf(good)) || !u.CreatedAt.Equal(noon) || !u.LastActive.Equal(noon) {
		t.Errorf("user = %+v", u)
	}
	live, err := w.store.Single().Sessions.Of(t.Context(), u.ID, noon)
	check(t, err)
	same(t, "sessions", len(live), 0)

	n := after.mails[0]
	if n.To.Typed() != "Grace@Example.com" || n.Principal != u.ID || n.Locale != "de" || n.Valid != 24*time.Hour || n.Name != "Grace Hopper" {
		t.Errorf("mail = %+v", n)
	}
	i := w.item(t, n.Token)
	if i.Principal != u.ID || i.Address != u.Email || !i.ExpiresAt.Equal(noon.Add(24*time.Hour)) || i.Session != "" {
		t.Errorf("link = %+v", i)
	}
}

func TestTheOwnerOfATakenAddressIsTold(t *testing.T) {
	w := newWorld()
	taken(t, w)
	_, err := w.registrar().Do(t.Context(), register("GRACE@example.com"))
	check(t, err)
	n := w.queued(t)[0]
	if n.To.Typed() != "grace@example.COM" || n.Principal != "ada" || n.Name != "Ada" || n.Locale != "de" ||
		!n.Token.Missing() || n.From.Device.Browser != "Firefox" {
		t.Errorf("mail = %+v", n)
	}
}

func TestRegisterNamesEveryBrokenRule(t *testing.T) {
	for name, tc := range map[string]struct {
		email, name, password string
		nist                  bool
		want                  []string
	}{
		"all at once": {"", "", "", false, []string{
			"email not_blank", "password not_blank", "password min_length", "password upper", "password lower",
			"password digit", "password special", "name not_blank",
		}},
		"address":  {"Grace <grace@example.com>", "Grace", good, false, []string{"email email"}},
		"long":     {strings.Repeat("g", 250) + "@example.com", strings.Repeat("g", 101), good, false, []string{"email max_length", "name max_length"}},
		"name":     {"grace@example.com", "Gra\x07ce", good, false, []string{"name control_characters"}},
		"identity": {"hopper@example.com", "Grace", "my hopper is a secret", true, []string{"password contains_identity"}},
		"its name": {"hopper@example.com", "Grace", "saving grace of mine", true, []string{"password contains_identity"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			if tc.nist {
				w.policy.Profile = password.NIST
			}
			cmd := register(tc.email)
			cmd.Name, cmd.Password = tc.name, password.NewPlain(tc.password)
			_, err := w.registrar().Do(t.Context(), cmd)
			wantCode(t, err, fault.InvalidRequest)
			sameList(t, "broken", broken(err), tc.want)
			same(t, "hashes made", w.hasher.Made(), 0)
			same(t, "store calls", w.work.Calls(), 0)
		})
	}
}

func broken(err error) (names []string) {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		for _, v := range f.Broken() {
			names = append(names, fmt.Sprint(v.Field, " ", v.Rule))
		}
	}
	return names
}

func TestRegisterWithoutAHashChangesNothing(t *testing.T) {
	for want, h := range map[fault.Code]*passwordtest.Hasher{
		fault.ServiceOverloaded: {Full: true},
		fault.HashFailure:       {Fails: true},
	} {
		w := newWorld()
		w.hasher = h
		_, err := w.registrar().Do(t.Context(), register("grace@example.com"))
		wantCode(t, err, want)
		check(t, h.Misused())
		same(t, "store calls", w.work.Calls(), 0)
	}
}

func TestRegisterPassesFailuresOnAndChangesNothing(t *testing.T) {
	for name, given := range map[string]func(*testing.T, *world){"free": func(*testing.T, *world) {}, "taken": taken} {
		t.Run(name, func(t *testing.T) {
			calls := failAtEveryCall(t, func(w *world) error {
				given(t, w)
				before := w.look(t)
				_, err := w.registrar().Do(t.Context(), register("grace@example.com"))
				if after := w.look(t); err != nil && !reflect.DeepEqual(after, before) {
					t.Errorf("a failure left %+v", after)
				}
				if err != nil && w.cooling(t, notice.EmailVerification, "grace@example.com") {
					t.Error("a failure left a cooldown")
				}
				return err
			})
			same(t, "calls that can fail", calls, 2)
		})
	}
}

// failAtEveryCall lets the first store call fail, then the second and so on,
// each in a new world, until all succeed. It returns how many there are.
func failAtEveryCall(t *testing.T, do func(*world) error) int {
	t.Helper()
	boom := fault.New(fault.DatabaseFailure).Because(io.ErrUnexpectedEOF)
	for n := 1; n < 100; n++ {
		w := newWorld()
		w.work.FailAt, w.work.Err = n, boom
		err := do(w)
		if err == nil {
			return n - 1
		}
		if !errors.Is(err, io.ErrUnexpectedEOF) || fault.CodeOf(err) == fault.InternalError {
			t.Errorf("with call %d failing, Do = %v", n, err)
		}
	}
	t.Fatal("it never succeeds")
	return 0
}

// Somebody registers the address between our look and our add: the second look
// finds a taken address.
func TestALostRaceIsATakenAddress(t *testing.T) {
	w := newWorld()
	taken(t, w)
	d := w.registrarDeps()
	d.Work = newBlind(w.work, 1)
	_, err := app.NewRegistrar(d).Do(t.Context(), register("grace@example.com"))
	check(t, err)
	after := w.look(t)
	same(t, "users", len(after.users), 1)
	same(t, "store calls", w.work.Calls(), 4)
	sameList(t, "mails", kinds(after.mails), []notice.Kind{notice.RegistrationAlert})
	same(t, "cools", w.cooling(t, notice.EmailVerification, "grace@example.com"), true)
}

func TestAnAddressThatIsAlwaysTakenAndNeverFoundIsAFailure(t *testing.T) {
	w := newWorld()
	d := w.registrarDeps()
	d.Work = haunted{w.work}
	_, err := app.NewRegistrar(d).Do(t.Context(), register("grace@example.com"))
	wantCode(t, err, fault.InternalError)
	same(t, "looks", w.work.Calls(), 3)
}

func TestParallelRegistrationsOfOneAddressMakeOneUser(t *testing.T) {
	spellings := []string{"zoë@example.com", "ZOË@Example.COM", norm.NFD.String("zoë@example.com"), norm.NFD.String("Zoë@EXAMPLE.com"), " zoë@example.com "}
	w := newWorld()
	w.hasher.Busy = nil // others may be inside a transaction
	const crowd = 50
	d := w.registrarDeps()
	d.Work = newBlind(w.work, crowd)
	use := app.NewRegistrar(d)
	var all sync.WaitGroup
	start := make(chan struct{})
	told := make([]inbound.Registered, crowd)
	for i := range crowd {
		all.Go(func() {
			<-start
			var err error
			if told[i], err = use.Do(t.Context(), register(spellings[i%len(spellings)])); err != nil {
				t.Errorf("registration %d: %v", i, err)
			}
		})
	}
	close(start)
	all.Wait()
	check(t, w.hasher.Misused())
	same(t, "hashes made", w.hasher.Made(), crowd)
	after := w.look(t)
	same(t, "users", len(after.users), 1)
	same(t, "normal form", after.users[0].Email.Normal(), email.Normal("zoë@example.com"))
	sameList(t, "accounts for the record", slices.Compact(told), []inbound.Registered{{Account: after.users[0].ID}})
	sameList(t, "mails", kinds(after.mails), slices.Sorted(slices.Values([]notice.Kind{notice.EmailVerification, notice.RegistrationAlert})))
}
