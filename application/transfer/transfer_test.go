package transfer_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/adapters/memory"
	"gatehouse/application/account/accounttest"
	app "gatehouse/application/transfer"
	"gatehouse/domain/factor"
	"gatehouse/domain/fault"
	"gatehouse/domain/group"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var noon = time.Date(2028, 2, 29, 12, 0, 0, 0, time.UTC)

const (
	id1  = "01a213b1-ea27-7750-a579-48c9ce9f44e1"
	id2  = "01a213b1-ea27-7750-a579-48c9ce9f44e2"
	app1 = "JBSWY3DPEHPK3PXP"
)

// hashes knows what begins with "good" or is ours.
type hashes struct{}

func (hashes) Check(h password.Hash) error {
	switch s := h.Encoded(); {
	case strings.HasPrefix(s, "costly"):
		return outbound.ErrHashTooCostly
	case strings.HasPrefix(s, "good"), strings.HasPrefix(s, "$argon2id$"):
		return nil
	}
	return outbound.ErrHashUnknown
}

type world struct {
	store outbound.UnitOfWork
	ids   atomic.Int32
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{store: memory.New()}
	check(t, w.store.Single().Groups.Add(t.Context(), group.Restore("staff", group.Texts{"en": {Name: "Staff"}})))
	check(t, w.store.Single().Groups.Add(t.Context(), group.Restore("board", group.Texts{"en": {Name: "Board"}})))
	return w
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) importer(work outbound.UnitOfWork) *app.Importer {
	return app.NewImporter(app.ImporterDeps{
		Work: work, Hashes: hashes{}, Now: func() time.Time { return noon },
		NewID: func() string { return fmt.Sprintf("01a213b1-ea27-7750-a579-%012d", w.ids.Add(1)) },
	})
}

func (w *world) take(t *testing.T, users ...inbound.PortableUser) inbound.Imported {
	t.Helper()
	got, err := w.importer(w.store).Do(t.Context(), inbound.ImportUsers{Users: users})
	check(t, err)
	return got
}

func (w *world) all(t *testing.T) []inbound.PortableUser {
	t.Helper()
	out, err := app.NewExporter(app.ExporterDeps{Work: w.store}).Do(t.Context(), inbound.ExportUsers{Limit: 99})
	check(t, err)
	return out.Users
}

func like(salt string, outputs ...string) (all []password.Hash) {
	for _, o := range outputs {
		all = append(all, password.NewHash("$argon2id$v=19$m=8,t=1,p=1$"+salt+"$"+o))
	}
	return all
}

func full() inbound.PortableUser {
	return inbound.PortableUser{
		ID: id1, Email: "Ada@Example.com", Name: "Ada", EmailVerified: true, Admin: true, Disabled: true, Groups: []string{"board", "staff"},
		CreatedAt: noon.Add(-time.Hour), PasswordHash: password.NewHash("good hash"), Identities: []principal.Identity{{Provider: "github", Subject: "1"}},
		Factors: []factor.Method{factor.TOTP, factor.Email}, Preferred: factor.Email, TOTPSecret: secret.New(app1), RecoveryCodes: like("salt", "one", "two"),
	}
}

func least(change func(*inbound.PortableUser)) inbound.PortableUser {
	u := inbound.PortableUser{Email: "eve@example.com", Name: "Eve", PasswordHash: password.NewHash("good")}
	if change != nil {
		change(&u)
	}
	return u
}

// texts are what does not compare by value.
func texts(u inbound.PortableUser) []string {
	all := []string{u.PasswordHash.Encoded(), u.TOTPSecret.Reveal()}
	for _, h := range u.RecoveryCodes {
		all = append(all, h.Encoded())
	}
	return all
}

func bare(u inbound.PortableUser) inbound.PortableUser {
	u.PasswordHash, u.TOTPSecret, u.RecoveryCodes = password.Hash{}, secret.Text{}, nil
	return u
}

func TestWhatIsImportedIsExportedAgain(t *testing.T) {
	w := newWorld(t)
	if got := w.take(t, full()); got.Created != 1 || got.Known != 0 || got.Refused != nil {
		t.Fatalf("%+v", got)
	}
	got := w.all(t)
	if len(got) != 1 || !reflect.DeepEqual(bare(got[0]), bare(full())) || !slices.Equal(texts(got[0]), texts(full())) {
		t.Errorf("exported %+v %q", got, texts(got[0]))
	}
	other := newWorld(t)
	other.take(t, got...)
	if again := other.all(t); !reflect.DeepEqual(bare(again[0]), bare(got[0])) || !slices.Equal(texts(again[0]), texts(got[0])) {
		t.Errorf("imported elsewhere %+v", again)
	}
}

func TestWhatIsNotSaidIsWhatANewUserHas(t *testing.T) {
	w := newWorld(t)
	w.take(t, least(func(u *inbound.PortableUser) { u.TOTPSecret = secret.New("jbsw y3dp ehpk 3pxp") }))
	p, err := w.store.Single().Principals.ByEmail(t.Context(), "eve@example.com")
	check(t, err)
	s := p.Snapshot()
	if s.ID != "01a213b1-ea27-7750-a579-000000000001" || s.EmailVerified || s.Admin || s.Disabled || len(s.Groups) != 0 || !s.CreatedAt.Equal(noon) || !s.LastActive.Equal(noon) {
		t.Errorf("%+v", s)
	}
	if s.Factors != (factor.Set{TOTP: true, Preferred: factor.TOTP}) {
		t.Errorf("factors %+v", s.Factors)
	}
	a, err := w.store.Single().Apps.Of(t.Context(), s.ID)
	if err != nil || a.Secret.Reveal() != app1 {
		t.Errorf("app %q, %v", a.Secret.Reveal(), err)
	}
}

func TestEveryRuleThatIsBrokenIsNamed(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		change func(*inbound.PortableUser)
		want   string
	}{
		"id":                {func(u *inbound.PortableUser) { u.ID = "17" }, "id:uuid"},
		"address and name":  {func(u *inbound.PortableUser) { u.Email, u.Name = "x", " " }, "email:email name:not_blank"},
		"created tomorrow":  {func(u *inbound.PortableUser) { u.CreatedAt = noon.Add(time.Second) }, "createdAt:range"},
		"created long ago":  {func(u *inbound.PortableUser) { u.CreatedAt = noon.AddDate(-100, 0, 0) }, "createdAt:range"},
		"group key":         {func(u *inbound.PortableUser) { u.Groups = []string{"staff", "no key"} }, "groups:pattern"},
		"no such group":     {func(u *inbound.PortableUser) { u.Groups = []string{"staff", "nobody"} }, "groups:enum"},
		"no way to sign in": {func(u *inbound.PortableUser) { u.PasswordHash = password.Hash{} }, "passwordHash:required"},
		"an unknown hash":   {func(u *inbound.PortableUser) { u.PasswordHash = password.NewHash("md5") }, "passwordHash:pattern"},
		"a costly hash":     {func(u *inbound.PortableUser) { u.PasswordHash = password.NewHash("costly") }, "passwordHash:range"},
		"no provider":       {func(u *inbound.PortableUser) { u.Identities = []principal.Identity{{Subject: "1"}} }, "identities:pattern"},
		"no subject":        {func(u *inbound.PortableUser) { u.Identities = []principal.Identity{{Provider: "x"}} }, "identities:pattern"},
		"a password provider": {func(u *inbound.PortableUser) {
			u.Identities = []principal.Identity{{Provider: "password", Subject: "1"}}
		}, "identities:pattern"},
		"one provider twice": {func(u *inbound.PortableUser) {
			u.Identities = []principal.Identity{{Provider: "x", Subject: "1"}, {Provider: "x", Subject: "2"}}
		}, "identities:pattern"},
		"a passkey":         {func(u *inbound.PortableUser) { u.Factors = []factor.Method{factor.Passkey} }, "twoFactorMethods:enum"},
		"an app without":    {func(u *inbound.PortableUser) { u.Factors = []factor.Method{factor.TOTP} }, "totpSecret:required"},
		"no secret":         {func(u *inbound.PortableUser) { u.TOTPSecret = secret.New("1") }, "totpSecret:pattern"},
		"another preferred": {func(u *inbound.PortableUser) { u.TOTPSecret, u.Preferred = secret.New(app1), factor.Email }, "preferredTwoFactorMethod:enum"},
		"codes beside no password": {func(u *inbound.PortableUser) {
			u.PasswordHash, u.Identities = password.Hash{}, []principal.Identity{{Provider: "x", Subject: "1"}}
			u.TOTPSecret = secret.New(app1)
		}, "passwordHash:required"},
		"unverified":        {func(u *inbound.PortableUser) { u.Factors = []factor.Method{factor.Email} }, "emailVerified:required"},
		"codes for nothing": {func(u *inbound.PortableUser) { u.RecoveryCodes = like("a", "1") }, "recoveryCodeHashes:pattern"},
		"codes of two sets": {func(u *inbound.PortableUser) {
			u.TOTPSecret, u.RecoveryCodes = secret.New(app1), append(like("a", "1"), like("b", "1")...)
		}, "recoveryCodeHashes:pattern"},
		"codes hashed otherwise": {func(u *inbound.PortableUser) {
			u.TOTPSecret, u.RecoveryCodes = secret.New(app1), []password.Hash{password.NewHash("good")}
		}, "recoveryCodeHashes:pattern"},
		"too many codes": {func(u *inbound.PortableUser) {
			u.TOTPSecret, u.RecoveryCodes = secret.New(app1), like("a", strings.Split(strings.Repeat("x ", 33), " ")[:33]...)
		}, "recoveryCodeHashes:max_length"},
	} {
		t.Run(name, func(t *testing.T) {
			fine := least(func(u *inbound.PortableUser) { u.Email = "fine@example.com" })
			got, err := w.importer(w.store).Do(t.Context(), inbound.ImportUsers{Users: []inbound.PortableUser{fine, least(c.change)}, DryRun: true})
			check(t, err)
			if got.Created != 1 || len(got.Refused) != 1 || got.Refused[0].Index != 1 {
				t.Fatalf("%+v", got)
			}
			var rules []string
			for _, v := range got.Refused[0].Why.Broken() {
				rules = append(rules, v.Field+":"+string(v.Rule))
			}
			if strings.Join(rules, " ") != c.want {
				t.Errorf("%v, want %s", rules, c.want)
			}
		})
	}
	if len(w.all(t)) != 0 {
		t.Error("a dry run stored something")
	}
}

func TestWhoIsThereStaysAsTheyAre(t *testing.T) {
	w := newWorld(t)
	w.take(t, full(), least(nil))
	before := w.all(t)
	moved := full()
	moved.Email, moved.Name = "elsewhere@example.com", "Other"
	stranger := least(func(u *inbound.PortableUser) { u.ID, u.Email = id2, "ADA@example.com" })
	check(t, w.store.Within(t.Context(), func(ctx context.Context, s outbound.Stores) error {
		return s.Erasures.Add(ctx, principal.Erasure{ID: "01a213b1-ea27-7750-a579-48c9ce9f44ee", At: noon})
	}))
	erased := least(func(u *inbound.PortableUser) {
		u.ID, u.Email = "01A213B1-EA27-7750-A579-48C9CE9F44EE", "gone@example.com"
	})
	got := w.take(t, moved, stranger, least(func(u *inbound.PortableUser) { u.Email = "EVE@example.com" }), erased)
	if got.Created != 0 || got.Known != 2 || len(got.Refused) != 2 ||
		got.Refused[0].Index != 1 || got.Refused[0].Why.Code() != fault.EmailTaken || got.Refused[1].Index != 3 || got.Refused[1].Why.Code() != fault.UserNotFound {
		t.Errorf("%+v", got)
	}
	if after := w.all(t); len(after) != 2 || !reflect.DeepEqual(bare(after[0]), bare(before[0])) || !reflect.DeepEqual(bare(after[1]), bare(before[1])) {
		t.Errorf("%+v became %+v", before, after)
	}
}

func TestTwoOfABatchAreNotCreatedTwice(t *testing.T) {
	w := newWorld(t)
	twin := full()
	twin.Email = "twin@example.com"
	other := full()
	other.ID = id2
	got := w.take(t, full(), twin, other, least(nil), least(nil))
	if got.Created != 2 || got.Known != 2 || len(got.Refused) != 1 || got.Refused[0].Index != 2 || got.Refused[0].Why.Code() != fault.EmailTaken {
		t.Errorf("%+v", got)
	}
}

func TestParallelImportsCreateEverybodyOnce(t *testing.T) {
	w := newWorld(t)
	var users []inbound.PortableUser
	for i := range 40 {
		users = append(users, least(func(u *inbound.PortableUser) { u.Email = fmt.Sprintf("u%d@example.com", i) }))
	}
	var created atomic.Int32
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for part := range slices.Chunk(users, 10) {
				got, err := w.importer(w.store).Do(t.Context(), inbound.ImportUsers{Users: part})
				if err != nil || got.Created+got.Known != 10 || got.Refused != nil {
					t.Errorf("%+v, %v", got, err)
				}
				created.Add(int32(got.Created))
			}
		})
	}
	all.Wait()
	if n := len(w.all(t)); n != 40 || created.Load() != 40 {
		t.Errorf("%d users, created %d", n, created.Load())
	}
}

// overtaken is a store in which somebody is faster, so many times.
type overtaken struct {
	outbound.UnitOfWork

	times int
	err   error
}

func (o *overtaken) Within(ctx context.Context, fn func(context.Context, outbound.Stores) error) error {
	if o.times--; o.times >= 0 {
		return o.err
	}
	return o.UnitOfWork.Within(ctx, fn)
}

func TestWhoIsOvertakenLooksAgain(t *testing.T) {
	for _, c := range []struct {
		times   int
		err     error
		created int
		fails   bool
	}{
		{2, outbound.ErrTaken, 1, false}, {1, outbound.ErrNotFound, 1, false}, {3, outbound.ErrTaken, 0, true}, {1, io.ErrUnexpectedEOF, 0, true},
	} {
		w := newWorld(t)
		got, err := w.importer(&overtaken{w.store, c.times, c.err}).Do(t.Context(), inbound.ImportUsers{Users: []inbound.PortableUser{full()}})
		if got.Created != c.created || (err != nil) != c.fails || len(w.all(t)) != c.created {
			t.Errorf("%d times %v: %+v, %v", c.times, c.err, got, err)
		}
	}
}

// All of a batch, or nothing.
func TestAFailureLeavesNobodyBehind(t *testing.T) {
	w := newWorld(t)
	broken := brokenApps{w.store}
	_, err := w.importer(broken).Do(t.Context(), inbound.ImportUsers{Users: []inbound.PortableUser{least(nil), full()}})
	if !errors.Is(err, io.ErrUnexpectedEOF) || len(w.all(t)) != 0 {
		t.Errorf("%v, and there are %+v", err, w.all(t))
	}
}

type brokenApps struct{ outbound.UnitOfWork }

func (b brokenApps) Within(ctx context.Context, fn func(context.Context, outbound.Stores) error) error {
	return b.UnitOfWork.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
		s.Apps = noApps{s.Apps}
		return fn(ctx, s)
	})
}

type noApps struct{ outbound.Apps }

func (noApps) Put(context.Context, principal.ID, factor.App) error { return io.ErrUnexpectedEOF }

func TestPasskeysStayAndAreCounted(t *testing.T) {
	w := newWorld(t)
	for i, f := range []factor.Set{
		factor.Set{}.With(factor.Passkey), factor.Set{}.With(factor.Passkey).With(factor.Email), {},
	} {
		p, err := principal.Restore(principal.Snapshot{
			ID: principal.ID(fmt.Sprint("p", i)), Kind: principal.User, Name: "P", Email: accounttest.Address(fmt.Sprintf("p%d@example.com", i)),
			Hash: password.NewHash("good"), Factors: f, CreatedAt: noon, LastActive: noon,
		})
		check(t, err)
		check(t, w.store.Single().Principals.Add(t.Context(), p))
	}
	check(t, w.store.Single().Principals.Add(t.Context(), principal.NewGuest("guest", "G", noon)))
	out, err := app.NewExporter(app.ExporterDeps{Work: w.store}).Do(t.Context(), inbound.ExportUsers{Limit: 2})
	check(t, err)
	if out.Passkeys != 2 || len(out.Users) != 2 || len(out.Users[0].Factors) != 0 || out.Users[0].Preferred != "" ||
		!slices.Equal(out.Users[1].Factors, []factor.Method{factor.Email}) || out.Users[1].Preferred != factor.Email {
		t.Errorf("%+v", out)
	}
	rest, err := app.NewExporter(app.ExporterDeps{Work: w.store}).Do(t.Context(), inbound.ExportUsers{After: "p1", Limit: 2})
	if err != nil || len(rest.Users) != 1 || rest.Users[0].ID != "p2" {
		t.Errorf("the next page: %+v, %v", rest, err)
	}
}
