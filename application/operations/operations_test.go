package operations_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/adapters/memory"
	"gatehouse/application/account/accounttest"
	"gatehouse/application/administration"
	app "gatehouse/application/operations"
	"gatehouse/application/password/passwordtest"
	"gatehouse/domain/factor"
	"gatehouse/domain/fault"
	"gatehouse/domain/key"
	"gatehouse/domain/onetime"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/domain/session"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var noon = time.Date(2028, 2, 29, 12, 0, 0, 250000000, time.UTC)

const good = "Tr4in-Station"

// world holds ada and root, who are admins, bob, who is a user, off, who is a
// disabled admin, and gus, a guest.
type world struct {
	store  *memory.Store
	work   *passwordtest.Work
	hasher *passwordtest.Hasher
	caches *accounttest.Caches
	policy password.Policy
	ids    atomic.Int32
}

func newWorld(t *testing.T) *world {
	t.Helper()
	store := memory.New()
	w := &world{store: store, work: &passwordtest.Work{UnitOfWork: store}, hasher: &passwordtest.Hasher{}, caches: &accounttest.Caches{}}
	w.hasher.Busy = w.work.Inside
	for _, s := range []principal.Snapshot{user("ada", true), user("root", true), user("bob", false), disabled("off")} {
		w.add(t, s)
	}
	w.add(t, principal.NewGuest("gus", "Gus", noon).Snapshot())
	return w
}

func user(id principal.ID, admin bool) principal.Snapshot {
	return principal.Snapshot{
		ID: id, Kind: principal.User, Name: string(id), Email: accounttest.Address(string(id) + "@example.com"), Hash: passwordtest.HashOf("x"),
		Admin: admin, CredVersion: 3, TokenGen: 2, CreatedAt: noon, LastActive: noon,
	}
}

func disabled(id principal.ID) principal.Snapshot {
	s := user(id, true)
	s.Disabled = true
	return s
}

func (w *world) add(t *testing.T, s principal.Snapshot) {
	t.Helper()
	p, err := principal.Restore(s)
	check(t, err)
	st, end := w.store.Single(), noon.Add(time.Hour)
	check(t, st.Principals.Add(t.Context(), p))
	check(t, st.Sessions.Add(t.Context(), session.Session{ID: session.ID(s.ID + " in"), PrincipalID: s.ID, StartedAt: noon, ExpiresAt: end, Until: end}))
	for _, k := range linkKinds {
		check(t, st.OneTime.Add(t.Context(), onetime.Item{Hash: hashOf(s.ID, k), Kind: k, Principal: s.ID, Address: s.Email, CreatedAt: noon, ExpiresAt: end}))
	}
}

var linkKinds = []onetime.Kind{onetime.PasswordReset, onetime.EmailVerification, onetime.Challenge}

func hashOf(id principal.ID, k onetime.Kind) onetime.Hash {
	return onetime.HashOf(secret.New(string(id) + string(k)))
}

// seen is what can be seen of a principal.
type seen struct {
	principal principal.Snapshot
	sessions  int
	links     []onetime.State
}

func (w *world) look(t *testing.T, id principal.ID) (out seen) {
	t.Helper()
	s := w.store.Single()
	p, err := s.Principals.ByID(t.Context(), id)
	check(t, err)
	live, err := s.Sessions.Of(t.Context(), id, noon)
	check(t, err)
	out.principal, out.sessions = p.Snapshot(), len(live)
	for _, k := range linkKinds {
		i, err := s.OneTime.Find(t.Context(), k, hashOf(id, k))
		check(t, err)
		out.links = append(out.links, i.State(noon))
	}
	return out
}

func (w *world) users(t *testing.T) []principal.ID {
	t.Helper()
	return w.userIDs(t, "", 100)
}

func (w *world) userIDs(t *testing.T, after principal.ID, limit int) (ids []principal.ID) {
	t.Helper()
	all, err := app.NewUserLister(app.UserListerDeps{Work: w.work}).Do(t.Context(), inbound.ListUsers{After: after, Limit: limit})
	check(t, err)
	for _, p := range all {
		ids = append(ids, p.ID())
	}
	return ids
}

func clock() time.Time { return noon }

func (w *world) creator() *app.UserCreator {
	return app.NewUserCreator(app.UserCreatorDeps{
		Work: w.work, Hasher: w.hasher, Policy: w.policy, Now: clock,
		NewID: func() string { return fmt.Sprintf("new-%d", w.ids.Add(1)) },
	})
}

func (w *world) setter() *app.AdminSetter {
	return app.NewAdminSetter(app.AdminSetterDeps{Accounts: w.accounts()})
}

func (w *world) disabler() *app.UserDisabler {
	return app.NewUserDisabler(app.UserDisablerDeps{Accounts: w.accounts()})
}

func (w *world) accounts() *administration.Changer {
	return administration.NewChanger(administration.ChangerDeps{Work: w.work, Revocations: w.caches, Now: clock})
}

func (w *world) ensurer() *app.AdminEnsurer {
	return app.NewAdminEnsurer(app.AdminEnsurerDeps{Create: w.creator(), Set: w.setter()})
}

func grace(admin bool) inbound.CreateUser {
	return inbound.CreateUser{Email: " Grace@Example.com", Name: " Grace ", Password: password.NewPlain(good), Admin: admin}
}

func TestCreateUser(t *testing.T) {
	for _, admin := range []bool{false, true} {
		w := newWorld(t)
		w.work.Twice = true
		p, err := w.creator().Do(t.Context(), grace(admin))
		check(t, err)
		check(t, w.hasher.Misused())
		got, err := w.store.Single().Principals.ByEmail(t.Context(), "grace@example.com")
		check(t, err)
		s := got.Snapshot()
		if s.ID != p.ID() || !s.EmailVerified || s.Admin != admin || s.Name != "Grace" || s.Email.Typed() != "Grace@Example.com" ||
			!s.Hash.Equal(passwordtest.HashOf(good)) || !s.CreatedAt.Equal(noon) {
			t.Errorf("stored %+v", s)
		}
		live, err := w.store.Single().Sessions.Of(t.Context(), s.ID, noon)
		check(t, err)
		same(t, "sessions", len(live), 0)
	}
}

func TestUsersMayBeginWithMailedCodes(t *testing.T) {
	w := newWorld(t)
	create := app.NewUserCreator(app.UserCreatorDeps{
		Work: w.work, Hasher: w.hasher, Policy: password.Policy{Profile: password.NIST}, Mailed: true, Now: clock, NewID: func() string { return "new" },
	})
	cmd := grace(false)
	cmd.Password = password.NewPlain("nine-char") // enough beside a second factor
	p, err := create.Do(t.Context(), cmd)
	if err != nil || p.Factors() != (factor.Set{}).With(factor.Email) {
		t.Errorf("user = %+v, %v", p, err)
	}
}

func TestCreateUserRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		cmd    func(*inbound.CreateUser)
		given  func(*world)
		want   fault.Code
		broken []string
	}{
		"what breaks rules": {
			cmd: func(c *inbound.CreateUser) { c.Email, c.Name, c.Password = "grace", "", password.NewPlain("Short1!") }, want: fault.InvalidRequest,
			broken: []string{"email email", "password min_length", "name not_blank"},
		},
		"the name in the password": {
			given: func(w *world) { w.policy.Profile = password.NIST },
			cmd:   func(c *inbound.CreateUser) { c.Password = password.NewPlain("amazing grace, how") }, want: fault.InvalidRequest,
			broken: []string{"password contains_identity"},
		},
		"a taken address": {cmd: func(c *inbound.CreateUser) { c.Email = "ADA@example.com" }, want: fault.EmailTaken},
		"without a turn":  {given: func(w *world) { w.hasher.Full = true }, want: fault.ServiceOverloaded},
		"without a hash":  {given: func(w *world) { w.hasher.Fails = true }, want: fault.HashFailure},
		"a broken store":  {given: func(w *world) { w.work.FailAt, w.work.Err = 1, fault.New(fault.DatabaseFailure) }, want: fault.DatabaseFailure},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if tc.given != nil {
				tc.given(w)
			}
			cmd := grace(false)
			if tc.cmd != nil {
				tc.cmd(&cmd)
			}
			p, err := w.creator().Do(t.Context(), cmd)
			if fault.CodeOf(err) != tc.want || p != nil {
				t.Fatalf("Do = %v, %v, want code %q", p, err, tc.want)
			}
			sameList(t, "broken", broken(err), tc.broken)
			sameList(t, "users", w.users(t), []principal.ID{"ada", "bob", "off", "root"})
		})
	}
}

func TestEnsureAdmin(t *testing.T) {
	for name, tc := range map[string]struct {
		cmd    func(*inbound.EnsureAdmin)
		want   fault.Code
		as     principal.ID
		told   int
		hashes int
	}{
		"nobody yet":     {as: "new-1", hashes: 1},
		"a user":         {cmd: func(c *inbound.EnsureAdmin) { c.Email = "BOB@example.com" }, as: "bob", told: 1},
		"an admin":       {cmd: func(c *inbound.EnsureAdmin) { c.Email = "ada@example.com" }, as: "ada", told: 1},
		"a bad password": {cmd: func(c *inbound.EnsureAdmin) { c.Email, c.Password = "ada@example.com", password.NewPlain("weak") }, want: fault.InvalidRequest},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			cmd := inbound.EnsureAdmin{CreateUser: grace(false)}
			if tc.cmd != nil {
				tc.cmd(&cmd)
			}
			w.caches.Fails = errors.New("cache is down") // which keeps nobody from being an admin
			p, err := w.ensurer().Do(t.Context(), cmd)
			if fault.CodeOf(err) != tc.want {
				t.Fatalf("Do = %v, want code %q", err, tc.want)
			}
			same(t, "hashes made", w.hasher.Made(), tc.hashes)
			if err != nil {
				return
			}
			same(t, "id", p.ID(), tc.as)
			stored, err := w.store.Single().Principals.ByID(t.Context(), tc.as)
			check(t, err)
			same(t, "admin", stored.IsAdmin(), true)
			same(t, "password kept", stored.PasswordHash().Equal(passwordtest.HashOf("x")), tc.hashes == 0)
			same(t, "told", len(w.caches.Told()), tc.told)
		})
	}
}

func TestReplicasThatStartAtOnceEnsureOneAdmin(t *testing.T) {
	w := newWorld(t)
	w.hasher.Busy = nil // others may be inside a transaction
	use := w.ensurer()
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			p, err := use.Do(t.Context(), inbound.EnsureAdmin{CreateUser: grace(false)})
			if err != nil || !p.IsAdmin() {
				t.Errorf("Do = %v, %v", p, err)
			}
		})
	}
	all.Wait()
	same(t, "users", len(w.users(t)), 5)
}

func TestARivalMayCreateTheAdminMeanwhile(t *testing.T) {
	w := newWorld(t)
	w.hasher.OnHash = func() {
		s := user("rival", false)
		s.Email = accounttest.Address("grace@example.com")
		w.add(t, s)
	}
	p, err := w.ensurer().Do(t.Context(), inbound.EnsureAdmin{CreateUser: grace(false)})
	check(t, err)
	same(t, "id", p.ID(), principal.ID("rival"))
	same(t, "admin", w.look(t, "rival").principal.Admin, true)
}

func TestUsersAreListedPageByPage(t *testing.T) {
	w := newWorld(t)
	sameList(t, "first", w.userIDs(t, "", 2), []principal.ID{"ada", "bob"})
	sameList(t, "second", w.userIDs(t, "bob", 9), []principal.ID{"off", "root"})
	w.work.FailAt, w.work.Err = w.work.Calls()+1, io.ErrUnexpectedEOF
	_, err := app.NewUserLister(app.UserListerDeps{Work: w.work}).Do(t.Context(), inbound.ListUsers{Limit: 1})
	same(t, "failure passed on", errors.Is(err, io.ErrUnexpectedEOF), true)
}

func TestADisabledUserHasNothingLeft(t *testing.T) {
	for _, name := range []string{"bob", "Bob@Example.com", " BOB ", "ada"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.work.Twice = true
			id := principal.ID("bob")
			if name == "ada" {
				id = "ada"
			}
			before := w.look(t, id)
			p, err := w.disabler().Do(t.Context(), inbound.DisableUser{User: name})
			check(t, err)
			same(t, "answer", p.ID(), id)
			same(t, "answer disabled", p.IsDisabled(), true)
			want := before
			want.principal.Disabled, want.principal.TokenGen, want.principal.Version = true, 3, before.principal.Version+1
			want.sessions, want.links = 0, []onetime.State{onetime.Voided, onetime.Voided, onetime.Voided}
			if after := w.look(t, id); !sameSeen(after, want) {
				t.Errorf("after %+v\nwant  %+v", after, want)
			}
			sameList(t, "told", w.caches.Told(), []outbound.Revocation{{Principal: id}})
			for _, other := range []principal.ID{"root", "gus"} {
				if o := w.look(t, other); o.sessions != 1 || slices.Contains(o.links, onetime.Voided) {
					t.Errorf("%s became %+v", other, o)
				}
			}
		})
	}
}

func sameSeen(a, b seen) bool {
	if !a.principal.Hash.Equal(b.principal.Hash) {
		return false
	}
	a.principal.Hash, b.principal.Hash = password.Hash{}, password.Hash{}
	return reflect.DeepEqual(a, b)
}

// Caches are told all the same: whoever made the change before may have failed
// after it was stored.
func TestWhatIsSoAlreadyIsToldAndNotChanged(t *testing.T) {
	for name, tc := range map[string]struct {
		id principal.ID
		do func(context.Context, *world) error
	}{
		"disabled already":    {"off", func(ctx context.Context, w *world) error { return disable(ctx, w, "off") }},
		"an admin already":    {"ada", func(ctx context.Context, w *world) error { return setAdmin(ctx, w, "ada", true) }},
		"no admin in the end": {"bob", func(ctx context.Context, w *world) error { return setAdmin(ctx, w, "bob", false) }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			before := w.look(t, tc.id)
			check(t, tc.do(t.Context(), w))
			if after := w.look(t, tc.id); !sameSeen(after, before) {
				t.Errorf("after  %+v\nbefore %+v", after, before)
			}
			sameList(t, "told", w.caches.Told(), []outbound.Revocation{{Principal: tc.id}})
		})
	}
}

func disable(ctx context.Context, w *world, who string) error {
	_, err := w.disabler().Do(ctx, inbound.DisableUser{User: who})
	return err
}

func setAdmin(ctx context.Context, w *world, who string, admin bool) error {
	_, err := w.setter().Do(ctx, inbound.SetAdmin{User: who, Admin: admin})
	return err
}

func TestSetAdminKeepsSessionsAndMakesTokensStale(t *testing.T) {
	for who, admin := range map[principal.ID]bool{"bob": true, "ada": false, "off": false} {
		w := newWorld(t)
		w.work.Twice = true
		want := w.look(t, who)
		check(t, setAdmin(t.Context(), w, string(who), admin))
		want.principal.Admin, want.principal.TokenGen = admin, 3
		want.principal.Version++
		if after := w.look(t, who); !sameSeen(after, want) {
			t.Errorf("after %+v\nwant  %+v", after, want)
		}
		sameList(t, "told", w.caches.Told(), []outbound.Revocation{{Principal: who}})
	}
}

func TestOperationsRefuse(t *testing.T) {
	alone := func(t *testing.T, w *world) { check(t, setAdmin(t.Context(), w, "root", false)) }
	for name, tc := range map[string]struct {
		given func(*testing.T, *world)
		do    func(context.Context, *world) error
		want  fault.Code
	}{
		"to disable nobody":                 {do: func(ctx context.Context, w *world) error { return disable(ctx, w, "eve") }, want: fault.UserNotFound},
		"to disable an unknown address":     {do: func(ctx context.Context, w *world) error { return disable(ctx, w, "eve@example.com") }, want: fault.UserNotFound},
		"to disable a guest":                {do: func(ctx context.Context, w *world) error { return disable(ctx, w, "gus") }, want: fault.UserNotFound},
		"to disable the last enabled admin": {given: alone, do: func(ctx context.Context, w *world) error { return disable(ctx, w, "ada") }, want: fault.AtLeastOneAdminRequired},
		"to make nobody an admin":           {do: func(ctx context.Context, w *world) error { return setAdmin(ctx, w, "eve", true) }, want: fault.UserNotFound},
		"to make a guest an admin":          {do: func(ctx context.Context, w *world) error { return setAdmin(ctx, w, "gus", true) }, want: fault.GuestCannotPerformThisAction},
		"to take the role of nobody":        {do: func(ctx context.Context, w *world) error { return setAdmin(ctx, w, "eve", false) }, want: fault.UserNotFound},
		"to take the role of a guest":       {do: func(ctx context.Context, w *world) error { return setAdmin(ctx, w, "gus", false) }, want: fault.UserNotFound},
		"to take the last admin's role":     {given: alone, do: func(ctx context.Context, w *world) error { return setAdmin(ctx, w, "ada", false) }, want: fault.AtLeastOneAdminRequired},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if tc.given != nil {
				tc.given(t, w)
			}
			before, told := w.look(t, "ada"), len(w.caches.Told())
			if err := tc.do(t.Context(), w); fault.CodeOf(err) != tc.want {
				t.Fatalf("Do = %v, want code %q", err, tc.want)
			}
			if after := w.look(t, "ada"); !sameSeen(after, before) {
				t.Errorf("after  %+v\nbefore %+v", after, before)
			}
			same(t, "told", len(w.caches.Told()), told)
		})
	}
}

// A disabled admin counts for nothing, so taking the role loses nobody.
func TestADisabledAdminIsNotTheLastOne(t *testing.T) {
	w := newWorld(t)
	w.store = memory.New()
	w.work.UnitOfWork = w.store
	w.add(t, disabled("off"))
	check(t, setAdmin(t.Context(), w, "off", false))
	same(t, "admin", w.look(t, "off").principal.Admin, false)
}

func TestAChangeStandsThoughCachesWereNotTold(t *testing.T) {
	w := newWorld(t)
	w.caches.Fails = io.ErrClosedPipe
	for what, err := range map[string]error{"disable": disable(t.Context(), w, "bob"), "set": setAdmin(t.Context(), w, "ada", false)} {
		if fault.CodeOf(err) != fault.PostCommitSideEffectFailure || !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: %v", what, err)
		}
	}
	same(t, "disabled", w.look(t, "bob").principal.Disabled, true)
	same(t, "admin", w.look(t, "ada").principal.Admin, false)
}

func TestOperationsPassFailuresOnAndChangeNothing(t *testing.T) {
	for name, tc := range map[string]struct {
		do    func(context.Context, *world) error
		calls int
	}{
		"disable": {func(ctx context.Context, w *world) error { return disable(ctx, w, "bob") }, 10},
		"grant":   {func(ctx context.Context, w *world) error { return setAdmin(ctx, w, "bob", true) }, 3},
		"take":    {func(ctx context.Context, w *world) error { return setAdmin(ctx, w, "ada", false) }, 4},
		"end": {func(ctx context.Context, w *world) error {
			_, err := app.NewSessionsEnder(app.SessionsEnderDeps{Work: w.work, Revocations: w.caches, Now: clock}).Do(ctx, inbound.EndEverySession{})
			return err
		}, 1},
		"restore": {func(ctx context.Context, w *world) error {
			_, err := app.NewRestoreDeclarer(app.RestoreDeclarerDeps{Work: w.work, Now: clock}).Do(ctx, inbound.DeclareRestore{Epoch: 1})
			return err
		}, 5},
		"list keys": {func(ctx context.Context, w *world) error {
			_, err := app.NewKeyLister(app.KeyListerDeps{Work: w.work}).Do(ctx, inbound.ListKeys{})
			return err
		}, 1},
		"ensure": {func(ctx context.Context, w *world) error {
			_, err := w.ensurer().Do(ctx, inbound.EnsureAdmin{CreateUser: grace(true)})
			return err
		}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			for n := 1; ; n++ {
				w := newWorld(t)
				bob, ada := w.look(t, "bob"), w.look(t, "ada")
				w.work.FailAt, w.work.Err = n, fault.New(fault.DatabaseFailure)
				err := tc.do(t.Context(), w)
				if err == nil {
					same(t, "calls that can fail", n-1, tc.calls)
					return
				}
				same(t, "code", fault.CodeOf(err), fault.DatabaseFailure)
				if !sameSeen(w.look(t, "bob"), bob) || !sameSeen(w.look(t, "ada"), ada) || len(w.caches.Told()) > 0 {
					t.Errorf("call %d failing left traces", n)
				}
			}
		})
	}
}

// Everybody tries to remove another admin; one of them has to remain.
func TestOneAdminRemains(t *testing.T) {
	for range 20 {
		w := newWorld(t)
		var admins []string
		for i := range 10 {
			s := user(principal.ID(fmt.Sprintf("admin-%d", i)), true)
			w.add(t, s)
			admins = append(admins, string(s.ID))
		}
		admins = append(admins, "ada", "root@example.com")
		var refused atomic.Int32
		var all sync.WaitGroup
		for i, who := range admins {
			all.Go(func() {
				do := func() error { return disable(t.Context(), w, who) }
				if i%2 == 0 {
					do = func() error { return setAdmin(t.Context(), w, who, false) }
				}
				switch err := do(); fault.CodeOf(err) {
				case "":
				case fault.AtLeastOneAdminRequired:
					refused.Add(1)
				default:
					t.Errorf("%s: %v", who, err)
				}
			})
		}
		all.Wait()
		left, err := w.store.Single().Principals.EnabledAdmins(t.Context())
		check(t, err)
		if len(left) != 1 || refused.Load() != 1 {
			t.Fatalf("left %v, refused %d", left, refused.Load())
		}
	}
}

func TestEverySessionEnds(t *testing.T) {
	w := newWorld(t)
	w.work.Twice = true
	use := app.NewSessionsEnder(app.SessionsEnderDeps{Work: w.work, Revocations: w.caches, Now: clock})
	for _, want := range []int{5, 0} {
		n, err := use.Do(t.Context(), inbound.EndEverySession{})
		check(t, err)
		same(t, "ended", n, want)
	}
	sameList(t, "told", w.caches.Told(), []outbound.Revocation{{}, {}}) // of everybody
	for _, id := range []principal.ID{"ada", "bob", "gus"} {
		same(t, string(id), w.look(t, id).sessions, 0)
	}
}

func TestKeysAreListedWithoutMaterial(t *testing.T) {
	w := newWorld(t)
	young := key.Key{ID: "k2", Purpose: key.Signing, Algorithm: "ES256", State: key.Current, CreatedAt: noon}
	aged := key.Key{ID: "k1", Purpose: key.Encryption, Algorithm: "A256GCM", State: key.Current, CreatedAt: noon.Add(-time.Hour)}
	for _, k := range []key.Key{young, aged} {
		check(t, w.store.Single().Keys.Add(t.Context(), key.Wrapped{Key: k, Material: []byte("m"), WrapperID: "w"}))
	}
	got, err := app.NewKeyLister(app.KeyListerDeps{Work: w.work}).Do(t.Context(), inbound.ListKeys{})
	check(t, err)
	sameList(t, "keys", got, []key.Key{aged, young})
}

func broken(err error) (names []string) {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		for _, v := range f.Broken() {
			names = append(names, fmt.Sprint(v.Field, " ", v.Rule))
		}
	}
	return names
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func same[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

func sameList[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

// An admin who exists keeps a password that has leaked since: only what is set
// is asked about, so that nobody's being out of reach keeps a replica from
// starting.
func TestALeakedPasswordMakesNoUser(t *testing.T) {
	w := newWorld(t)
	b := &accounttest.Breaches{Leaked: []string{good}, Busy: w.work.Inside}
	create := app.NewUserCreator(app.UserCreatorDeps{
		Work: w.work, Hasher: w.hasher, Policy: w.policy, Leaks: b.Leaks(true), Now: clock, NewID: func() string { return "new" },
	})
	ensure := app.NewAdminEnsurer(app.AdminEnsurerDeps{Create: create, Set: w.setter()})
	cmd := inbound.CreateUser{Email: "eve@example.com", Name: "Eve", Password: password.NewPlain(good)}
	before := w.users(t)
	for _, c := range []struct {
		fails error
		want  fault.Code
	}{{nil, fault.InvalidRequest}, {io.ErrUnexpectedEOF, fault.ServiceOverloaded}} {
		b.Fails = c.fails
		_, err := create.Do(t.Context(), cmd)
		_, ensured := ensure.Do(t.Context(), inbound.EnsureAdmin{CreateUser: cmd})
		if fault.CodeOf(err) != c.want || fault.CodeOf(ensured) != c.want {
			t.Errorf("Do = %v, ensured %v, want %s", err, ensured, c.want)
		}
	}
	if w.hasher.Made() != 0 || !slices.Equal(w.users(t), before) {
		t.Error("it was hashed, or stored")
	}
	cmd.Email = "bob@example.com"
	asked := b.Asked()
	p, err := ensure.Do(t.Context(), inbound.EnsureAdmin{CreateUser: cmd})
	if err != nil || !p.IsAdmin() || b.Asked() != asked {
		t.Errorf("who is there: %v, asked %d times", err, b.Asked()-asked)
	}
}
