package http_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	adapter "gatehouse/adapters/http"
	"gatehouse/adapters/http/api"
	"gatehouse/adapters/http/api/contracttest"
	"gatehouse/adapters/i18n"
	"gatehouse/adapters/jwx"
	"gatehouse/adapters/ledger"
	"gatehouse/adapters/memory"
	"gatehouse/adapters/picture"
	"gatehouse/adapters/qr"
	"gatehouse/adapters/totp"
	"gatehouse/adapters/webauthn"
	"gatehouse/application/access"
	appaccount "gatehouse/application/account"
	"gatehouse/application/administration"
	"gatehouse/application/attempt"
	appavatar "gatehouse/application/avatar"
	"gatehouse/application/directory"
	"gatehouse/application/erasure"
	"gatehouse/application/grant"
	appgroup "gatehouse/application/group"
	"gatehouse/application/guest"
	"gatehouse/application/keys"
	"gatehouse/application/mailcode"
	apppasskey "gatehouse/application/passkey"
	apppassword "gatehouse/application/password"
	"gatehouse/application/profile"
	"gatehouse/application/registration"
	appsession "gatehouse/application/session"
	apptrail "gatehouse/application/trail"
	"gatehouse/application/twofactor"
	"gatehouse/domain/audit"
	"gatehouse/domain/avatar"
	"gatehouse/domain/client"
	"gatehouse/domain/dossier"
	"gatehouse/domain/email"
	"gatehouse/domain/factor"
	"gatehouse/domain/fault"
	"gatehouse/domain/group"
	"gatehouse/domain/key"
	"gatehouse/domain/limit"
	"gatehouse/domain/notice"
	"gatehouse/domain/onetime"
	"gatehouse/domain/page"
	"gatehouse/domain/passkey"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/recovery"
	"gatehouse/domain/secret"
	"gatehouse/domain/session"
	"gatehouse/domain/throttle"
	"gatehouse/domain/token"
	"gatehouse/locales"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

// --- the contract ---

type contractFile struct {
	AmbientCodes []string
	Endpoints    []endpoint
	Codes        map[string]struct {
		Status int
		Title  string
	}
}

type endpoint struct {
	ID, Method, Path string
	Errors           map[string][]string
	RequestRequired  bool
	Query            []struct{ Name string }
}

var contract = sync.OnceValue(func() (c contractFile) {
	if err := contracttest.Read("../../docs/contract", &c); err != nil {
		panic(err)
	}
	return c
})

// built are the ids of the operations that are served: all of the document.
var built = sync.OnceValue(func() (ids []string) {
	doc, err := api.Load()
	if err != nil {
		panic(err)
	}
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			ids = append(ids, op.Extensions["x-id"].(string))
		}
	}
	return slices.Sorted(slices.Values(ids))
})

func endpointOf(t *testing.T, id string) endpoint {
	t.Helper()
	for _, e := range contract().Endpoints {
		if e.ID == id {
			return e
		}
	}
	t.Fatalf("the contract has no endpoint %s", id)
	return endpoint{}
}

// --- the world ---

var (
	start = time.Date(2026, 7, 27, 10, 15, 30, 123456000, time.UTC)
	words = sync.OnceValue(func() *i18n.Catalogue {
		c, err := i18n.Load(locales.Files, "en", nil)
		if err != nil {
			panic(err)
		}
		return c
	})
	signingKey = sync.OnceValue(func() key.Opened {
		alg, m, err := jwx.KeyMaker{SigningAlgorithm: "ES256"}.NewKey(key.Signing)
		if err != nil {
			panic(err)
		}
		return key.Opened{Key: key.Key{ID: "key-1", Purpose: key.Signing, Algorithm: alg, State: key.Current}, Material: m}
	})
)

type world struct {
	t        testing.TB
	clock    *clock
	store    *memory.Store
	faults   *faults
	tokens   *jwx.Tokens
	issuer   *grant.Issuer
	log      *logBuffer
	traffic  *traffic
	stopping *atomic.Bool
	deps     adapter.Deps
	server   *httptest.Server
	mailed   []notice.Notice
	refused  *diary
	ledger   string // path
	files    *memory.Storage
}

type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(0, c.at.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d)) }

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// diary keeps what was refused before a command was made of it.
type diary struct {
	mu      sync.Mutex
	entries []audit.Entry
}

func (d *diary) Record(_ context.Context, e audit.Entry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.entries = append(d.entries, e)
}

type served struct {
	route, method, code string
	status              int
}

type traffic struct {
	mu  sync.Mutex
	all []served
}

func (r *traffic) Served(route, method string, status int, code string, _ time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, served{route, method, code, status})
}

func (r *traffic) last() served {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all[len(r.all)-1]
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

func newRecoveryCodes() []recovery.Code {
	codes := make([]recovery.Code, 6)
	for i := range codes {
		var b [recovery.Length]byte
		rand.Read(b[:])
		codes[i] = recovery.Make(b)
	}
	return codes
}

func newSecret() secret.Text {
	b := make([]byte, 32)
	rand.Read(b)
	return secret.New(base64.RawURLEncoding.EncodeToString(b))
}

// newCode returns a code that is another one each time, nearly.
func newCode() factor.Code {
	var b [3]byte
	rand.Read(b[:])
	n := (int(b[0])<<16 | int(b[1])<<8 | int(b[2])) % 1_000_000
	return factor.Code{Text: secret.New(factor.PadCode(strconv.Itoa(n)))}
}

// setup is what a test may have otherwise.
type setup struct {
	free      bool // of the throttle of accounts
	mailed    bool // codes are a second factor of new accounts
	base      string
	mailOn    bool
	edit      func(*adapter.Deps)
	leaks     appaccount.Leaks
	onLeak    appsession.OnLeak
	mandatory bool // the last second factor stays on
	unlocked  bool // authenticators need not verify who makes a passkey or uses one besides a password
}

func (s setup) second() passkey.Verification {
	if s.unlocked {
		return passkey.Preferred
	}
	return passkey.Required
}

type option func(*setup)

func withBase(u string) option             { return func(s *setup) { s.base = u } }
func withUnlockedPasskeys() option         { return func(s *setup) { s.unlocked = true } }
func withMailedCodes(s *setup)             { s.mailed = true }
func unthrottled(s *setup)                 { s.free = true }
func withMandatoryFactors() option         { return func(s *setup) { s.mandatory = true } }
func withoutMail() option                  { return func(s *setup) { s.mailOn = false } }
func with(edit func(*adapter.Deps)) option { return func(s *setup) { s.edit = edit } }
func withTransport(x adapter.Transport) option {
	return with(func(d *adapter.Deps) { d.Transport = x })
}

func withProxies(prefixes ...string) option {
	return with(func(d *adapter.Deps) {
		for _, p := range prefixes {
			d.TrustedProxies = append(d.TrustedProxies, netip.MustParsePrefix(p))
		}
	})
}

func newWorld(t testing.TB, options ...option) *world {
	t.Helper()
	s := setup{base: "http://gatehouse.example", mailOn: true}
	for _, o := range options {
		o(&s)
	}
	w := &world{
		t: t, clock: &clock{}, store: memory.New(), faults: &faults{on: map[string]planned{}}, log: &logBuffer{},
		refused: &diary{}, traffic: &traffic{}, stopping: &atomic.Bool{}, ledger: filepath.Join(t.TempDir(), "erasures.jsonl"), files: memory.NewStorage(),
	}
	w.clock.at.Store(start.UnixNano())
	var err error
	if w.tokens, err = jwx.New(jwx.Config{Issuer: s.base, Audience: "gatehouse", Keys: []key.Opened{signingKey()}}); err != nil {
		t.Fatal(err)
	}
	w.deps = w.compose(s)
	if s.edit != nil {
		s.edit(&w.deps)
	}
	h, err := adapter.New(w.deps)
	if err != nil {
		t.Fatal(err)
	}
	w.server = httptest.NewServer(h)
	t.Cleanup(w.server.Close)
	return w
}

func (w *world) compose(s setup) adapter.Deps {
	base, err := url.Parse(s.base)
	if err != nil {
		w.t.Fatal(err)
	}
	now, work := w.clock.now, faultyWork{w.store, w.faults}
	locate := func(client.Address) *client.Location { return nil }
	life := session.Lifetimes{Refresh: 90 * 24 * time.Hour, GuestRefresh: 30 * 24 * time.Hour, Max: 180 * 24 * time.Hour, ReuseGrace: 10 * time.Second}
	w.issuer = grant.New(grant.Deps{
		Minter: faultyMinter{w.tokens, w.faults}, Session: life,
		Token: token.Lifetimes{Access: 15 * time.Minute, StepUp: 10 * time.Minute, Session: 15 * time.Minute, Challenge: 10 * time.Minute, TOTPSetup: 15 * time.Minute}, NewID: newID,
	})
	hasher := fakeHasher{w.faults}
	taker := attempt.New(attempt.Deps{
		Work: work, Hasher: hasher, Now: now,
		Policy: throttle.Policy{Attempts: 5, TotalAttempts: 50, MaxDelay: 15 * time.Minute, Off: s.free},
	})
	reset := apppassword.ResetMail{On: s.mailOn, Cooldown: time.Minute, InfoCooldown: time.Hour, TTL: 30 * time.Minute}
	mail := registration.Mail{On: s.mailOn, Alert: true, AlertMoved: s.mailOn, Cooldown: time.Minute, InfoCooldown: time.Hour, VerificationTTL: 24 * time.Hour}
	codes := mailcode.New(mailcode.Deps{
		Work: work, MailOn: s.mailOn, Cooldown: time.Minute, TTL: 10 * time.Minute, NewCode: newCode, NewID: newID, Now: now,
	})
	alerts := appsession.Alerts{Login: true, RefreshReused: true}
	revocations := faultyRevocations{w.faults}
	admins := administration.Deps{Accounts: administration.NewChanger(administration.ChangerDeps{Work: work, Revocations: revocations, Now: now})}
	groups := appgroup.Deps{Work: work, Canonical: words().Canonical, Service: "en"}
	members := appgroup.MemberDeps{Work: work, Revocations: revocations}
	erasing := erasure.Deps{Work: work, Revocations: revocations, Ledger: ledger.New(w.ledger), Now: now, Log: slog.New(slog.NewJSONHandler(w.log, nil))}
	party, err := webauthn.New(webauthn.Config{
		ID: base.Hostname(), Name: "Gatehouse", Origins: []string{s.base}, Verification: s.second(),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	factors := twofactor.Deps{
		Work: work, Revocations: revocations, Now: now, NewID: newID,
		Alerts: twofactor.Alerts{Added: s.mailOn, Removed: s.mailOn, Codes: s.mailOn},
	}
	fobs := apppasskey.ChangeDeps{Factors: factors, Authenticators: party, Required: s.mandatory}
	leaving := twofactor.DisablerDeps{Deps: factors, Required: s.mandatory}
	ender := appsession.EnderDeps{Work: work, Revocations: revocations, Now: now}
	entrance := appsession.NewEntrance(appsession.EntranceDeps{
		Attempts: taker, Issuer: w.issuer, Codes: codes, Locate: locate, Alerts: alerts, MailOn: s.mailOn, NewID: newID, Now: now,
	})
	asking := apppasskey.AskerDeps{Work: work, Authenticators: party, Second: s.second(), NewSecret: newSecret, Now: now}
	proven := appsession.PasskeyDeps{
		Work: work, Entrance: entrance, Now: now,
		Judge: apppasskey.NewJudge(apppasskey.JudgeDeps{Work: work, Authenticators: party, Second: s.second(), Now: now}),
	}
	completing := appsession.CompleterDeps{Work: work, Attempts: taker, Entrance: entrance, TOTP: faultyTOTP{totp.Codes{}, w.faults}, Now: now}
	return adapter.Deps{
		CompleteSignIn: appsession.NewSignInCompleter(completing),
		CompleteStepUp: appsession.NewStepUpCompleter(completing),
		Recover: appsession.NewRecoverer(appsession.RecovererDeps{
			Work: work, Attempts: taker, Hasher: hasher, Entrance: entrance, Alert: s.mailOn, NewID: newID, Now: now,
		}),
		MailCode:         codes,
		CheckChallenge:   access.NewChallengeChecker(access.ChallengeCheckerDeps{Work: work, Verifier: w.tokens, Now: now}),
		Authenticate:     access.NewAuthenticator(access.AuthenticatorDeps{Work: work, Marks: memory.NoCache{}, Verifier: w.tokens, Now: now}),
		Status:           access.NewStatusTeller(work),
		PublicKeys:       access.NewKeyPublisher(access.KeyPublisherDeps{Keys: w.tokens}),
		Register:         registration.NewRegistrar(registration.RegistrarDeps{Work: work, Hasher: hasher, Leaks: s.leaks, Mail: mail, Mailed: s.mailed, Now: now, NewID: newID, NewSecret: newSecret}),
		VerifyEmail:      registration.NewVerifier(registration.VerifierDeps{Work: work, Mail: mail, Revocations: revocations, Now: now, NewID: newID}),
		SendVerification: registration.NewSender(registration.SenderDeps{Work: work, Mail: mail, Now: now, NewID: newID, NewSecret: newSecret}),
		VerificationWait: registration.NewCooldown(registration.CooldownDeps{Work: work, Now: now}),
		RequestReset:     apppassword.NewResetRequester(apppassword.ResetRequesterDeps{Work: work, Mail: reset, Now: now, NewID: newID, NewSecret: newSecret}),
		ResetWait:        apppassword.NewResetCooldown(apppassword.ResetCooldownDeps{Work: work, Now: now}),
		ResetPassword: apppassword.NewResetter(apppassword.ResetterDeps{
			Work: work, Hasher: hasher, Leaks: s.leaks, Attempts: taker, Revocations: revocations, Alert: s.mailOn, Now: now, NewID: newID,
		}),
		SignIn: appsession.NewSignerIn(appsession.SignerInDeps{
			Work: work, Attempts: taker, Entrance: entrance, MailOn: s.mailOn, NewID: newID, Now: now,
			InfoCooldown: time.Hour, OnLeak: s.onLeak,
		}),
		SignOut:      appsession.NewSignerOut(appsession.SignerOutDeps{Work: work, Verifier: w.tokens, Revocations: revocations, Now: now}),
		CheckRefresh: appsession.NewRefreshChecker(appsession.RefreshCheckerDeps{Verifier: w.tokens, Now: now}),
		Refresh: appsession.NewRefresher(appsession.RefresherDeps{
			Work: work, Verifier: w.tokens, Issuer: w.issuer, Revocations: revocations, Locate: locate, Alerts: alerts,
			MailOn: s.mailOn, NewID: newID, Now: now,
		}),
		RedeemStepUp: appsession.NewRedeemer(appsession.RedeemerDeps{Work: work, Verifier: w.tokens, Now: now}),
		StepUp: appsession.NewStepperUp(appsession.StepperUpDeps{
			Work: work, Attempts: taker, Entrance: entrance, GuestWindow: 10 * time.Minute, Now: now,
		}),
		ListSessions:   appsession.NewLister(appsession.ListerDeps{Work: work, Now: now}),
		SessionToken:   appsession.NewTokenCreator(appsession.TokenCreatorDeps{Issuer: w.issuer, Now: now}),
		EndSession:     appsession.NewEnder(ender),
		EndAllSessions: appsession.NewAllEnder(ender),
		BeginPasskey: apppasskey.NewBeginner(apppasskey.BeginnerDeps{
			Work: work, Authenticators: party, NewSecret: newSecret, Now: now,
		}),
		AddPasskey:                apppasskey.NewAdder(fobs),
		ListPasskeys:              apppasskey.NewLister(apppasskey.ListDeps{Work: work}),
		RenamePasskey:             apppasskey.NewRenamer(apppasskey.ListDeps{Work: work}),
		DeletePasskey:             apppasskey.NewDeleter(fobs),
		BeginPasskeySignIn:        apppasskey.NewSignInAsker(asking),
		SignInWithPasskey:         appsession.NewPasskeySignerIn(proven),
		BeginPasskeySecond:        apppasskey.NewSecondAsker(asking),
		CompleteSignInWithPasskey: appsession.NewPasskeySignInCompleter(proven),
		CompleteStepUpWithPasskey: appsession.NewPasskeyStepUpCompleter(proven),
		BeginPasskeyStepUp:        apppasskey.NewStepUpAsker(asking),
		StepUpWithPasskey:         appsession.NewPasskeyStepperUp(proven),
		WhoAmI:                    profile.NewMirror(),
		UpdateSelf:                profile.NewUpdater(profile.UpdaterDeps{Work: work}),
		ChangeEmail: registration.NewEmailChanger(registration.EmailChangerDeps{
			Work: work, Mail: mail, Revocations: revocations, Now: now, NewID: newID, NewSecret: newSecret,
		}),
		ChangePassword: apppassword.NewChanger(apppassword.ChangerDeps{
			Work: work, Attempts: taker, Leaks: s.leaks, Revocations: revocations, Alert: s.mailOn, Now: now, NewID: newID,
		}),
		CreateGroup:    appgroup.NewCreator(groups),
		ListGroups:     appgroup.NewLister(groups),
		ShowGroup:      appgroup.NewShower(groups),
		UpdateGroup:    appgroup.NewUpdater(groups),
		DeleteGroup:    appgroup.NewDeleter(members),
		AddMember:      appgroup.NewMemberAdder(members),
		RemoveMember:   appgroup.NewMemberRemover(members),
		RotateKeys:     keys.NewStarter(keys.StarterDeps{Work: work, Wake: func() {}, Now: now, NewID: newID}),
		RotationStatus: keys.NewReporter(keys.ReporterDeps{Work: work}),
		ExportSelf:     profile.NewExporter(profile.ExporterDeps{Work: work, Now: now}),
		DeleteSelf:     erasure.NewSelfDeleter(erasing),
		DeleteUser:     erasure.NewAccountDeleter(erasing),
		ReadAudit:      apptrail.NewReader(apptrail.ReaderDeps{Work: work}),
		FindUsers:      directory.NewFinder(directory.FinderDeps{Work: work}),
		ViewUser:       directory.NewViewer(directory.ViewerDeps{Work: work}),
		DisableUser:    administration.NewDisabler(admins),
		EnableUser:     administration.NewEnabler(admins),
		GrantAdmin:     administration.NewGranter(admins),
		RevokeAdmin:    administration.NewRevoker(admins),

		PreferFactor: twofactor.NewPreferrer(twofactor.PreferrerDeps{Work: work, Now: now}),
		BeginTOTP: twofactor.NewBeginner(twofactor.BeginnerDeps{
			Work: work, TOTP: faultyTOTP{totp.Codes{}, w.faults}, QR: qr.Coder{}, Issuer: w.issuer, NewCodes: newRecoveryCodes, Service: "Gatehouse", Now: now,
		}),
		EnableTOTP: twofactor.NewTOTPEnabler(twofactor.TOTPEnablerDeps{
			Deps: factors, Attempts: taker, Hasher: hasher, Verifier: w.tokens, TOTP: faultyTOTP{totp.Codes{}, w.faults},
		}),
		DisableTOTP:          twofactor.NewTOTPDisabler(leaving),
		ReplaceRecoveryCodes: twofactor.NewCodesReplacer(twofactor.CodesReplacerDeps{Deps: factors, Hasher: hasher, NewCodes: newRecoveryCodes}),
		EnableEmail:          twofactor.NewEmailEnabler(twofactor.EmailEnablerDeps{Deps: factors, Attempts: taker}),
		DisableEmail:         twofactor.NewEmailDisabler(leaving),
		FactorWait:           twofactor.NewCooldown(twofactor.CooldownDeps{Work: work, Now: now}),

		SetAvatar: appavatar.NewSetter(appavatar.SetterDeps{
			Work: work, Storage: faultyStorage{w.files, w.faults}, Painter: picture.New(picture.Config{MaxPixels: 40_000_000, Memory: 1 << 30, Parallel: 2, Waiting: 4}),
			Now: now, NewID: newID, NewKey: func() string { return strings.ToLower(rand.Text()) }, Wake: func() {},
		}),
		RemoveAvatar: appavatar.NewRemover(appavatar.RemoverDeps{Work: work, Now: now, Wake: func() {}}),
		FindFile:     appavatar.NewFinder(appavatar.FinderDeps{Work: work, Storage: faultyStorage{w.files, w.faults}}),

		ConvertGuest: registration.NewConverter(registration.ConverterDeps{
			Work: work, Hasher: hasher, Leaks: s.leaks, Issuer: w.issuer, Mail: mail, Revocations: revocations, Mailed: s.mailed, Locate: locate, Now: now, NewID: newID, NewSecret: newSecret,
		}),
		CreateGuest: guest.NewCreator(guest.CreatorDeps{Work: work, Issuer: w.issuer, Locate: locate, NewID: newID, Now: now}),

		Refused: w.refused,
		Buckets: faultyBuckets{memory.NewBuckets(), w.faults}, Words: words(), Traffic: w.traffic, NewID: newID, Now: now,
		Log: slog.New(slog.NewJSONHandler(w.log, nil)), Stopping: w.stopping, Unfit: func(context.Context) error { return nil }, BaseURL: base, BodyLimit: 64 << 10, AvatarLimit: 5 << 20, Uploads: 8,
		StepUpAge: 10 * time.Minute,
		Transport: adapter.Transport{HeaderAllowed: true, HeaderPreferred: true},
		Limits: adapter.Limits{
			Enabled: true,
			IP:      limit.Budget{Count: 200, Per: time.Minute},
			Login:   limit.Budget{Count: 10, Per: 5 * time.Minute},
			User:    limit.Budget{Count: 200, Per: time.Minute},
		},
	}
}

// --- faults ---

// faults makes calls fail: from the after-th call of an operation on, counted
// from when it was planned.
type faults struct {
	mu sync.Mutex
	on map[string]planned
}

type planned struct {
	err   error
	after int
}

func (f *faults) plan(op string, err error) { f.planAfter(op, 0, err) }

func (f *faults) planAfter(op string, calls int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.on[op] = planned{err, calls}
}

func (f *faults) mend(op string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.on, op)
}

func (f *faults) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.on)
}

func (f *faults) at(op string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, ok := f.on[op]
	switch {
	case !ok:
		return nil
	case p.after > 0:
		p.after--
		f.on[op] = p
		return nil
	}
	return p.err
}

type faultyWork struct {
	outbound.UnitOfWork
	f *faults
}

func (w faultyWork) Within(ctx context.Context, fn func(context.Context, outbound.Stores) error) error {
	return w.UnitOfWork.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
		if err := fn(ctx, faultyStores(s, w.f)); err != nil {
			return err
		}
		return w.f.at("commit")
	})
}

func (w faultyWork) View(ctx context.Context, fn func(context.Context, outbound.Stores) error) error {
	return w.UnitOfWork.View(ctx, func(ctx context.Context, s outbound.Stores) error { return fn(ctx, faultyStores(s, w.f)) })
}

func (w faultyWork) Single() outbound.Stores { return faultyStores(w.UnitOfWork.Single(), w.f) }

func faultyStores(s outbound.Stores, f *faults) outbound.Stores {
	s.Principals = faultyPrincipals{s.Principals, f}
	s.Groups = faultyGroups{s.Groups, f}
	s.Sessions = faultySessions{s.Sessions, f}
	s.OneTime = faultyOneTime{s.OneTime, f}
	s.Cooldowns = faultyCooldowns{s.Cooldowns, f}
	s.Rotations = faultyRotations{s.Rotations, f}
	s.Entry = faultyEntry{s.Entry, f}
	s.Dossiers = faultyDossiers{s.Dossiers, f}
	s.Passkeys = faultyPasskeys{s.Passkeys, f}
	s.Files = faultyFiles{s.Files, f}
	s.Trail = faultyTrail{s.Trail, f}
	return s
}

type faultyFiles struct {
	outbound.Files
	f *faults
}

func (s faultyFiles) ByKey(ctx context.Context, key string) (avatar.File, error) {
	if err := s.f.at("files.byKey"); err != nil {
		return avatar.File{}, err
	}
	return s.Files.ByKey(ctx, key)
}

func (s faultyFiles) Swap(ctx context.Context, of principal.ID, now time.Time, keys ...string) error {
	if err := s.f.at("files.swap"); err != nil {
		return err
	}
	return s.Files.Swap(ctx, of, now, keys...)
}

type faultyStorage struct {
	outbound.Storage
	f *faults
}

func (s faultyStorage) Put(ctx context.Context, key, contentType string, content []byte) error {
	if err := s.f.at("storage.put"); err != nil {
		return err
	}
	return s.Storage.Put(ctx, key, contentType, content)
}

func (s faultyStorage) Open(ctx context.Context, key string) (outbound.Content, error) {
	if err := s.f.at("storage.open"); err != nil {
		return outbound.Content{}, err
	}
	return s.Storage.Open(ctx, key)
}

type faultyTrail struct {
	outbound.Trail
	f *faults
}

func (e faultyTrail) Page(ctx context.Context, f audit.Filter, r page.Request) (page.Page[audit.Entry], error) {
	if err := e.f.at("trail.page"); err != nil {
		return page.Page[audit.Entry]{}, err
	}
	return e.Trail.Page(ctx, f, r)
}

type faultyEntry struct {
	outbound.Entry
	f *faults
}

func (e faultyEntry) Look(ctx context.Context, of throttle.Subject) (throttle.State, *principal.Principal, error) {
	if err := e.f.at("principals.byEmail"); err != nil {
		return throttle.State{}, nil, err
	}
	return e.Entry.Look(ctx, of)
}

func (e faultyEntry) TurnAway(ctx context.Context, c outbound.Collision) (outbound.Effect, error) {
	if err := e.f.at("entry.turnAway"); err != nil {
		return outbound.Effect{}, err
	}
	return e.Entry.TurnAway(ctx, c)
}

type faultyPrincipals struct {
	outbound.Principals
	f *faults
}

func (p faultyPrincipals) ByID(ctx context.Context, id principal.ID) (*principal.Principal, error) {
	if err := p.f.at("principals.byID"); err != nil {
		return nil, err
	}
	return p.Principals.ByID(ctx, id)
}

func (p faultyPrincipals) Delete(ctx context.Context, id principal.ID) error {
	if err := p.f.at("principals.delete"); err != nil {
		return err
	}
	return p.Principals.Delete(ctx, id)
}

func (p faultyPrincipals) ByEmail(ctx context.Context, normal string) (*principal.Principal, error) {
	if err := p.f.at("principals.byEmail"); err != nil {
		return nil, err
	}
	return p.Principals.ByEmail(ctx, normal)
}

func (p faultyPrincipals) Add(ctx context.Context, one *principal.Principal) error {
	if err := p.f.at("principals.add"); err != nil {
		return err
	}
	return p.Principals.Add(ctx, one)
}

type faultyGroups struct {
	outbound.Groups
	f *faults
}

func (g faultyGroups) Add(ctx context.Context, n group.Group) error {
	if err := g.f.at("groups.add"); err != nil {
		return err
	}
	return g.Groups.Add(ctx, n)
}

func (g faultyGroups) ByKey(ctx context.Context, key string) (group.Group, error) {
	if err := g.f.at("groups.byKey"); err != nil {
		return group.Group{}, err
	}
	return g.Groups.ByKey(ctx, key)
}

func (g faultyGroups) Empty(ctx context.Context, key string) (int, error) {
	if err := g.f.at("groups.empty"); err != nil {
		return 0, err
	}
	return g.Groups.Empty(ctx, key)
}

func (g faultyGroups) Delete(ctx context.Context, key string) error {
	if err := g.f.at("groups.delete"); err != nil {
		return err
	}
	return g.Groups.Delete(ctx, key)
}

func (g faultyGroups) Page(ctx context.Context, wanted, service string, r page.Request) (page.Page[group.Delivered], error) {
	if err := g.f.at("groups.page"); err != nil {
		return page.Page[group.Delivered]{}, err
	}
	return g.Groups.Page(ctx, wanted, service, r)
}

func (p faultyPrincipals) Page(ctx context.Context, of principal.Filter, r page.Request) (page.Page[*principal.Principal], error) {
	if err := p.f.at("principals.page"); err != nil {
		return page.Page[*principal.Principal]{}, err
	}
	return p.Principals.Page(ctx, of, r)
}

type faultySessions struct {
	outbound.Sessions
	f *faults
}

func (s faultySessions) Access(ctx context.Context, id session.ID) (outbound.Access, error) {
	if err := s.f.at("sessions.access"); err != nil {
		return outbound.Access{}, err
	}
	a, err := s.Sessions.Access(ctx, id)
	return s.opening(a), err
}

func (s faultySessions) Refreshable(ctx context.Context, id session.ID, presented string, now time.Time) (outbound.Access, *session.Pair, error) {
	if err := s.f.at("sessions.refreshable"); err != nil {
		return outbound.Access{}, nil, err
	}
	a, pair, err := s.Sessions.Refreshable(ctx, id, presented, now)
	return s.opening(a), pair, err
}

func (s faultySessions) opening(a outbound.Access) outbound.Access {
	open := a.Open
	a.Open = func() (*principal.Principal, error) {
		if err := s.f.at("open"); err != nil {
			return nil, err
		}
		return open()
	}
	return a
}

func (s faultySessions) Of(ctx context.Context, id principal.ID, now time.Time) ([]session.Session, error) {
	if err := s.f.at("sessions.of"); err != nil {
		return nil, err
	}
	return s.Sessions.Of(ctx, id, now)
}

func (s faultySessions) End(ctx context.Context, of principal.ID, id session.ID, why session.EndReason, now time.Time) (bool, error) {
	if err := s.f.at("sessions.end"); err != nil {
		return false, err
	}
	return s.Sessions.End(ctx, of, id, why, now)
}

func (s faultySessions) EndAll(ctx context.Context, of principal.ID, keep session.ID, why session.EndReason, now time.Time) error {
	if err := s.f.at("sessions.endAll"); err != nil {
		return err
	}
	return s.Sessions.EndAll(ctx, of, keep, why, now)
}

type faultyOneTime struct {
	outbound.OneTime
	f *faults
}

func (o faultyOneTime) Add(ctx context.Context, i onetime.Item) error {
	if err := o.f.at("onetime.add"); err != nil {
		return err
	}
	return o.OneTime.Add(ctx, i)
}

func (o faultyOneTime) Find(ctx context.Context, k onetime.Kind, h onetime.Hash) (onetime.Item, error) {
	if err := o.f.at("onetime.find"); err != nil {
		return onetime.Item{}, err
	}
	return o.OneTime.Find(ctx, k, h)
}

type faultyCooldowns struct {
	outbound.Cooldowns
	f *faults
}

func (c faultyCooldowns) Start(ctx context.Context, k notice.Kind, normal string, now time.Time, ttl time.Duration) (time.Duration, error) {
	if err := c.f.at("cooldowns.start"); err != nil {
		return 0, err
	}
	return c.Cooldowns.Start(ctx, k, normal, now, ttl)
}

func (c faultyCooldowns) Left(ctx context.Context, k notice.Kind, normal string, now time.Time) (time.Duration, error) {
	if err := c.f.at("cooldowns.left"); err != nil {
		return 0, err
	}
	return c.Cooldowns.Left(ctx, k, normal, now)
}

type faultyPasskeys struct {
	outbound.Passkeys
	f *faults
}

func (k faultyPasskeys) Of(ctx context.Context, of principal.ID) ([]passkey.Passkey, error) {
	if err := k.f.at("passkeys.of"); err != nil {
		return nil, err
	}
	return k.Passkeys.Of(ctx, of)
}

func (k faultyPasskeys) ByCredential(ctx context.Context, credential []byte) (passkey.Passkey, error) {
	if err := k.f.at("passkeys.byCredential"); err != nil {
		return passkey.Passkey{}, err
	}
	return k.Passkeys.ByCredential(ctx, credential)
}

func (k faultyPasskeys) Add(ctx context.Context, p passkey.Passkey) error {
	if err := k.f.at("passkeys.add"); err != nil {
		return err
	}
	return k.Passkeys.Add(ctx, p)
}

type faultyRotations struct {
	outbound.Rotations
	f *faults
}

func (r faultyRotations) Start(ctx context.Context, n key.Rotation) error {
	if err := r.f.at("rotations.start"); err != nil {
		return err
	}
	return r.Rotations.Start(ctx, n)
}

func (r faultyRotations) Latest(ctx context.Context) (key.Rotation, error) {
	if err := r.f.at("rotations.latest"); err != nil {
		return key.Rotation{}, err
	}
	return r.Rotations.Latest(ctx)
}

type faultyDossiers struct {
	outbound.Dossiers
	f *faults
}

func (d faultyDossiers) Of(ctx context.Context, id principal.ID) (dossier.Dossier, error) {
	if err := d.f.at("dossiers.of"); err != nil {
		return dossier.Dossier{}, err
	}
	return d.Dossiers.Of(ctx, id)
}

type faultyMinter struct {
	outbound.Minter
	f *faults
}

func (m faultyMinter) Mint(k token.Kind, c token.Claims) (secret.Text, error) {
	if err := m.f.at("mint"); err != nil {
		return secret.Text{}, err
	}
	return m.Minter.Mint(k, c)
}

type faultyTOTP struct {
	outbound.TOTP
	f *faults
}

func (t faultyTOTP) NewSecret() (secret.Text, error) {
	if err := t.f.at("totp"); err != nil {
		return secret.Text{}, err
	}
	return t.TOTP.NewSecret()
}

func (t faultyTOTP) Step(of secret.Text, c factor.Code, now time.Time, after int64) (int64, bool, error) {
	if err := t.f.at("totp"); err != nil {
		return 0, false, err
	}
	return t.TOTP.Step(of, c, now, after)
}

type faultyRevocations struct{ f *faults }

func (faultyRevocations) Announce(context.Context, outbound.Revocation) {}

func (r faultyRevocations) Propagate(context.Context, outbound.Revocation) error {
	return r.f.at("propagate")
}

// faultyBuckets refuses the buckets that are planned to be empty.
type faultyBuckets struct {
	outbound.Buckets
	f *faults
}

func (b faultyBuckets) Take(ctx context.Context, now time.Time, takes ...limit.Take) (int, time.Duration) {
	for i, take := range takes {
		if name, _, _ := strings.Cut(take.Key, " "); b.f.at("bucket "+name) != nil {
			return i, 1500 * time.Millisecond
		}
	}
	return b.Buckets.Take(ctx, now, takes...)
}

// fakeHasher hashes fast, and as badly as that sounds.
type fakeHasher struct{ f *faults }

type fakeTurn struct{ f *faults }

func (h fakeHasher) Admit(context.Context, string) (outbound.Turn, error) {
	if err := h.f.at("admit"); err != nil {
		return nil, err
	}
	return fakeTurn(h), nil
}

func hashOf(p string) password.Hash {
	sum := sha256.Sum256([]byte(p))
	return password.NewHash("fake:" + hex.EncodeToString(sum[:]))
}

func (t fakeTurn) Hash(p password.Plain) (password.Hash, error) {
	if err := t.f.at("hash"); err != nil {
		return password.Hash{}, err
	}
	return hashOf(p.Reveal()), nil
}

func (t fakeTurn) HashLike(p password.Plain, _ password.Hash) (password.Hash, error) {
	return t.Hash(p)
}

func (t fakeTurn) Matches(p password.Plain, h password.Hash) (ok, outdated bool, err error) {
	if err := t.f.at("match"); err != nil {
		return false, false, err
	}
	return !h.IsZero() && hashOf(p.Reveal()).Equal(h), false, nil
}

func (fakeTurn) Done() {}

var errStorage = errors.New("the disk is gone")

func broken(code fault.Code) error { return fault.New(code).Because(errStorage) }

// --- requests and answers ---

// request is one that can still be changed.
type request struct {
	method, path, body string
	header             http.Header
	chunked            bool
}

type change func(*request)

func req(line, body string, changes ...change) request {
	method, path, _ := strings.Cut(line, " ")
	r := request{method: method, path: path, body: body, header: http.Header{}}
	if body != "" {
		r.header.Set("Content-Type", "application/json")
	}
	return r.but(changes...)
}

// but returns a changed copy.
func (r request) but(changes ...change) request {
	r.header = r.header.Clone()
	for _, c := range changes {
		c(&r)
	}
	return r
}

func set(name, value string) change { return func(r *request) { r.header.Set(name, value) } }
func add(name, value string) change { return func(r *request) { r.header.Add(name, value) } }
func del(names ...string) change {
	return func(r *request) {
		for _, n := range names {
			r.header.Del(n)
		}
	}
}
func bearer(t string) change { return set("Authorization", "Bearer "+t) }
func steppedUp(t string) change {
	return func(r *request) {
		if t != "" {
			r.header.Set("X-Step-Up-Token", t)
		}
	}
}
func cookie(name, value string) change { return add("Cookie", name+"="+value) }
func body(s string) change             { return func(r *request) { r.body = s } }
func to(path string) change            { return func(r *request) { r.path = path } }
func by(method string) change          { return func(r *request) { r.method = method } }
func crossSite(r *request) {
	r.header.Del("Authorization")
	r.header.Set("Cookie", "access_token=x")
	r.header.Set("Sec-Fetch-Site", "cross-site")
}

type answer struct {
	status int
	header http.Header
	body   []byte
	json   map[string]any // of an object
}

func (a answer) code() string {
	s, _ := a.json["code"].(string)
	return s
}

func (a answer) text(member string) string {
	s, _ := a.json[member].(string)
	return s
}

// rules are the broken ones as field:rule, sorted.
func (a answer) rules() (all []string) {
	list, _ := a.json["errors"].([]any)
	for _, e := range list {
		m, _ := e.(map[string]any)
		all = append(all, m["field"].(string)+":"+m["rule"].(string))
	}
	slices.Sort(all)
	return all
}

func (a answer) cookies() map[string]*http.Cookie {
	all := map[string]*http.Cookie{}
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		all[c.Name] = c
	}
	return all
}

var wire = &http.Client{
	Transport:     &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 8},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// send sends a request and checks what every answer must have.
func (w *world) send(r request) answer {
	w.t.Helper()
	return exchange(w.t, w.server.URL, r, w.deps.BaseURL.Scheme == "https")
}

func exchange(t testing.TB, base string, r request, https bool) answer {
	t.Helper()
	var content io.Reader
	if r.body != "" {
		content = strings.NewReader(r.body)
		if r.chunked {
			content = io.MultiReader(content) // of unknown length
		}
	}
	out, err := http.NewRequestWithContext(t.Context(), r.method, base+r.path, content)
	if err != nil {
		t.Fatal(err)
	}
	out.Header = r.header.Clone()
	if _, named := out.Header["User-Agent"]; !named {
		out.Header["User-Agent"] = []string{""} // none at all
	}
	in, err := wire.Do(out)
	if err != nil {
		t.Fatalf("%s %s: %v", r.method, r.path, err)
	}
	defer in.Body.Close()
	a := answer{status: in.StatusCode, header: in.Header}
	if a.body, err = io.ReadAll(in.Body); err != nil {
		t.Fatal(err)
	}
	_ = json.Unmarshal(a.body, &a.json)
	checkHeaders(t, r, a, https)
	if a.status >= 400 && r.method != http.MethodHead {
		checkProblem(t, r, a)
	}
	return a
}

func checkHeaders(t testing.TB, r request, a answer, https bool) {
	t.Helper()
	want := map[string]string{
		"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
		"Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
		"Strict-Transport-Security": "",
	}
	if https {
		want["Strict-Transport-Security"] = "max-age=31536000"
	}
	switch {
	case a.status >= http.StatusBadRequest:
	case strings.HasPrefix(r.path, "/.well-known/jwks.json"):
		want["Cache-Control"] = "public, max-age=300"
	case strings.HasPrefix(r.path, "/api/files/"):
		want["Cache-Control"] = "public, max-age=31536000, immutable"
		want["Content-Security-Policy"] = "default-src 'none'; sandbox"
		want["Cross-Origin-Resource-Policy"] = "cross-origin"
	}
	for name, value := range want {
		if got := strings.Join(a.header.Values(name), " | "); got != value {
			t.Errorf("%s %s: header %s is %q, want %q", r.method, r.path, name, got, value)
		}
	}
	if id := a.header.Values("X-Request-Id"); len(id) != 1 || id[0] == "" {
		t.Errorf("%s %s: request ids %q", r.method, r.path, id)
	}
}

var instants = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$`)

func checkProblem(t testing.TB, r request, a answer) {
	t.Helper()
	bad := func(format string, args ...any) {
		t.Helper()
		t.Errorf(r.method+" "+r.path+": "+format+"\n%s", append(args, a.body)...)
	}
	known, ok := contract().Codes[a.code()]
	path, _, _ := strings.Cut(r.path, "?")
	if u, err := url.ParseRequestURI(path); err == nil {
		path = u.EscapedPath()
	}
	language := a.header.Get("Content-Language")
	want := map[string]any{
		"type": "/errors/" + a.code(), "title": known.Title, "status": float64(known.Status), "instance": path,
		"code": a.code(), "requestId": a.header.Get("X-Request-Id"), "detail": words().Say(language, a.code()),
	}
	if !ok || a.status != known.Status {
		bad("status %d does not belong to code %q", a.status, a.code())
	}
	for member, value := range want {
		if a.json[member] != value {
			bad("member %s is %v, want %v", member, a.json[member], value)
		}
	}
	if !instants.MatchString(a.text("timestamp")) {
		bad("timestamp %q", a.text("timestamp"))
	}
	members := 8
	if a.code() == "INVALID_REQUEST" {
		members++
		if len(a.rules()) == 0 {
			bad("no broken rules")
		}
	}
	if len(a.json) != members {
		bad("%d members, want %d", len(a.json), members)
	}
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		bad("content type %q", got)
	}
	if language == "" {
		bad("no Content-Language")
	}
	if (a.status == 401) != strings.HasPrefix(a.header.Get("Www-Authenticate"), "Bearer") {
		bad("WWW-Authenticate %q", a.header.Get("Www-Authenticate"))
	}
	if n, err := strconv.Atoi(a.header.Get("Retry-After")); (a.status == 429 || a.status == 503) != (err == nil && n >= 1) {
		bad("Retry-After %q", a.header.Get("Retry-After"))
	}
}

// want fails unless an answer is what a test expects; it returns the answer.
func (w *world) want(status int, code string, r request) answer {
	w.t.Helper()
	a := w.send(r)
	if a.status != status || a.code() != code {
		w.t.Fatalf("%s %s: %d %s, want %d %s\n%s\n%s", r.method, r.path, a.status, a.code(), status, code, a.body, w.log.String())
	}
	return a
}

func (w *world) ok(r request) answer { w.t.Helper(); return w.want(200, "", r) }

// --- accounts ---

const (
	goodPassword = "Correct-Horse-7"
	nextPassword = "Battery-Staple-8"
)

type account struct{ email, id, session, access, refresh, stepUp string }

func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

func registerAs(address string) request {
	return req("POST /api/auth/register", `{"email":`+quoted(address)+`,"password":"`+goodPassword+`","name":"Ada Lovelace"}`)
}

func loginOf(address, pass string, changes ...change) request {
	return req("POST /api/auth/login", `{"email":`+quoted(address)+`,"password":`+quoted(pass)+`}`, changes...)
}

// member registers an account and signs in.
func (w *world) member(address string) account {
	w.t.Helper()
	w.ok(registerAs(address))
	return w.signIn(address, goodPassword)
}

func (w *world) signIn(address, pass string, changes ...change) account {
	w.t.Helper()
	return w.accountIn(w.ok(loginOf(address, pass, changes...)))
}

func (w *world) accountIn(a answer) account {
	w.t.Helper()
	user, _ := a.json["user"].(map[string]any)
	in := account{access: a.text("accessToken"), refresh: a.text("refreshToken")}
	in.id, _ = user["id"].(string)
	in.email, _ = user["email"].(string)
	if in.access == "" {
		in.access, in.refresh = a.cookies()["access_token"].Value, a.cookies()["refresh_token"].Value
	}
	c, err := w.tokens.Verify(secret.New(in.access), token.Access, w.clock.now())
	if err != nil {
		w.t.Fatal(err)
	}
	in.session = string(c.Session)
	return in
}

func (w *world) proven(a account) account {
	w.t.Helper()
	a.stepUp = w.ok(req("POST /api/auth/step-up", `{"password":"`+goodPassword+`"}`, bearer(a.access))).text("stepUpToken")
	return a
}

// admin is a member with the role ADMIN.
func (w *world) admin() account {
	w.t.Helper()
	return w.adminAt("ada@example.com")
}

func (w *world) adminAt(address string) account {
	w.t.Helper()
	w.rewrite(w.member(address).id, func(p *principal.Principal) { p.SetAdmin(true) })
	return w.proven(w.signIn(address, goodPassword))
}

// groups puts groups into the store.
func (w *world) groups(keys ...string) {
	w.t.Helper()
	for _, key := range keys {
		g := group.Restore(key, group.Texts{"en": {Name: "Group " + key}})
		if err := w.store.Single().Groups.Add(w.t.Context(), g); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) guest() account {
	w.t.Helper()
	return w.accountIn(w.ok(req("POST /api/guests", `{"name":"Passer-by"}`)))
}

// put puts a principal with a session into the store, as no endpoint can yet.
func (w *world) put(s principal.Snapshot) account {
	w.t.Helper()
	s.ID, s.Kind, s.Name, s.CreatedAt, s.LastActive = principal.ID(newID()), principal.User, "Grace Hopper", w.clock.now(), w.clock.now()
	address, rules := email.Parse("grace@example.com")
	if len(rules) > 0 {
		w.t.Fatal(rules)
	}
	s.Email = address
	p, err := principal.Restore(s)
	if err != nil {
		w.t.Fatal(err)
	}
	from, _ := client.ParseAddress("192.0.2.7")
	in, err := w.issuer.Admit(p, enough(p), grant.Purpose{From: client.Info{Address: from}}, w.clock.now())
	if err != nil {
		w.t.Fatal(err)
	}
	n, pair := in.SignIn.Session, in.SignIn.Tokens
	up, err := w.issuer.Admit(p, enough(p), grant.Purpose{StepUp: n.ID}, w.clock.now())
	if err != nil {
		w.t.Fatal(err)
	}
	err = w.store.Within(w.t.Context(), func(ctx context.Context, st outbound.Stores) error {
		return errors.Join(st.Principals.Add(ctx, p), st.Sessions.Add(ctx, n))
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return account{
		email: "grace@example.com", id: string(p.ID()), session: string(n.ID),
		access: pair.Access.Reveal(), refresh: pair.Refresh.Reveal(), stepUp: up.StepUp.Text.Reveal(),
	}
}

// enough is what gets p a session.
func enough(p *principal.Principal) session.Proven {
	proven := session.Proven{session.Password}
	switch on := p.Factors(); {
	case on.TOTP:
		proven = proven.With(session.TOTP)
	case on.Email:
		proven = proven.With(session.Mail)
	case on.Passkey:
		proven = proven.With(session.Passkey)
	}
	return proven
}

func withoutPassword() principal.Snapshot {
	return principal.Snapshot{Identities: []principal.Identity{{Provider: "github", Subject: "1"}}}
}

// mails returns what the outbox holds of a kind, oldest first.
func (w *world) mails(kind notice.Kind) (all []notice.Notice) {
	w.t.Helper()
	claims, err := w.store.Single().Outbox.Claim(w.t.Context(), "test", w.clock.now(), w.clock.now().Add(time.Hour*24*365), 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, c := range claims {
		w.mailed = append(w.mailed, c.Notice)
	}
	for _, n := range w.mailed {
		if n.Kind == kind {
			all = append(all, n)
		}
	}
	return all
}

// link returns the token of the latest verification mail.
func (w *world) link() string { return w.linkOf(notice.EmailVerification) }

// linkOf returns the token of the latest mail of a kind.
func (w *world) linkOf(kind notice.Kind) string {
	w.t.Helper()
	all := w.mails(kind)
	if len(all) == 0 {
		w.t.Fatalf("no mail %s", kind)
	}
	return all[len(all)-1].Token.Reveal()
}

// rewrite changes a stored principal.
func (w *world) rewrite(id string, edit func(*principal.Principal)) {
	w.t.Helper()
	err := w.store.Within(w.t.Context(), func(ctx context.Context, st outbound.Stores) error {
		p, err := st.Principals.ByID(ctx, principal.ID(id))
		if err != nil {
			return err
		}
		edit(p)
		return st.Principals.Save(ctx, p)
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

var _ inbound.UseCase[inbound.WhoAmI, inbound.Self] = panics{}

// panics is a use case that crashes with something secret in its hands.
type panics struct{ with any }

func (p panics) Do(context.Context, inbound.WhoAmI) (inbound.Self, error) { panic(p.with) }
