package group_test

import (
	"context"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/adapters/memory"
	"gatehouse/application/account/accounttest"
	app "gatehouse/application/group"
	"gatehouse/application/password/passwordtest"
	"gatehouse/domain/fault"
	"gatehouse/domain/group"
	"gatehouse/domain/page"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var noon = time.Date(2028, 2, 29, 12, 0, 0, 250000000, time.UTC)

// world holds ada and bob, who are users, gus, a guest, and the group staff, in
// which bob is. The service speaks English.
type world struct {
	store  *memory.Store
	work   *passwordtest.Work
	caches *accounttest.Caches
}

func newWorld(t *testing.T) *world {
	t.Helper()
	store := memory.New()
	w := &world{store: store, work: &passwordtest.Work{UnitOfWork: store}, caches: &accounttest.Caches{}}
	check(t, store.Single().Groups.Add(t.Context(), group.Restore("staff", group.Texts{"en": {Name: "Staff"}, "de": {Name: "Belegschaft"}})))
	for id, groups := range map[principal.ID][]string{"ada": nil, "bob": {"staff"}} {
		p, err := principal.Restore(principal.Snapshot{
			ID: id, Kind: principal.User, Name: string(id), Email: accounttest.Address(string(id) + "@example.com"), Hash: passwordtest.HashOf("x"),
			Groups: groups, CreatedAt: noon, LastActive: noon,
		})
		check(t, err)
		check(t, store.Single().Principals.Add(t.Context(), p))
	}
	check(t, store.Single().Principals.Add(t.Context(), principal.NewGuest("gus", "Gus", noon)))
	return w
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) deps() app.Deps {
	return app.Deps{Work: w.work, Service: "en", Canonical: func(tag string) (string, bool) {
		return strings.ReplaceAll(tag, "_", "-"), len(tag) == 2 || len(tag) == 5
	}}
}

func (w *world) changing() app.MemberDeps {
	return app.MemberDeps{Work: w.work, Revocations: w.caches}
}

// asked is who asks for what a test does.
func asked(roles ...principal.Role) inbound.Context {
	return inbound.Context{Caller: session.Caller{PrincipalID: "root", Roles: roles}, Locale: "de-AT"}
}

func byAdmin() inbound.Context { return asked(principal.RoleUser, principal.RoleAdmin) }

// state is all that can change.
type state struct {
	Groups   []group.Delivered
	Texts    group.Texts // of staff
	Ada, Bob principal.Snapshot
}

func (w *world) look(t *testing.T) (out state) {
	t.Helper()
	s := w.store.Single()
	p, err := s.Groups.Page(t.Context(), "en", "en", page.Request{Size: 10})
	check(t, err)
	out.Groups = p.Content
	if g, err := s.Groups.ByKey(t.Context(), "staff"); err == nil {
		out.Texts = g.Texts()
	}
	for id, into := range map[principal.ID]*principal.Snapshot{"ada": &out.Ada, "bob": &out.Bob} {
		p, err := s.Principals.ByID(t.Context(), id)
		check(t, err)
		*into = p.Snapshot()
	}
	return out
}

// calls are the use cases, each asked for something that is fine.
var calls = map[string]func(ctx context.Context, w *world, by inbound.Context) error{
	"create": func(ctx context.Context, w *world, by inbound.Context) error {
		_, err := app.NewCreator(w.deps()).Do(ctx, inbound.CreateGroup{Context: by, Key: "new", Texts: group.Texts{"en": {Name: "New"}}})
		return err
	},
	"list": func(ctx context.Context, w *world, by inbound.Context) error {
		_, err := app.NewLister(w.deps()).Do(ctx, inbound.ListGroups{Context: by, Page: page.Request{Size: 1}})
		return err
	},
	"show": func(ctx context.Context, w *world, by inbound.Context) error {
		_, err := app.NewShower(w.deps()).Do(ctx, inbound.ShowGroup{Context: by, Key: "staff"})
		return err
	},
	"update": func(ctx context.Context, w *world, by inbound.Context) error {
		_, err := app.NewUpdater(w.deps()).Do(ctx, inbound.UpdateGroup{Context: by, Key: "staff", Without: []string{"de"}})
		return err
	},
	"delete": func(ctx context.Context, w *world, by inbound.Context) error {
		_, err := app.NewDeleter(w.changing()).Do(ctx, inbound.DeleteGroup{Context: by, Key: "staff"})
		return err
	},
	"add": func(ctx context.Context, w *world, by inbound.Context) error {
		_, err := w.adds(ctx, by, "staff", "ada")
		return err
	},
	"remove": func(ctx context.Context, w *world, by inbound.Context) error {
		_, err := w.removes(ctx, by, "staff", "bob")
		return err
	},
}

func (w *world) adds(ctx context.Context, by inbound.Context, group string, user principal.ID) (inbound.Member, error) {
	return app.NewMemberAdder(w.changing()).Do(ctx, inbound.AddMember{Context: by, Group: group, User: user})
}

func (w *world) removes(ctx context.Context, by inbound.Context, group string, user principal.ID) (inbound.Member, error) {
	return app.NewMemberRemover(w.changing()).Do(ctx, inbound.RemoveMember{Context: by, Group: group, User: user})
}

func TestOnlyAdminsManageGroups(t *testing.T) {
	for name, call := range calls {
		for _, by := range []inbound.Context{{}, asked(principal.RoleUser), asked(principal.RoleGuest)} {
			w := newWorld(t)
			before := w.look(t)
			if err := call(t.Context(), w, by); fault.CodeOf(err) != fault.RoleRequired {
				t.Errorf("%s by %v = %v", name, by.Caller.Roles, err)
			}
			if got := w.look(t); !reflect.DeepEqual(got, before) || w.work.Calls() > 0 {
				t.Errorf("%s by %v asks stores or changes something", name, by.Caller.Roles)
			}
		}
	}
}

func TestAStoreThatFailsChangesNothing(t *testing.T) {
	for name, call := range calls {
		for at := 1; ; at++ {
			w := newWorld(t)
			w.work.FailAt, w.work.Err = at, fault.New(fault.DatabaseFailure).Because(io.ErrUnexpectedEOF)
			before := w.look(t)
			err := call(t.Context(), w, byAdmin())
			if w.work.Calls() < at {
				check(t, err)
				break
			}
			want := fault.DatabaseFailure
			if name == "delete" && at == 1 {
				want = fault.MemberUpdateFailure
			}
			if fault.CodeOf(err) != want || !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s, call %d fails: %v", name, at, err)
			}
			if got := w.look(t); !reflect.DeepEqual(got, before) {
				t.Errorf("%s, call %d fails: %+v, before %+v", name, at, got, before)
			}
			if told := w.caches.Told(); len(told) > 0 {
				t.Errorf("%s, call %d fails: caches were told %v", name, at, told)
			}
		}
	}
}

func TestWhatIsRunAgainIsDoneOnce(t *testing.T) {
	for name, call := range calls {
		once, twice := newWorld(t), newWorld(t)
		twice.work.Twice = true
		check(t, call(t.Context(), once, byAdmin()))
		check(t, call(t.Context(), twice, byAdmin()))
		if a, b := once.look(t), twice.look(t); !reflect.DeepEqual(a, b) {
			t.Errorf("%s: %+v, run again %+v", name, a, b)
		}
	}
}

func TestCreateGroup(t *testing.T) {
	for _, tc := range []struct {
		name, key string
		texts     group.Texts
		code      fault.Code
		rules     string
		locale    string // of the answer
	}{
		{"one text", "new", group.Texts{"en": {Name: " New ", Description: "x"}}, "", "", "en"},
		{"a text for who asks", "new", group.Texts{"en": {Name: "New"}, "de_AT": {Name: "Neu"}}, "", "", "de-AT"},
		{"another case", "Staff", group.Texts{"en": {Name: "New"}}, "", "", "en"},
		{"a key that is used", "staff", group.Texts{"en": {Name: "New"}}, fault.GroupKeyExists, "", ""},
		{"no text", "new", nil, fault.InvalidGroupTranslation, "", ""},
		{"none in the language of the service", "new", group.Texts{"de": {Name: "Neu"}, "en-GB": {Name: "New"}}, fault.InvalidGroupTranslation, "", ""},
		{"none, and a key that is used", "staff", group.Texts{"de": {Name: "Neu"}}, fault.InvalidGroupTranslation, "", ""},
		{"everything broken", "a b", group.Texts{"english": {Name: "New"}, "de": {}}, fault.InvalidRequest, "key:pattern translations.de.name:not_blank translations.english:locale", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			before := w.look(t)
			got, err := app.NewCreator(w.deps()).Do(t.Context(), inbound.CreateGroup{Context: byAdmin(), Key: tc.key, Texts: tc.texts})
			refused(t, err, tc.code, tc.rules)
			if got.Locale != tc.locale {
				t.Errorf("told in %q, want %q", got.Locale, tc.locale)
			}
			if after := w.look(t); reflect.DeepEqual(after, before) == (tc.code == "") {
				t.Errorf("groups %v", after.Groups)
			}
		})
	}
}

func refused(t *testing.T, err error, code fault.Code, rules string) {
	t.Helper()
	if fault.CodeOf(err) != code {
		t.Fatalf("Do = %v, want code %q", err, code)
	}
	var broken []string
	if f, ok := errors.AsType[*fault.Error](err); ok {
		for _, b := range f.Broken() {
			broken = append(broken, b.Field+":"+string(b.Rule))
		}
	}
	if got := strings.Join(broken, " "); got != rules {
		t.Errorf("broken %q, want %q", got, rules)
	}
}

func TestGroupsAreShownInTheLanguageOfWhoAsks(t *testing.T) {
	w := newWorld(t)
	want := group.Delivered{Key: "staff", Locale: "de", Text: group.Text{Name: "Belegschaft"}}
	got, err := app.NewShower(w.deps()).Do(t.Context(), inbound.ShowGroup{Context: byAdmin(), Key: "staff"})
	if got != want || err != nil {
		t.Errorf("shown %+v, %v", got, err)
	}
	list, err := app.NewLister(w.deps()).Do(t.Context(), inbound.ListGroups{Context: byAdmin(), Page: page.Request{Size: 5}})
	if !slices.Equal(list.Content, []group.Delivered{want}) || list.Total != 1 || err != nil {
		t.Errorf("listed %+v, %v", list, err)
	}
	for _, key := range []string{"STAFF", "", "a\x00"} {
		_, err := app.NewShower(w.deps()).Do(t.Context(), inbound.ShowGroup{Context: byAdmin(), Key: key})
		refused(t, err, fault.DatabaseEntityNotFound, "")
	}
}

func TestUpdateGroup(t *testing.T) {
	for _, tc := range []struct {
		name, key string
		without   []string
		texts     group.Texts
		code      fault.Code
		rules     string
		want      string // name in English and German
	}{
		{"nothing", "staff", nil, nil, "", "", "Staff Belegschaft"},
		{"a text", "staff", nil, group.Texts{"de": {Name: "Leute"}}, "", "", "Staff Leute"},
		{"less", "staff", []string{"de", "fr"}, nil, "", "", "Staff "},
		{"less, then more", "staff", []string{"en", "de"}, group.Texts{"en": {Name: "People"}}, "", "", "People "},
		{"unknown", "STAFF", nil, group.Texts{"en": {Name: "x"}}, fault.DatabaseEntityNotFound, "", "Staff Belegschaft"},
		{"no key", "a\x00b", nil, nil, fault.DatabaseEntityNotFound, "", "Staff Belegschaft"},
		{"without the language of the service", "staff", []string{"en"}, group.Texts{"de": {Name: "x"}}, fault.InvalidGroupTranslation, "", "Staff Belegschaft"},
		{"unknown, without it", "STAFF", []string{"en"}, nil, fault.DatabaseEntityNotFound, "", "Staff Belegschaft"},
		{"everything broken", "STAFF", []string{"de", "x"}, group.Texts{"y": {}}, fault.InvalidRequest, "translations.y:locale translations.y.name:not_blank translationsToDelete.1:locale", "Staff Belegschaft"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			_, err := app.NewUpdater(w.deps()).Do(t.Context(), inbound.UpdateGroup{Context: byAdmin(), Key: tc.key, Without: tc.without, Texts: tc.texts})
			refused(t, err, tc.code, tc.rules)
			after := w.look(t)
			if got := after.Texts["en"].Name + " " + after.Texts["de"].Name; got != tc.want {
				t.Errorf("it is called %q, want %q", got, tc.want)
			}
			if after.Bob.TokenGen != 0 || len(w.caches.Told()) > 0 {
				t.Error("tokens of a member are stale")
			}
		})
	}
}

func TestDeleteGroup(t *testing.T) {
	w := newWorld(t)
	for _, key := range []string{"STAFF", "a\x00b"} {
		_, err := app.NewDeleter(w.changing()).Do(t.Context(), inbound.DeleteGroup{Context: byAdmin(), Key: key})
		refused(t, err, fault.DatabaseEntityNotFound, "")
	}
	check(t, calls["delete"](t.Context(), w, byAdmin()))
	got := w.look(t)
	if len(got.Groups) > 0 || len(got.Bob.Groups) > 0 || got.Bob.TokenGen != 1 || got.Ada.TokenGen != 0 {
		t.Errorf("%+v", got)
	}
	if told := w.caches.Told(); !slices.Equal(told, []outbound.Revocation{{}}) {
		t.Errorf("caches were told %v", told)
	}
	refused(t, calls["delete"](t.Context(), w, byAdmin()), fault.DatabaseEntityNotFound, "")
}

func TestTheEndOfAGroupWithoutMembersIsNoBusinessOfCaches(t *testing.T) {
	w := newWorld(t)
	w.caches.Fails = io.ErrUnexpectedEOF
	check(t, calls["create"](t.Context(), w, byAdmin()))
	_, err := app.NewDeleter(w.changing()).Do(t.Context(), inbound.DeleteGroup{Context: byAdmin(), Key: "new"})
	check(t, err)
}

func TestMembersComeAndGo(t *testing.T) {
	type call = func(*world, context.Context, inbound.Context, string, principal.ID) (inbound.Member, error)
	for _, tc := range []struct {
		name    string
		call    call
		group   string
		user    principal.ID
		code    fault.Code
		in      bool // the group, afterwards
		changed bool
	}{
		{"added", (*world).adds, "staff", "ada", "", true, true},
		{"added, there already", (*world).adds, "staff", "bob", "", true, false},
		{"removed", (*world).removes, "staff", "bob", "", false, true},
		{"removed, not there", (*world).removes, "staff", "ada", "", false, false},
		{"added to an unknown group", (*world).adds, "STAFF", "nobody", fault.GroupNotFound, false, false},
		{"added to no key", (*world).adds, "a\x00b", "ada", fault.GroupNotFound, false, false},
		{"removed from an unknown group", (*world).removes, "STAFF", "bob", fault.GroupNotFound, false, false},
		{"an unknown user", (*world).adds, "staff", "nobody", fault.UserNotFound, false, false},
		{"a guest", (*world).adds, "staff", "gus", fault.UserNotFound, false, false},
		{"a guest, removed", (*world).removes, "staff", "gus", fault.UserNotFound, false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			p, err := tc.call(w, t.Context(), byAdmin(), tc.group, tc.user)
			refused(t, err, tc.code, "")
			if err != nil {
				return
			}
			stored := map[principal.ID]principal.Snapshot{"ada": w.look(t).Ada, "bob": w.look(t).Bob}[tc.user]
			if slices.Contains(p.Groups(), tc.group) != tc.in || slices.Contains(stored.Groups, tc.group) != tc.in {
				t.Errorf("in %v, stored %v", p.Groups(), stored.Groups)
			}
			var told []outbound.Revocation
			if tc.changed {
				told = []outbound.Revocation{{Principal: tc.user}}
			}
			if stale := stored.TokenGen == 1; stale != tc.changed || !slices.Equal(w.caches.Told(), told) {
				t.Errorf("tokens are stale: %t; caches were told %v, want %v", stale, w.caches.Told(), told)
			}
		})
	}
}

func TestAChangeStandsWhateverBecomesOfCaches(t *testing.T) {
	for name, changed := range map[string]func(state) bool{
		"add":    func(s state) bool { return len(s.Ada.Groups) == 1 },
		"remove": func(s state) bool { return len(s.Bob.Groups) == 0 },
		"delete": func(s state) bool { return len(s.Groups) == 0 },
	} {
		w := newWorld(t)
		w.caches.Fails = io.ErrUnexpectedEOF
		err := calls[name](t.Context(), w, byAdmin())
		refused(t, err, fault.PostCommitSideEffectFailure, "")
		if got := w.look(t); !changed(got) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestTwoAdminsAddAMemberOnce(t *testing.T) {
	w := newWorld(t)
	var both sync.WaitGroup
	for range 8 {
		both.Go(func() {
			if _, err := w.adds(t.Context(), byAdmin(), "staff", "ada"); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if got := w.look(t).Ada; got.TokenGen != 1 || !slices.Equal(got.Groups, []string{"staff"}) || len(w.caches.Told()) != 1 {
		t.Errorf("generation %d, in %v; caches were told %v", got.TokenGen, got.Groups, w.caches.Told())
	}
}
