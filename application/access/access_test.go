package access_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"gatehouse/adapters/memory"
	"gatehouse/application/access"
	"gatehouse/application/grant/granttest"
	"gatehouse/domain/email"
	"gatehouse/domain/fault"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/domain/session"
	"gatehouse/domain/token"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var noon = time.Date(2028, 2, 29, 12, 0, 0, 0, time.UTC)

// world is a store with ada and gus in it, each with a session, and the token
// they come with.
type world struct {
	store  *memory.Store
	tokens granttest.Tokens
	marks  marks
	now    time.Time
}

// marks remembers one mark, of which the rest of its key is not looked at.
type marks struct {
	memory.NoCache

	known    *outbound.Mark
	recalled int
	kept     []outbound.Mark
}

var ticket = outbound.Ticket{ID: "ticket"}

func (m *marks) Recall(context.Context, principal.ID, session.ID, time.Time) (outbound.Mark, outbound.Ticket, bool) {
	m.recalled++
	if m.known == nil {
		return outbound.Mark{}, ticket, false
	}
	return *m.known, outbound.Ticket{}, true
}

func (m *marks) Remember(_ context.Context, t outbound.Ticket, mark outbound.Mark) {
	if t == ticket {
		m.kept = append(m.kept, mark)
	}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{store: memory.New(), now: noon}
	address, _ := email.Parse("ada@example.com")
	ada, err := principal.Restore(principal.Snapshot{
		ID: "ada", Kind: principal.User, Name: "Ada", Email: address, EmailVerified: true,
		Hash: password.NewHash("hash"), Admin: true, TokenGen: 7,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.within(t, func(ctx context.Context, s outbound.Stores) error {
		return errors.Join(
			s.Principals.Add(ctx, ada),
			s.Principals.Add(ctx, principal.NewGuest("gus", "Gus", noon)),
			s.Sessions.Add(ctx, begun("s-ada", "ada")),
			s.Sessions.Add(ctx, begun("s-gus", "gus")),
		)
	})
	return w
}

func begun(id session.ID, of principal.ID) session.Session {
	return session.Session{
		ID: id, PrincipalID: of, RefreshID: "r", StartedAt: noon, LastActive: noon,
		ExpiresAt: noon.Add(time.Hour), Until: noon.Add(2 * time.Hour),
	}
}

func (w *world) within(t *testing.T, fn func(context.Context, outbound.Stores) error) {
	t.Helper()
	if err := w.store.Within(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func (w *world) change(t *testing.T, id principal.ID, fn func(*principal.Principal)) {
	t.Helper()
	w.within(t, func(ctx context.Context, s outbound.Stores) error {
		p, err := s.Principals.ByID(ctx, id)
		if err != nil {
			return err
		}
		fn(p)
		return s.Principals.Save(ctx, p)
	})
}

func (w *world) deps(work outbound.UnitOfWork) access.AuthenticatorDeps {
	return access.AuthenticatorDeps{Work: work, Marks: &w.marks, Verifier: &w.tokens, Now: func() time.Time { return w.now }}
}

func adas() token.Claims {
	return token.Claims{
		ID: "a1", Subject: "ada", Session: "s-ada", ExpiresAt: noon.Add(15 * time.Minute),
		Roles: []string{"USER", "ADMIN"}, Gen: 7,
	}
}

func guss() token.Claims {
	c := adas()
	c.Subject, c.Session, c.Roles, c.Gen = "gus", "s-gus", []string{"GUEST"}, 0
	return c
}

func (w *world) mint(t *testing.T, k token.Kind, c token.Claims) secret.Text {
	t.Helper()
	s, err := w.tokens.Mint(k, c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAuthenticate(t *testing.T) {
	for name, tc := range map[string]struct {
		token  func(*token.Claims)
		kind   token.Kind
		raw    *string
		absent bool
		change func(*testing.T, *world)
		want   fault.Code
	}{
		"a good token":        {},
		"no token":            {absent: true, want: fault.AuthenticationRequired},
		"an empty token":      {raw: new(""), want: fault.AccessTokenInvalid},
		"rubbish":             {raw: new("rubbish"), want: fault.AccessTokenInvalid},
		"a refresh token":     {kind: token.Refresh, want: fault.AccessTokenInvalid},
		"a step-up token":     {kind: token.StepUp, want: fault.AccessTokenInvalid},
		"the last instant":    {change: at(15*time.Minute - 1)},
		"past its end":        {change: at(15 * time.Minute), want: fault.AccessTokenExpired},
		"no such session":     {token: func(c *token.Claims) { c.Session = "s9" }, want: fault.AccessTokenExpired},
		"another's session":   {token: func(c *token.Claims) { c.Session, c.Gen = "s-gus", 0 }, want: fault.AccessTokenExpired},
		"session ended":       {change: ended, want: fault.AccessTokenExpired},
		"session expired":     {token: long, change: at(time.Hour), want: fault.AccessTokenExpired},
		"older generation":    {token: func(c *token.Claims) { c.Gen = 6 }, want: fault.AccessTokenExpired},
		"newer generation":    {token: func(c *token.Claims) { c.Gen = 8 }, want: fault.AccessTokenExpired},
		"rights were changed": {change: demoted, want: fault.AccessTokenExpired},
		"disabled":            {token: func(c *token.Claims) { c.Gen = 8 }, change: disabled, want: fault.AccessTokenExpired},
		"the clock went back": {change: at(-10 * time.Minute)},
		"renamed in the meantime": {change: func(t *testing.T, w *world) {
			w.change(t, "ada", func(p *principal.Principal) { p.Rename("Countess") })
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w, c := newWorld(t), adas()
			if tc.token != nil {
				tc.token(&c)
			}
			if tc.change != nil {
				tc.change(t, w)
			}
			kind := token.Access
			if tc.kind != "" {
				kind = tc.kind
			}
			in := inbound.Authenticate{AccessToken: w.mint(t, kind, c)}
			switch {
			case tc.raw != nil:
				in.AccessToken = secret.New(*tc.raw)
			case tc.absent:
				in.AccessToken = secret.Text{}
			}
			got, err := access.NewAuthenticator(w.deps(w.store)).Do(t.Context(), in)
			if fault.CodeOf(err) != tc.want {
				t.Fatalf("Do = %v, want code %q", err, tc.want)
			}
			if tc.want != "" {
				if !got.Caller.IsNobody() || got.Self != nil {
					t.Errorf("refused, and yet it is %+v", got.Caller)
				}
				return
			}
			roles := []principal.Role{principal.RoleUser, principal.RoleAdmin}
			if got.Caller.PrincipalID != "ada" || got.Caller.SessionID != "s-ada" || !slices.Equal(got.Caller.Roles, roles) {
				t.Errorf("caller = %+v", got.Caller)
			}
			if p, err := got.Self(); err != nil || p.ID() != "ada" {
				t.Errorf("Self = %v, %v", p, err)
			}
		})
	}
}

func at(after time.Duration) func(*testing.T, *world) {
	return func(_ *testing.T, w *world) { w.now = noon.Add(after) }
}

func long(c *token.Claims) { c.ExpiresAt = noon.Add(24 * time.Hour) }

func ended(t *testing.T, w *world) {
	w.within(t, func(ctx context.Context, s outbound.Stores) error {
		_, err := s.Sessions.End(ctx, "ada", "s-ada", session.SignedOut, noon)
		return err
	})
}

func demoted(t *testing.T, w *world) {
	w.change(t, "ada", func(p *principal.Principal) { p.SetAdmin(false) })
}

func disabled(t *testing.T, w *world) {
	w.change(t, "ada", func(p *principal.Principal) { p.Disable() })
}

func TestStepUpTokensAreJudgedAgainstTheAccessToken(t *testing.T) {
	w := newWorld(t)
	mine := token.Claims{ID: "u1", Subject: "ada", Session: "s-ada", ExpiresAt: noon.Add(10 * time.Minute)}
	with := func(change func(*token.Claims)) secret.Text {
		c := mine
		change(&c)
		return w.mint(t, token.StepUp, c)
	}
	for name, tc := range map[string]struct {
		token secret.Text
		after time.Duration
		want  session.StepUp
	}{
		"none":                        {want: session.StepUpMissing},
		"mine":                        {token: w.mint(t, token.StepUp, mine), want: session.StepUpGranted},
		"rubbish":                     {token: secret.New("rubbish"), want: session.StepUpInvalid},
		"an access token":             {token: w.mint(t, token.Access, adas()), want: session.StepUpInvalid},
		"of another user":             {token: with(func(c *token.Claims) { c.Subject = "gus" }), want: session.StepUpInvalid},
		"of another session":          {token: with(func(c *token.Claims) { c.Session = "s2" }), want: session.StepUpInvalid},
		"expired":                     {token: w.mint(t, token.StepUp, mine), after: 10 * time.Minute, want: session.StepUpExpired},
		"expired, of another session": {token: with(func(c *token.Claims) { c.Session = "s2" }), after: 10 * time.Minute, want: session.StepUpInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			w.now = noon.Add(tc.after)
			got, err := access.NewAuthenticator(w.deps(w.store)).Do(t.Context(), inbound.Authenticate{
				AccessToken: w.mint(t, token.Access, adas()), StepUpToken: tc.token,
			})
			if err != nil || got.Caller.StepUp != tc.want {
				t.Errorf("step-up = %v, %v, want %v", got.Caller.StepUp, err, tc.want)
			}
			report, err := access.NewStatusTeller(w.store).Do(t.Context(), inbound.Status{Access: got})
			if err != nil || report.StepUp != (tc.want == session.StepUpGranted) {
				t.Errorf("status = %+v, %v", report, err)
			}
		})
	}
}

// single is a unit of work that only answers the access check, so whatever
// else is asked of it panics.
type single struct {
	outbound.UnitOfWork
	outbound.Sessions

	asked int
	fails error
	read  outbound.Access
}

func (s *single) Single() outbound.Stores { return outbound.Stores{Sessions: s} }

func (s *single) Access(context.Context, session.ID) (outbound.Access, error) {
	s.asked++
	return s.read, s.fails
}

func TestAuthenticateAsksTheDatabaseOnce(t *testing.T) {
	w := newWorld(t)
	opened := 0
	ask := &single{read: outbound.Access{
		Session: begun("s-ada", "ada"), TokenGen: 7,
		Open: func() (*principal.Principal, error) { opened++; return nil, errors.New("not opened") },
	}}
	in := inbound.Authenticate{AccessToken: w.mint(t, token.Access, adas())}
	got, err := access.NewAuthenticator(w.deps(ask)).Do(t.Context(), in)
	if err != nil || ask.asked != 1 || opened != 0 {
		t.Fatalf("Do = %v after %d statements and %d openings, want one and none", err, ask.asked, opened)
	}
	if _, err := got.Self(); err == nil || ask.asked != 1 || opened != 1 {
		t.Errorf("Self = %v after %d statements and %d openings, want one of each", err, ask.asked, opened)
	}
}

// live is the mark of ada's session.
func live() outbound.Mark {
	return outbound.Mark{ExpiresAt: noon.Add(time.Hour), Until: noon.Add(2 * time.Hour), TokenGen: 7}
}

func TestWhatIsRememberedSparesTheDatabase(t *testing.T) {
	w, ask := newWorld(t), &single{}
	w.marks.known = new(live())
	in := inbound.Authenticate{AccessToken: w.mint(t, token.Access, adas())}
	got, err := access.NewAuthenticator(w.deps(ask)).Do(t.Context(), in)
	if err != nil || ask.asked != 0 || got.Caller.PrincipalID != "ada" || got.Caller.SessionID != "s-ada" || got.Caller.RequireAdmin() != nil {
		t.Fatalf("Do = %+v, %v after %d statements, want ada and none", got.Caller, err, ask.asked)
	}
	got, err = access.NewAuthenticator(w.deps(w.store)).Do(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := got.Self(); err != nil || p.ID() != "ada" || p.Name() != "Ada" {
		t.Errorf("Self = %v, %v, want ada as the database has her", p, err)
	}
}

// Who wants to know all about the caller has to ask the database anyway.
func TestWhoWantsTheRecordAsksTheDatabaseForAll(t *testing.T) {
	w := newWorld(t)
	w.marks.known = new(live())
	ask := &single{read: outbound.Access{Session: begun("s-ada", "ada"), TokenGen: 7}}
	in := inbound.Authenticate{AccessToken: w.mint(t, token.Access, adas()), Self: true}
	if _, err := access.NewAuthenticator(w.deps(ask)).Do(t.Context(), in); err != nil || ask.asked != 1 || w.marks.recalled != 0 {
		t.Errorf("Do = %v after %d statements and %d looks, want one and none", err, ask.asked, w.marks.recalled)
	}
}

// Only the database refuses: what is remembered may be older than the token.
func TestWhatIsRememberedRefusesNobody(t *testing.T) {
	for name, change := range map[string]func(*outbound.Mark){
		"of an older generation":            func(m *outbound.Mark) { m.TokenGen = 6 },
		"of a session that was prolonged":   func(m *outbound.Mark) { m.ExpiresAt = noon },
		"of a session that could go longer": func(m *outbound.Mark) { m.Until = noon },
	} {
		w, old := newWorld(t), live()
		change(&old)
		w.marks.known = &old
		ask := &single{read: outbound.Access{Session: begun("s-ada", "ada"), TokenGen: 7}}
		in := inbound.Authenticate{AccessToken: w.mint(t, token.Access, adas())}
		if _, err := access.NewAuthenticator(w.deps(ask)).Do(t.Context(), in); err != nil || ask.asked != 1 {
			t.Errorf("%s: Do = %v after %d statements, want one that lets in", name, err, ask.asked)
		}
	}
}

// A token is judged by itself before anything is recalled (F93).
func TestWhatIsRememberedIsNoExcuseForABadToken(t *testing.T) {
	w, ask := newWorld(t), &single{}
	w.marks.known = new(live())
	expired := adas()
	expired.ExpiresAt = noon
	for _, s := range []secret.Text{{}, secret.New("rubbish"), w.mint(t, token.Access, expired), w.mint(t, token.Refresh, adas())} {
		if _, err := access.NewAuthenticator(w.deps(ask)).Do(t.Context(), inbound.Authenticate{AccessToken: s}); err == nil || w.marks.recalled != 0 {
			t.Errorf("Do = %v after %d looks", err, w.marks.recalled)
		}
	}
}

func TestOnlyWhatLetsInIsRemembered(t *testing.T) {
	w := newWorld(t)
	auth, in := access.NewAuthenticator(w.deps(w.store)), inbound.Authenticate{AccessToken: w.mint(t, token.Access, adas())}
	if _, err := auth.Do(t.Context(), in); err != nil || !slices.Equal(w.marks.kept, []outbound.Mark{live()}) {
		t.Fatalf("Do = %v, kept %+v, want the mark of ada's session", err, w.marks.kept)
	}
	w.change(t, "ada", func(p *principal.Principal) { p.SetAdmin(false) })
	if _, err := auth.Do(t.Context(), in); err == nil || len(w.marks.kept) != 1 {
		t.Errorf("Do = %v, kept %+v, want a refusal and nothing", err, w.marks.kept)
	}
}

func TestWhatCannotBeReadIsNeitherGoodNorBad(t *testing.T) {
	w := newWorld(t)
	for name, failure := range map[string]error{
		"database":   fault.New(fault.DatabaseFailure),
		"encryption": fault.New(fault.DatabaseEncryptionFailure),
		"deadline":   context.DeadlineExceeded,
		"unknown":    errors.New("disk on fire"),
	} {
		t.Run(name, func(t *testing.T) {
			ask := &single{fails: failure}
			good := w.mint(t, token.Access, adas())
			_, err := access.NewAuthenticator(w.deps(ask)).Do(t.Context(), inbound.Authenticate{AccessToken: good})
			if fault.CodeOf(err) != fault.AccessTokenAllowlistReadingFailure || !errors.Is(err, failure) {
				t.Errorf("Authenticate = %v", err)
			}
		})
	}
}

func TestBadTokensCostNoStatement(t *testing.T) {
	w, ask := newWorld(t), &single{}
	expired := adas()
	expired.ExpiresAt = noon
	for _, s := range []secret.Text{{}, secret.New("rubbish"), w.mint(t, token.Access, expired)} {
		if _, err := access.NewAuthenticator(w.deps(ask)).Do(t.Context(), inbound.Authenticate{AccessToken: s}); err == nil || ask.asked != 0 {
			t.Errorf("Do = %v after %d statements", err, ask.asked)
		}
	}
}

func TestStatus(t *testing.T) {
	broken := errors.New("cannot be opened")
	for name, tc := range map[string]struct {
		claims *token.Claims
		fails  error
		want   inbound.StatusReport
	}{
		"a user":     {claims: new(adas()), want: inbound.StatusReport{Authenticated: true, EmailVerified: new(true), SessionID: "s-ada"}},
		"a guest":    {claims: new(guss()), want: inbound.StatusReport{Authenticated: true, SessionID: "s-gus"}},
		"nobody":     {want: inbound.StatusReport{}},
		"unreadable": {claims: new(adas()), fails: broken},
	} {
		t.Run(name, func(t *testing.T) {
			w, a := newWorld(t), inbound.Access{}
			if tc.claims != nil {
				var err error
				a, err = access.NewAuthenticator(w.deps(w.store)).Do(t.Context(), inbound.Authenticate{AccessToken: w.mint(t, token.Access, *tc.claims)})
				if err != nil {
					t.Fatal(err)
				}
			}
			if tc.fails != nil {
				a.Self = func() (*principal.Principal, error) { return nil, tc.fails }
			}
			got, err := access.NewStatusTeller(w.store).Do(t.Context(), inbound.Status{Access: a})
			if !errors.Is(err, tc.fails) || !reflect.DeepEqual(got, tc.want) {
				t.Errorf("Do = %+v, %v, want %+v", got, err, tc.want)
			}
		})
	}
}

type keys []token.PublicKey

func (k keys) PublicKeys() []token.PublicKey { return k }

func TestPublicKeysAreThoseOfTheRing(t *testing.T) {
	ring := keys{{ID: "k1"}, {ID: "k2"}}
	got, err := access.NewKeyPublisher(access.KeyPublisherDeps{Keys: ring}).Do(t.Context(), inbound.PublicKeys{})
	if err != nil || !slices.Equal(got, inbound.PublicKeySet(ring)) {
		t.Errorf("Do = %v, %v", got, err)
	}
}
