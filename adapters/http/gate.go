package http

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
	"github.com/labstack/echo/v4"

	"gatehouse/domain/audit"
	"gatehouse/domain/fault"
	"gatehouse/domain/limit"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/ports/inbound"
)

// gate stands before one operation and asks what the document says, in the
// contract's order (§1.2): size, rate limits, cross-site, tokens, role,
// step-up, and only then the request itself.
type gate struct {
	d       Deps
	origins origins
	jar     jar
	route   routers.Route
	policy  policy
	codes   []string // the faults the operation names
	locale  bool     // whether it takes the parameter locale
	form    bool     // whether its body is a form, which the handler reads
}

// policy is the extension x-gate of an operation.
type policy struct {
	Access       access   `json:"access"`
	OptionalWhen string   `json:"optionalWhen"`
	Kind         string   `json:"kind"` // user is decided by the use case; here for the reader
	StepUp       bool     `json:"stepUp"`
	TwoFactor    string   `json:"twoFactor"`
	Self         bool     `json:"self"`
	Buckets      []string `json:"buckets"`
}

// access is what an operation asks about the access token.
type access string

const (
	accessNone      access = "none"
	accessOptional  access = "optional"             // a bad one counts as absent
	accessRequired  access = "required"             //
	accessAdmin     access = "admin"                // with the role ADMIN
	accessRefresh   access = "refresh"              // of the refresh token; its session is judged by the use case
	accessAnonymous access = "anonymous-only"       // ALREADY_AUTHENTICATED with a good one
	accessLogout    access = "logout"               // tokens judged by the use case
	accessChallenge access = "access-or-two-factor" // a good access token, or else a challenge
)

// anyChallenge is the word of operations that take a challenge if there is one.
// Others name the purpose it has to have; with access-or-two-factor it is either.
const anyChallenge = "optional"

// kindGuest is the kind of operations that users are refused.
const kindGuest = "guest"

// ambient are the faults that can come from everywhere.
var ambient = []string{string(fault.RouteNotFound), string(fault.MethodNotAllowed), string(fault.InternalError)}

// gatesOf makes a gate for every operation of the document, keyed by its id.
func gatesOf(doc readDocument, d Deps) map[string][]echo.MiddlewareFunc {
	defineFormats()
	gates, own, cookies := map[string][]echo.MiddlewareFunc{}, d.origins(), d.jar()
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			g := &gate{
				d: d, origins: own, jar: cookies, route: routers.Route{Spec: doc.T, Path: path, PathItem: item, Method: method, Operation: op},
				policy: doc.policies[op], codes: doc.codes[op],
				form:   op.RequestBody != nil && op.RequestBody.Value.Content[formData] != nil,
				locale: op.Parameters.GetByInAndName("query", "locale") != nil,
			}
			if g.policy.OptionalWhen == publicProfiles && d.PublicProfiles {
				g.policy.Access = accessOptional
			}
			gates[op.OperationID] = []echo.MiddlewareFunc{g.middleware}
		}
	}
	return gates
}

// readDocument is the API document, with what it says of its operations in its
// extensions.
type readDocument struct {
	*openapi3.T

	policies map[*openapi3.Operation]policy
	codes    map[*openapi3.Operation][]string
}

// readExtensions reads what a document says of its operations. One without a
// policy is an error: there is no default.
func readExtensions(doc *openapi3.T) (readDocument, error) {
	read := readDocument{T: doc, policies: map[*openapi3.Operation]policy{}, codes: map[*openapi3.Operation][]string{}}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			p, err := policyOf(op)
			if err == nil {
				read.codes[op], err = codesOf(op)
			}
			if err != nil {
				return readDocument{}, fmt.Errorf("%s %s: %w", method, path, err)
			}
			read.policies[op] = p
		}
	}
	return read, nil
}

// publicProfiles is the one setting that x-gate may name.
const publicProfiles = "directory.public_profiles"

func policyOf(op *openapi3.Operation) (p policy, err error) {
	raw, err := json.Marshal(op.Extensions["x-gate"])
	if err == nil {
		err = json.Unmarshal(raw, &p)
	}
	if err != nil {
		return p, fmt.Errorf("read x-gate: %w", err)
	}
	known := []access{accessNone, accessOptional, accessRequired, accessAdmin, accessRefresh, accessAnonymous, accessLogout, accessChallenge}
	switch {
	case !slices.Contains(known, p.Access):
		return p, errors.New("x-gate names no known access")
	case !slices.Contains([]string{"", string(session.ForSignIn), string(session.ForStepUp), anyChallenge}, p.TwoFactor):
		return p, errors.New("x-gate names no known purpose of a challenge")
	case p.OptionalWhen != "" && p.OptionalWhen != publicProfiles:
		return p, errors.New("x-gate names no known setting")
	}
	return p, nil
}

func codesOf(op *openapi3.Operation) ([]string, error) {
	codes := slices.Clone(ambient)
	for _, r := range op.Responses.Map() {
		raw, err := json.Marshal(r.Value.Extensions["x-codes"])
		if err != nil {
			return nil, fmt.Errorf("read x-codes: %w", err)
		}
		var some []string
		if err := json.Unmarshal(raw, &some); err != nil {
			return nil, fmt.Errorf("read x-codes: %w", err)
		}
		codes = append(codes, some...)
	}
	return codes, nil
}

// named keeps a fault only if the operation names its code: everything else is
// an INTERNAL_ERROR to the client (contract §1.2).
func (g *gate) named(f *fault.Error) *fault.Error {
	if g == nil || slices.Contains(g.codes, string(f.Code())) {
		return f
	}
	return fault.New(fault.InternalError).Because(f)
}

func (g *gate) middleware(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		s := sceneOf(c.Request().Context())
		s.gate = g
		for _, check := range []func(echo.Context, *scene) error{
			g.onRoute, g.fit, g.withinSize, g.withinLimits, g.sameSite, g.authenticated, g.challenged, g.inRole, g.steppedUp,
		} {
			if err := check(c, s); err != nil {
				return err
			}
		}
		if err := g.validate(c); err != nil {
			return err
		}
		return next(c)
	}
}

// onRoute makes paths exact: the router lets a last parameter match nothing
// and everything behind it.
func (g *gate) onRoute(c echo.Context, s *scene) error {
	for _, v := range c.ParamValues() {
		if plain, err := url.PathUnescape(v); err != nil || plain == "" || strings.ContainsAny(plain, `/\`) {
			s.gate = nil
			return fault.New(fault.RouteNotFound)
		}
	}
	if g.overshadowed(c) {
		s.gate = nil
		return fault.New(fault.MethodNotAllowed)
	}
	if locale, bad := g.badLocale(c.Request()); !bad && locale != "" {
		s.locale, s.lang = locale, g.d.Words.Match(locale)
	}
	return nil
}

// overshadowed reports whether the router took a path of the document for the
// parameter of another one, because that one has the method, and then says which
// methods the path has.
func (g *gate) overshadowed(c echo.Context) bool {
	path := c.Request().URL.Path
	item := g.route.Spec.Paths.Value(path)
	if item == nil || path == g.route.Path {
		return false
	}
	c.Set(echo.ContextKeyHeaderAllow, strings.Join(slices.Sorted(maps.Keys(item.Operations())), ", "))
	return true
}

// fit refuses what is answered from the database while this process may read it
// wrong: with old keys an account that is there looks like one that is not.
func (g *gate) fit(c echo.Context, _ *scene) error {
	if len(g.policy.Buckets) == 0 {
		return nil
	}
	if err := g.d.Unfit(c.Request().Context()); err != nil {
		return fault.New(fault.ServiceOverloaded).Because(err)
	}
	return nil
}

// badLocale returns the canonical form of the parameter locale, "" when there
// is none or the operation does not take one.
func (g *gate) badLocale(r *http.Request) (canonical string, bad bool) {
	if !g.locale || !r.URL.Query().Has("locale") {
		return "", false
	}
	canonical, ok := g.d.Words.Canonical(r.URL.Query().Get("locale"))
	return canonical, !ok
}

func (g *gate) withinSize(c echo.Context, _ *scene) error {
	r := c.Request()
	if g.route.Operation.RequestBody == nil {
		return nil
	}
	most := g.d.BodyLimit
	if g.form {
		most = g.d.AvatarLimit + envelope
	}
	if r.ContentLength > most {
		return fault.New(fault.RequestTooLarge)
	}
	r.Body = http.MaxBytesReader(c.Response(), r.Body, most)
	return nil
}

func (g *gate) withinLimits(c echo.Context, s *scene) error {
	takes := make([]limit.Take, 0, len(g.policy.Buckets))
	for _, b := range g.policy.Buckets {
		takes = append(takes, limit.Take{Key: b + " " + s.from.Bucket(), Budget: g.d.Limits.of(b)})
	}
	refused, wait := g.take(c, takes)
	if refused < 0 {
		return nil
	}
	if g.policy.Buckets[refused] == loginBucket {
		return fault.New(fault.IPLoginRateLimitExceeded).RetryIn(wait)
	}
	return fault.New(fault.IPRateLimitExceeded).RetryIn(wait)
}

func (g *gate) take(c echo.Context, takes []limit.Take) (refused int, wait time.Duration) {
	if !g.d.Limits.Enabled || len(takes) == 0 {
		return -1, 0
	}
	return g.d.Buckets.Take(c.Request().Context(), g.d.Now(), takes...)
}

func (g *gate) sameSite(c echo.Context, s *scene) error {
	if err := g.origins.sameSite(c.Request(), g.jar, g.d.Transport); err != nil {
		return err
	}
	s.sent = g.d.Transport.read(c.Request(), g.jar)
	return nil
}

func (g *gate) authenticated(c echo.Context, s *scene) error {
	switch g.policy.Access {
	case accessNone, accessLogout:
		return nil
	case accessRefresh:
		_, err := g.d.CheckRefresh.Do(c.Request().Context(), inbound.CheckRefreshToken{RefreshToken: s.sent.refresh})
		return err
	case accessOptional, accessRequired, accessAdmin, accessAnonymous, accessChallenge:
	}
	a, err := g.d.Authenticate.Do(c.Request().Context(), inbound.Authenticate{
		AccessToken: s.sent.access, StepUpToken: s.sent.stepUp, Self: g.policy.Self,
	})
	switch {
	case g.policy.Access == accessAnonymous && err == nil:
		return fault.New(fault.AlreadyAuthenticated)
	case g.policy.Access == accessAnonymous:
		return nil // a token nobody can judge counts as absent (contract §5.2)
	case g.policy.Access == accessOptional && countsAsAbsent(err):
		return nil
	case g.policy.Access == accessChallenge && countsAsAbsent(err):
		return g.challengedInstead(c, s, err)
	case err != nil:
		return err
	}
	s.access = a
	return g.withinUserLimit(c, s)
}

func countsAsAbsent(err error) bool {
	switch fault.CodeOf(err) { //nolint:exhaustive // every other failure is one
	case fault.AuthenticationRequired, fault.AccessTokenInvalid, fault.AccessTokenExpired,
		fault.TwoFactorAuthenticationTokenMissing, fault.TwoFactorAuthenticationTokenInvalid, fault.TwoFactorAuthenticationTokenExpired:
		return true
	}
	return false
}

// challengedInstead asks for a challenge where there is no good access token.
// What was wrong with one that was sent counts more than what is wrong with the
// challenge (contract T8).
func (g *gate) challengedInstead(c echo.Context, s *scene, why error) error {
	err := g.check(c, s, "")
	if err != nil && countsAsAbsent(err) && !s.sent.access.Missing() {
		return why
	}
	return err
}

func (g *gate) challenged(c echo.Context, s *scene) error {
	switch g.policy.TwoFactor {
	case "":
		return nil
	case anyChallenge:
		if err := g.check(c, s, ""); err != nil && !countsAsAbsent(err) {
			return err
		}
		return nil
	}
	return g.check(c, s, session.Purpose(g.policy.TwoFactor))
}

func (g *gate) check(c echo.Context, s *scene, p session.Purpose) error {
	i, err := g.d.CheckChallenge.Do(c.Request().Context(), inbound.CheckChallenge{Token: s.sent.twoFactor, Purpose: p, Caller: s.caller()})
	if err != nil {
		return err
	}
	s.challenge = &i
	return nil
}

func (g *gate) withinUserLimit(c echo.Context, s *scene) error {
	refused, wait := g.take(c, []limit.Take{{Key: "user " + string(s.caller().PrincipalID), Budget: g.d.Limits.User}})
	if refused >= 0 {
		return fault.New(fault.UserRateLimitExceeded).RetryIn(wait)
	}
	return nil
}

// refused puts on record what is refused before a command is made of it. It is
// called as the operation is.
func (g *gate) refused(c echo.Context, s *scene, why error) error {
	if why != nil {
		by := s.caller()
		g.d.Refused.Record(c.Request().Context(), audit.Entry{
			At: g.d.Now(), Command: g.route.Operation.OperationID, Principal: by.PrincipalID, Session: by.SessionID,
			Outcome: fault.CodeOf(why), Origin: audit.Origin{Network: s.from.Network(), Request: s.id},
		})
	}
	return why
}

func (g *gate) inRole(c echo.Context, s *scene) error {
	switch {
	case g.policy.Access == accessAdmin:
		return g.refused(c, s, s.caller().RequireAdmin())
	case g.policy.Kind == kindGuest && !slices.Contains(s.caller().Roles, principal.RoleGuest):
		return fault.New(fault.GuestIsAlreadyUser)
	}
	return nil
}

func (g *gate) steppedUp(c echo.Context, s *scene) error {
	if !g.policy.StepUp {
		return nil
	}
	return g.refused(c, s, s.caller().RequireStepUp())
}
