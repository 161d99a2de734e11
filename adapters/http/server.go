// Package http serves the inbound ports over HTTP with Echo, in the terms of
// the document in package api. It owns routes, headers, cookies, sizes, limits
// and how a fault is told; it knows no rule of an account.
package http

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"

	"gatehouse/adapters/http/api"
	"gatehouse/adapters/http/web"
	"gatehouse/domain/fault"
	"gatehouse/domain/group"
	"gatehouse/domain/limit"
	"gatehouse/domain/onetime"
	"gatehouse/domain/passkey"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

// Deps are what the server is built from. All are required but Mailbox.
type Deps struct {
	CheckChallenge   inbound.UseCase[inbound.CheckChallenge, onetime.Item]
	CompleteSignIn   inbound.UseCase[inbound.CompleteSignIn, inbound.SignedIn]
	CompleteStepUp   inbound.UseCase[inbound.CompleteStepUp, inbound.SteppedUp]
	Recover          inbound.UseCase[inbound.Recover, inbound.Recovered]
	MailCode         inbound.UseCase[inbound.MailCode, inbound.MailSent]
	Authenticate     inbound.UseCase[inbound.Authenticate, inbound.Access]
	Status           inbound.UseCase[inbound.Status, inbound.StatusReport]
	PublicKeys       inbound.UseCase[inbound.PublicKeys, inbound.PublicKeySet]
	Register         inbound.UseCase[inbound.Register, inbound.Registered]
	VerifyEmail      inbound.UseCase[inbound.VerifyEmail, inbound.Self]
	SendVerification inbound.UseCase[inbound.SendVerification, inbound.MailSent]
	VerificationWait inbound.UseCase[inbound.VerificationCooldown, inbound.Cooldown]
	RequestReset     inbound.UseCase[inbound.RequestPasswordReset, inbound.ResetRequested]
	ResetWait        inbound.UseCase[inbound.PasswordResetCooldown, inbound.Cooldown]
	ResetPassword    inbound.UseCase[inbound.ResetPassword, inbound.PasswordReset]
	SignIn           inbound.UseCase[inbound.SignIn, inbound.SignedIn]
	SignOut          inbound.UseCase[inbound.SignOut, inbound.SignedOut]
	CheckRefresh     inbound.UseCase[inbound.CheckRefreshToken, inbound.Done]
	Refresh          inbound.UseCase[inbound.Refresh, inbound.SignedIn]
	StepUp           inbound.UseCase[inbound.StepUp, inbound.SteppedUp]
	RedeemStepUp     inbound.UseCase[inbound.RedeemStepUp, inbound.Approval]
	ListSessions     inbound.UseCase[inbound.ListSessions, inbound.Sessions]
	SessionToken     inbound.UseCase[inbound.CreateSessionToken, inbound.SessionToken]
	EndSession       inbound.UseCase[inbound.EndSession, inbound.Sessions]
	EndAllSessions   inbound.UseCase[inbound.EndAllSessions, inbound.Done]
	BeginPasskey     inbound.UseCase[inbound.BeginPasskey, passkey.Document]
	AddPasskey       inbound.UseCase[inbound.AddPasskey, passkey.Passkey]
	ListPasskeys     inbound.UseCase[inbound.ListPasskeys, inbound.Passkeys]
	RenamePasskey    inbound.UseCase[inbound.RenamePasskey, passkey.Passkey]
	DeletePasskey    inbound.UseCase[inbound.DeletePasskey, inbound.Passkeys]
	WhoAmI           inbound.UseCase[inbound.WhoAmI, inbound.Self]
	UpdateSelf       inbound.UseCase[inbound.UpdateSelf, inbound.Self]
	ChangeEmail      inbound.UseCase[inbound.ChangeEmail, inbound.EmailChange]
	ChangePassword   inbound.UseCase[inbound.ChangePassword, inbound.Self]
	ExportSelf       inbound.UseCase[inbound.ExportSelf, inbound.Export]
	SetAvatar        inbound.UseCase[inbound.SetAvatar, inbound.Self]
	RemoveAvatar     inbound.UseCase[inbound.RemoveAvatar, inbound.Self]
	FindFile         inbound.UseCase[inbound.FindFile, inbound.File]
	DeleteSelf       inbound.UseCase[inbound.DeleteSelf, inbound.Done]
	DeleteUser       inbound.UseCase[inbound.DeleteAccount, inbound.Done]
	FindUsers        inbound.UseCase[inbound.FindUsers, inbound.UserPage]
	ViewUser         inbound.UseCase[inbound.ViewUser, inbound.Overview]
	DisableUser      inbound.UseCase[inbound.DisableAccount, inbound.Self]
	EnableUser       inbound.UseCase[inbound.EnableAccount, inbound.Self]
	GrantAdmin       inbound.UseCase[inbound.GrantAdmin, inbound.Self]
	RevokeAdmin      inbound.UseCase[inbound.RevokeAdmin, inbound.Self]
	CreateGuest      inbound.UseCase[inbound.CreateGuest, inbound.SignedIn]
	ConvertGuest     inbound.UseCase[inbound.ConvertGuest, inbound.SignedIn]
	// Second factors, on and off.
	PreferFactor         inbound.UseCase[inbound.PreferFactor, inbound.Self]
	BeginTOTP            inbound.UseCase[inbound.BeginTOTP, inbound.TOTPSetup]
	EnableTOTP           inbound.UseCase[inbound.EnableTOTP, inbound.Self]
	DisableTOTP          inbound.UseCase[inbound.DisableTOTP, inbound.Self]
	ReplaceRecoveryCodes inbound.UseCase[inbound.ReplaceRecoveryCodes, inbound.RecoveryCodes]
	EnableEmail          inbound.UseCase[inbound.EnableEmail, inbound.Self]
	DisableEmail         inbound.UseCase[inbound.DisableEmail, inbound.Self]
	FactorWait           inbound.UseCase[inbound.FactorCooldown, inbound.Cooldown]

	// Passkeys, to come in by.
	BeginPasskeySignIn        inbound.UseCase[inbound.BeginPasskeySignIn, passkey.Document]
	SignInWithPasskey         inbound.UseCase[inbound.SignInWithPasskey, inbound.SignedIn]
	BeginPasskeySecond        inbound.UseCase[inbound.BeginPasskeySecond, passkey.Document]
	CompleteSignInWithPasskey inbound.UseCase[inbound.CompleteSignInWithPasskey, inbound.SignedIn]
	CompleteStepUpWithPasskey inbound.UseCase[inbound.CompleteStepUpWithPasskey, inbound.SteppedUp]
	BeginPasskeyStepUp        inbound.UseCase[inbound.BeginPasskeyStepUp, passkey.Document]
	StepUpWithPasskey         inbound.UseCase[inbound.StepUpWithPasskey, inbound.SteppedUp]

	CreateGroup    inbound.UseCase[inbound.CreateGroup, group.Delivered]
	ListGroups     inbound.UseCase[inbound.ListGroups, inbound.GroupPage]
	ShowGroup      inbound.UseCase[inbound.ShowGroup, group.Delivered]
	UpdateGroup    inbound.UseCase[inbound.UpdateGroup, group.Delivered]
	DeleteGroup    inbound.UseCase[inbound.DeleteGroup, inbound.Done]
	AddMember      inbound.UseCase[inbound.AddMember, inbound.Member]
	RemoveMember   inbound.UseCase[inbound.RemoveMember, inbound.Member]
	RotateKeys     inbound.UseCase[inbound.RotateKeys, inbound.Done]
	RotationStatus inbound.UseCase[inbound.RotationStatus, inbound.RotationReport]
	ReadAudit      inbound.UseCase[inbound.ReadAudit, inbound.AuditPage]

	Refused  outbound.AuditLog // hears of who lacks a role or a step-up
	Buckets  outbound.Buckets
	Words    Words
	Traffic  Traffic
	NewID    func() string // request ids (UUIDv7)
	Now      func() time.Time
	Log      *slog.Logger
	Stopping *atomic.Bool // set when the process begins to stop
	Unfit    Check        // why this process must not answer for others, nil when it may

	BaseURL        *url.URL // the one source of the own origin and of cookie security
	AllowedOrigins []string
	TrustedProxies []netip.Prefix
	BodyLimit      int64 // bytes
	AvatarLimit    int64 // bytes of a picture
	Uploads        int   // of pictures at once; others wait
	Transport      Transport
	Limits         Limits
	StepUpAge      time.Duration // of the oldest proof that a step-up token stands for
	PublicProfiles bool          // anybody may see what others may know of a user
	Mailbox        http.Handler  // the development mailbox, nil when there is none
	Development    bool          // serve the API reference page
}

// Words finds sentences for callers.
type Words interface {
	// Best returns the language that comes nearest to the wanted ones.
	Best(wanted ...string) string
	// Match returns the language that comes nearest to a tag.
	Match(tag string) string
	// Canonical returns the canonical form of a language tag, if it is one.
	Canonical(tag string) (string, bool)
	// Say returns the sentence for key.
	Say(lang, key string) string
	// Tongue returns the language of that sentence: lang, unless it lacks it.
	Tongue(lang, key string) string
}

// Traffic measures requests.
type Traffic interface {
	// Served is told about every answer. route is the pattern, "" when there
	// was none, and code that of the problem, "" when there was none.
	Served(route, method string, status int, code string, took time.Duration)
}

// Limits are the budgets of the three request buckets (contract §1.3).
type Limits struct {
	Enabled         bool
	IP, Login, User limit.Budget
}

const loginBucket = "login"

func (l Limits) of(bucket string) limit.Budget {
	if bucket == loginBucket {
		return l.Login
	}
	return l.IP
}

func (d Deps) jar() jar { return jar{secure: d.https()} }

func (d Deps) https() bool { return strings.EqualFold(d.BaseURL.Scheme, "https") }

func (d Deps) origins() origins {
	return append(origins{canonicalOrigin(d.BaseURL)}, d.AllowedOrigins...)
}

// handlers is the whole API: each resource contributes its operations.
type handlers struct {
	authentication
	challenges
	verification
	recovery
	sessions
	passkeys
	proofs
	self
	export
	enrolment
	users
	avatars
	admins
	guests
	groups
	secrets
	trail
	documents
}

var _ api.StrictServerInterface = handlers{}

// document is read once: that takes longer than everything else of a start.
var document = sync.OnceValues(func() (readDocument, error) {
	doc, err := api.Load()
	if err != nil {
		return readDocument{}, err
	}
	return readExtensions(doc)
})

// New returns the handler of the public address.
func New(d Deps) (http.Handler, error) {
	doc, err := document()
	if err != nil {
		return nil, err
	}
	gates := gatesOf(doc, d)
	e := newEcho(d)
	e.Binder = binder{}
	e.Use(d.shutdownGate, d.origins().cors)
	say := speaker{d.jar(), d.Transport, d.Now}
	all := handlers{
		authentication: authentication{say, d.Register, d.SignIn, d.SignOut, d.Refresh, d.StepUp, d.RedeemStepUp, d.Status},
		challenges:     challenges{say, d.CompleteSignIn, d.CompleteStepUp, d.Recover, d.MailCode},
		verification:   verification{d.VerifyEmail, d.SendVerification, d.VerificationWait},
		recovery:       recovery{d.RequestReset, d.ResetWait, d.ResetPassword},
		sessions:       sessions{say, d.ListSessions, d.SessionToken, d.EndSession, d.EndAllSessions},
		passkeys:       passkeys{d.BeginPasskey, d.AddPasskey, d.ListPasskeys, d.RenamePasskey, d.DeletePasskey},
		proofs: proofs{
			say, d.BeginPasskeySignIn, d.SignInWithPasskey, d.BeginPasskeySecond, d.CompleteSignInWithPasskey, d.CompleteStepUpWithPasskey,
			d.BeginPasskeyStepUp, d.StepUpWithPasskey,
		},
		self: self{d.jar(), d.WhoAmI, d.UpdateSelf, d.DeleteSelf, d.ChangeEmail, d.ChangePassword},
		enrolment: enrolment{
			d.PreferFactor, d.BeginTOTP, d.EnableTOTP, d.DisableTOTP, d.ReplaceRecoveryCodes, d.EnableEmail, d.DisableEmail, d.FactorWait,
		},
		export:    export{d.ExportSelf},
		users:     users{d.jar(), d.FindUsers, d.ViewUser, d.DeleteUser, d.DisableUser, d.EnableUser},
		avatars:   avatars{d.AvatarLimit, make(room, d.Uploads), d.SetAvatar, d.RemoveAvatar, d.FindFile},
		admins:    admins{d.GrantAdmin, d.RevokeAdmin},
		guests:    guests{say, d.CreateGuest, d.ConvertGuest},
		groups:    groups{d.CreateGroup, d.ListGroups, d.ShowGroup, d.UpdateGroup, d.DeleteGroup, d.AddMember, d.RemoveMember},
		secrets:   secrets{d.RotateKeys, d.RotationStatus},
		documents: documents{d.PublicKeys},
		trail:     trail{d.ReadAudit},
	}
	api.RegisterHandlersWithOptions(e, api.NewStrictHandler(all, nil), api.RegisterHandlersOptions{OperationMiddlewares: gates})
	if err := mount(e, d); err != nil {
		return nil, err
	}
	return headAsGet(e, getOnly(doc.T)...), nil
}

// newEcho returns an Echo that answers every request in our terms: headers,
// problems, log line, and no panic further than its request.
func newEcho(d Deps) *echo.Echo {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.IPExtractor = echo.ExtractIPDirect() // ours is peers.address; Echo's default believes anybody
	e.HTTPErrorHandler = renderer{d}.render
	e.Use(onEveryAnswer(d))
	return e
}

// mount adds what is no part of the API: the pages of development mode.
func mount(e *echo.Echo, d Deps) error {
	if d.Mailbox != nil {
		mailbox := echo.WrapHandler(d.Mailbox)
		e.GET("/dev/mailbox", mailbox)
		e.GET("/dev/mailbox/messages", mailbox)
		e.DELETE("/dev/mailbox/messages", mailbox)
	}
	if !d.Development {
		return nil
	}
	reference, err := web.Reference()
	if err != nil {
		return fmt.Errorf("reference page: %w", err)
	}
	for path, page := range reference {
		e.GET(path, echo.WrapHandler(page))
	}
	return nil
}

// getOnly lists the paths at which HEAD is not answered, because GET changes
// something there (contract §1.1).
func getOnly(doc *openapi3.T) (paths []string) {
	for path, item := range doc.Paths.Map() {
		if item.Get != nil && item.Get.Extensions["x-get-only"] == true {
			paths = append(paths, path)
		}
	}
	return paths
}

// headAsGet answers HEAD wherever GET is answered, but for some paths. net/http,
// which still knows that it was HEAD, leaves out the body.
func headAsGet(next http.Handler, but ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead && !slices.Contains(but, r.URL.Path) {
			as := *r
			as.Method = http.MethodGet
			r = &as
		}
		next.ServeHTTP(w, r)
	})
}

// onEveryAnswer sets the scene and the headers every answer has, turns a panic
// into an ordinary failure, and logs one line per request: the route's pattern,
// never the path, which may hold what is nobody's business.
func onEveryAnswer(d Deps) echo.MiddlewareFunc {
	trusted, base := peers(d.TrustedProxies), strings.TrimSuffix(d.BaseURL.String(), "/")
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r, began := c.Request(), d.Now()
			s := &scene{
				id: trusted.requestID(r, d.NewID), lang: d.Words.Best(strings.Join(r.Header.Values("Accept-Language"), ",")), answer: c.Response(),
				base: base, cached: strings.Join(r.Header.Values("If-None-Match"), ","),
				from: trusted.address(r), agent: r.UserAgent(),
			}
			s.locale = s.lang
			c.SetRequest(r.WithContext(withScene(r.Context(), s)))
			setHeaders(c.Response().Header(), s.id, d.https())
			if err := guarded(next, c); err != nil {
				c.Error(err)
			}
			took := d.Now().Sub(began)
			d.Log.InfoContext(r.Context(), "request", "requestId", s.id, "method", methodOf(r), "route", c.Path(),
				"status", c.Response().Status, "code", s.code, "ms", took.Milliseconds())
			d.Traffic.Served(c.Path(), methodOf(r), c.Response().Status, s.code, took)
			return nil
		}
	}
}

// methodOf names the method, which may be any text of any length, only if it is
// one of ours.
func methodOf(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions:
		return r.Method
	}
	return "other"
}

func setHeaders(h http.Header, requestID string, https bool) {
	h.Set(echo.HeaderXRequestID, requestID)
	h.Set(echo.HeaderCacheControl, "no-store")
	h.Set(echo.HeaderXContentTypeOptions, "nosniff")
	h.Set(echo.HeaderXFrameOptions, "DENY")
	h.Set(echo.HeaderReferrerPolicy, "no-referrer")
	h.Set(echo.HeaderContentSecurityPolicy, "default-src 'none'; frame-ancestors 'none'")
	if https {
		h.Set(echo.HeaderStrictTransportSecurity, "max-age=31536000")
	}
}

// guarded keeps the stack of a panic and not its value, which may be a part of
// the request.
func guarded(next echo.HandlerFunc, c echo.Context) (err error) {
	defer func() {
		v := recover()
		if v == http.ErrAbortHandler { //nolint:errorlint // it is compared, as net/http does
			panic(v)
		}
		if v != nil {
			err = fmt.Errorf("panic of a %T\n%s", v, debug.Stack())
		}
	}()
	return next(c)
}

// shutdownGate answers 503 before anything else once the process stops.
func (d Deps) shutdownGate(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if d.Stopping.Load() {
			c.Response().Header().Set(echo.HeaderConnection, "close")
			return fault.New(fault.ServiceOverloaded)
		}
		return next(c)
	}
}

// canonicalOrigin writes the origin of u as browsers do: in lower case, without
// a port that goes without saying (RFC 6454 §6.2).
func canonicalOrigin(u *url.URL) string {
	scheme, host := strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	if port := u.Port(); scheme == "https" && port == "443" || scheme == "http" && port == "80" {
		host = strings.TrimSuffix(host, ":"+port)
	}
	return scheme + "://" + host
}

// Origin returns the origin a configured text names, which must be written
// exactly as browsers send it: https://app.example.com.
func Origin(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || !slices.Contains([]string{"http", "https"}, u.Scheme) || u.Host == "" || canonicalOrigin(u) != s {
		return "", errors.New("must be scheme://host or scheme://host:port, in lower case and without a default port")
	}
	return s, nil
}
