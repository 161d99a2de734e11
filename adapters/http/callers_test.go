package http_test

import (
	"encoding/json"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	adapter "gatehouse/adapters/http"
	"gatehouse/adapters/http/api"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/domain/session"
	"gatehouse/domain/token"
)

// Who may call what is read from the document, and asked of every operation in
// it. What a caller does is the fine request of the operation's subject, with
// the caller's tokens instead of those it has.

// operation is an operation of the document, and what its x-gate says.
type operation struct {
	id, method, path string
	gate             struct {
		Access, Kind, OptionalWhen string
		StepUp                     bool
		TwoFactor                  string
	}
}

var operations = sync.OnceValue(func() (all []operation) {
	doc, err := api.Load()
	if err != nil {
		panic(err)
	}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			o := operation{method: method, path: path}
			o.id, _ = op.Extensions["x-id"].(string)
			raw, err := json.Marshal(op.Extensions["x-gate"])
			if err == nil {
				err = json.Unmarshal(raw, &o.gate)
			}
			if err != nil {
				panic(err)
			}
			all = append(all, o)
		}
	}
	slices.SortFunc(all, func(a, b operation) int { return strings.Compare(a.id, b.id) })
	return all
})

// eachOperation runs a test per operation of the document. One that nobody has
// said how to call fails.
func eachOperation(t *testing.T, test func(t *testing.T, o operation, fine func(*world) request)) {
	t.Helper()
	samples := subjects()
	for _, o := range operations() {
		t.Run(o.id, func(t *testing.T) {
			s, ok := samples[o.id]
			if !ok {
				t.Fatalf("%s %s has no subject, and so nothing to be called with", o.method, o.path)
			}
			test(t, o, s.fine)
		})
	}
}

// --- callers (faults F64) ---

// caller is somebody with tokens. Nobody has none.
type caller struct {
	name string
	make func(w *world) account
	live bool // the access token is good
	// what becomes of the tokens that are not
	access, refresh string
}

const carol = "carol@example.com"

// callers are all who may come. What has happened to an account happened after
// its tokens were issued.
func callers() []caller {
	const dead = "ACCESS_TOKEN_EXPIRED"
	after := func(happens func(w *world, a account)) func(*world) account {
		return func(w *world) account {
			a := w.proven(w.member(carol))
			happens(w, a)
			return a
		}
	}
	return []caller{
		{name: "anonymous", make: func(*world) account { return account{} }, access: "AUTHENTICATION_REQUIRED", refresh: "REFRESH_TOKEN_MISSING"},
		{name: "guest", make: (*world).provenGuest, live: true},
		{name: "user", make: after(func(*world, account) {}), live: true},
		{name: "admin", make: func(w *world) account { return w.adminAt(carol) }, live: true},
		{name: "disabled", make: after(func(w *world, a account) {
			w.ok(of(w.adminAt("root@example.com"), disabling, a.id))
		}), access: dead, refresh: "REFRESH_TOKEN_INVALID"},
		{name: "deleted", make: after(func(w *world, a account) { w.ok(leaving(a)) }), access: dead, refresh: "REFRESH_TOKEN_INVALID"},
		{name: "signed out", make: after(func(w *world, a account) {
			w.ok(req("POST /api/auth/logout", "", bearer(a.access)))
		}), access: dead, refresh: "REFRESH_TOKEN_INVALID"},
		{name: "expired", make: after(func(w *world, _ account) { w.clock.advance(90 * 24 * time.Hour) }), access: dead, refresh: "REFRESH_TOKEN_EXPIRED"},
		{name: "stale", make: func(w *world) account { // still an admin, says the token
			a := w.adminAt(carol)
			w.rewrite(a.id, func(p *principal.Principal) { p.SetAdmin(false) })
			return a
		}, access: dead},
	}
}

func (w *world) provenGuest() account {
	w.t.Helper()
	in := w.guest()
	in.stepUp = w.ok(req("POST /api/auth/step-up", "", bearer(in.access))).text("stepUpToken")
	return in
}

// verdict is the code the document lets a caller expect, "" when the call goes
// through.
func (o operation) verdict(t *testing.T, c caller) string {
	t.Helper()
	switch o.gate.Access {
	case "none", "optional", "logout":
		return ""
	case "refresh":
		return c.refresh
	case "anonymous-only":
		if c.live {
			return "ALREADY_AUTHENTICATED"
		}
		return ""
	case "access-or-two-factor":
		switch {
		case c.name == "anonymous":
			return "TWO_FACTOR_AUTHENTICATION_TOKEN_MISSING"
		case !c.live:
			return c.access
		case c.name == "guest":
			return "USER_NOT_FOUND"
		}
	case "required", "admin":
	default:
		t.Fatalf("nobody has said here what access %q means", o.gate.Access)
	}
	switch {
	case !c.live:
		return c.access
	case o.gate.TwoFactor == "step_up":
		return "TWO_FACTOR_AUTHENTICATION_TOKEN_INVALID" // it is another one's
	case o.gate.Access == "admin" && c.name != "admin":
		return "ROLE_REQUIRED"
	case o.gate.Kind == "user" && c.name == "guest":
		return "USER_NOT_FOUND"
	case o.gate.Kind == "guest" && c.name != "guest":
		return "GUEST_IS_ALREADY_USER"
	}
	return ""
}

// special are the verdicts that the document cannot know, by operation and
// caller.
var special = map[string]map[string]string{
	"P3": {"admin": "AT_LEAST_ONE_ADMIN_REQUIRED"}, // carol is the only one
	// passkeys are their owner's
	"Y2": {"user": "PASSKEY_CHALLENGE_EXPIRED", "admin": "PASSKEY_CHALLENGE_EXPIRED"},
	"Y4": {"user": "PASSKEY_NOT_FOUND", "admin": "PASSKEY_NOT_FOUND"},
	"Y5": {"user": "PASSKEY_NOT_FOUND", "admin": "PASSKEY_NOT_FOUND"},

	// Carol has no second factor, and began none.
	"T3":  {"user": "2FA_DISABLED", "admin": "2FA_DISABLED"},
	"T5":  {"user": "TOTP_SETUP_TOKEN_INVALID", "admin": "TOTP_SETUP_TOKEN_INVALID"},
	"T6":  {"user": "TWO_FACTOR_METHOD_ALREADY_DISABLED", "admin": "TWO_FACTOR_METHOD_ALREADY_DISABLED"},
	"T9":  {"user": "TWO_FACTOR_CODE_EXPIRED", "admin": "TWO_FACTOR_CODE_EXPIRED"},
	"T10": {"user": "TWO_FACTOR_METHOD_ALREADY_DISABLED", "admin": "TWO_FACTOR_METHOD_ALREADY_DISABLED"},
	"T12": {"user": "TWO_FACTOR_METHOD_DISABLED", "admin": "TWO_FACTOR_METHOD_DISABLED"},
	"Y10": {
		"guest": "TWO_FACTOR_AUTHENTICATION_TOKEN_INVALID", "user": "TWO_FACTOR_AUTHENTICATION_TOKEN_INVALID",
		"admin": "TWO_FACTOR_AUTHENTICATION_TOKEN_INVALID",
	},
	"Y11": {"user": "2FA_DISABLED", "admin": "2FA_DISABLED"}, // carol has none
	"Y12": {"user": "PASSKEY_CHALLENGE_EXPIRED", "admin": "PASSKEY_CHALLENGE_EXPIRED"},
}

// as puts the tokens of an account in the place of those of a request.
func (o operation) as(a account) change {
	return func(r *request) {
		del("Authorization", "X-Step-Up-Token", "Cookie")(r)
		named := a.access
		if o.gate.Access == "refresh" {
			named = a.refresh
		}
		if named != "" {
			bearer(named)(r)
		}
		steppedUp(a.stepUp)(r)
	}
}

func TestEveryOperationAnswersEveryCallerAsTheDocumentSays(t *testing.T) {
	eachOperation(t, func(t *testing.T, o operation, fine func(*world) request) {
		for _, c := range callers() {
			want, named := special[o.id][c.name]
			if !named {
				want = o.verdict(t, c)
			}
			t.Run(c.name, func(t *testing.T) {
				w := newWorld(t, unlimited)
				a := c.make(w)
				got := w.send(fine(w).but(o.as(a)))
				if got.code() != want || (want == "") != (got.status == 200) {
					t.Errorf("%d %q, want %q\n%s", got.status, got.code(), want, got.body)
				}
			})
		}
	})
}

// A proof is asked for after the role, and must be the caller's own.
func TestWhatNeedsAProofTakesNoOther(t *testing.T) {
	eachOperation(t, func(t *testing.T, o operation, fine func(*world) request) {
		if !o.gate.StepUp {
			return
		}
		w := newWorld(t, unlimited)
		r := fine(w)
		w.want(401, "STEP_UP_TOKEN_MISSING", r.but(del("X-Step-Up-Token")))
		w.want(401, "STEP_UP_TOKEN_INVALID", r.but(steppedUp(w.proven(w.member(carol)).stepUp)))
		w.ok(r)
	})
}

// visible are operations on objects that are meant for others.
var visible = map[string]string{"U2": "what anybody who is signed in may know of a user"}

var parameters = regexp.MustCompile(`\{[^}]+\}`)

// elsewhere puts ids that nobody has into a path.
func (o operation) elsewhere(path string) string {
	path, query, _ := strings.Cut(path, "?")
	names, values := strings.Split(o.path, "/"), strings.Split(path, "/")
	for i, name := range names {
		if parameters.MatchString(name) {
			values[i] = newID()
		}
	}
	return (&url.URL{Path: strings.Join(values, "/"), RawQuery: query}).String()
}

// What belongs to somebody else is answered as what is not there, and nothing
// happens to it.
func TestAForeignObjectAnswersLikeAnUnknownOne(t *testing.T) {
	eachOperation(t, func(t *testing.T, o operation, fine func(*world) request) {
		if visible[o.id] != "" || !slices.Contains([]string{"required", "admin"}, o.gate.Access) {
			return
		}
		w := newWorld(t, unlimited)
		r := fine(w)
		owner := w.ownerOf(r)
		before := w.possessions(owner)
		if stranger := o.as(w.proven(w.member(carol))); parameters.MatchString(o.path) {
			foreign, unknown := w.send(r.but(stranger)), w.send(r.but(stranger, to(o.elsewhere(r.path))))
			if f, u := toldBy(foreign), toldBy(unknown); !reflect.DeepEqual(f, u) {
				t.Errorf("foreign: %v\nunknown: %v", f, u)
			}
		} else {
			w.send(r.but(stranger))
		}
		if after := w.possessions(owner); !reflect.DeepEqual(before, after) {
			t.Errorf("of its owner there was %+v, and is %+v", before, after)
		}
	})
}

func toldBy(a answer) []any {
	if a.json == nil { // a list
		return []any{a.status, string(a.body)}
	}
	for _, own := range []string{"requestId", "timestamp", "instance"} {
		delete(a.json, own)
	}
	return []any{a.status, a.json}
}

// ownerOf returns whose access token a request has.
func (w *world) ownerOf(r request) principal.ID {
	w.t.Helper()
	c, err := w.tokens.Verify(secret.New(strings.TrimPrefix(r.header.Get("Authorization"), "Bearer ")), token.Access, w.clock.now())
	if err != nil {
		w.t.Fatal(err)
	}
	return c.Subject
}

type possessions struct {
	Account  principal.Snapshot
	Sessions []session.Session
}

func (w *world) possessions(id principal.ID) possessions {
	w.t.Helper()
	p, err := w.store.Single().Principals.ByID(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	all, err := w.store.Single().Sessions.Of(w.t.Context(), id, w.clock.now())
	if err != nil {
		w.t.Fatal(err)
	}
	return possessions{p.Snapshot(), all}
}

// --- kinds of tokens (faults F04) ---

// slot is a place of a request where a token of one kind is looked for.
type slot struct {
	name  string
	right token.Kind
	put   func(string) change
	wrong string // the code of what is no token of the kind, "" where it counts as absent
}

func (o operation) slots() (all []slot) {
	access := slot{name: "access", right: token.Access, put: bearer}
	switch o.gate.Access {
	case "required", "admin", "access-or-two-factor":
		access.wrong = "ACCESS_TOKEN_INVALID"
		all = append(all, access)
	case "optional", "anonymous-only":
		all = append(all, access)
	case "refresh":
		all = append(all, slot{"refresh", token.Refresh, bearer, "REFRESH_TOKEN_INVALID"})
	}
	switch o.gate.TwoFactor {
	case "login", "step_up":
		all = append(all, slot{"two-factor", token.TwoFactor, challenged, "TWO_FACTOR_AUTHENTICATION_TOKEN_INVALID"})
	case "optional":
		all = append(all, slot{"two-factor", token.TwoFactor, challenged, ""})
	}
	if o.gate.StepUp {
		all = append(all, slot{"step-up", token.StepUp, steppedUp, "STEP_UP_TOKEN_INVALID"})
	}
	return all
}

// holder returns the claims of whoever sends a request, carol if nobody does.
func (w *world) holder(r request) token.Claims {
	w.t.Helper()
	sent := strings.TrimPrefix(r.header.Get("Authorization"), "Bearer ")
	if sent == "" {
		sent = w.member(carol).access
	}
	for _, k := range []token.Kind{token.Access, token.Refresh} {
		if c, err := w.tokens.Verify(secret.New(sent), k, w.clock.now()); err == nil {
			return c
		}
	}
	w.t.Fatal("nobody holds that")
	return token.Claims{}
}

// minted is a token of a kind with the claims of c, as good as one can be.
func (w *world) minted(k token.Kind, c token.Claims) string {
	w.t.Helper()
	now := w.clock.now()
	c.ID, c.IssuedAt, c.ExpiresAt, c.AuthTime, c.ACR, c.Locale = newID(), now, now.Add(time.Minute), now, "aal1", "en"
	c.Purpose = session.ForStepUp
	s, err := w.tokens.Mint(k, c)
	if err != nil {
		w.t.Fatalf("%s: %v", k, err)
	}
	return s.Reveal()
}

// Of all kinds at all endpoints only the diagonal passes, and nothing of another
// installation, although it has the same key. What passes is the fine request.
func TestEveryPlaceTakesItsOwnKindOfTokenAlone(t *testing.T) {
	staging := newWorld(t, withBase("http://staging.example"))
	eachOperation(t, func(t *testing.T, o operation, fine func(*world) request) {
		for _, s := range o.slots() {
			for _, k := range token.Kinds() {
				refused := func(name string, mint func(w *world, c token.Claims) string) {
					t.Run(s.name+"/"+string(k)+"/"+name, func(t *testing.T) {
						w := newWorld(t, unlimited)
						r := fine(w)
						got := w.send(r.but(s.put(mint(w, w.holder(r)))))
						if got.code() != s.wrong {
							t.Errorf("%d %q, want %q\n%s", got.status, got.code(), s.wrong, got.body)
						}
					})
				}
				if k != s.right {
					refused("own", func(w *world, c token.Claims) string { return w.minted(k, c) })
				}
				refused("foreign", func(_ *world, c token.Claims) string { return staging.minted(k, c) })
			}
		}
	})
}

// The diagonal also holds for what is mailed.
func TestALinkIsGoodForItsOwnPurposeAlone(t *testing.T) {
	w := newWorld(t, unlimited)
	a := w.proven(w.member(carol))
	verify, reset := w.link(), w.resetLink(carol)
	wrong := []string{a.access, a.refresh, a.stepUp}
	for _, k := range token.Kinds() {
		wrong = append(wrong, w.minted(k, w.holder(req("GET /", "", bearer(a.access)))))
	}
	for _, s := range append(wrong, reset) {
		w.want(401, "EMAIL_VERIFICATION_TOKEN_INVALID", confirm(s))
	}
	for _, s := range append(wrong, verify) {
		w.want(401, "PASSWORD_RESET_TOKEN_INVALID", resetBy(s))
	}
	w.ok(confirm(verify))
	w.ok(resetBy(reset))
}

// unlimited lets everybody ask as often as they like.
func unlimited(s *setup) { s.edit = func(d *adapter.Deps) { d.Limits.Enabled = false } }
