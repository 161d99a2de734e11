package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"golang.org/x/text/language"

	argon2adapter "gatehouse/adapters/argon2"
	geoipadapter "gatehouse/adapters/geoip"
	httpadapter "gatehouse/adapters/http"
	i18nadapter "gatehouse/adapters/i18n"
	jwxadapter "gatehouse/adapters/jwx"
	mailadapter "gatehouse/adapters/mail"
	qradapter "gatehouse/adapters/qr"
	totpadapter "gatehouse/adapters/totp"
	appaccess "gatehouse/application/access"
	appaccount "gatehouse/application/account"
	appadministration "gatehouse/application/administration"
	appattempt "gatehouse/application/attempt"
	appavatar "gatehouse/application/avatar"
	appdecorate "gatehouse/application/decorate"
	appdirectory "gatehouse/application/directory"
	apperasure "gatehouse/application/erasure"
	appgrant "gatehouse/application/grant"
	appgroup "gatehouse/application/group"
	appguest "gatehouse/application/guest"
	appkeys "gatehouse/application/keys"
	appmailcode "gatehouse/application/mailcode"
	appoperations "gatehouse/application/operations"
	appoutbox "gatehouse/application/outbox"
	apppasskey "gatehouse/application/passkey"
	apppassword "gatehouse/application/password"
	appprofile "gatehouse/application/profile"
	appregistration "gatehouse/application/registration"
	appsession "gatehouse/application/session"
	apptrail "gatehouse/application/trail"
	apptwofactor "gatehouse/application/twofactor"
	"gatehouse/domain/client"
	"gatehouse/domain/key"
	"gatehouse/domain/limit"
	"gatehouse/domain/passkey"
	"gatehouse/domain/principal"
	"gatehouse/domain/recovery"
	"gatehouse/domain/session"
	"gatehouse/domain/throttle"
	"gatehouse/domain/token"
	"gatehouse/locales"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

// around is what goes around every use case.
type around struct {
	watch outbound.Observer
	audit outbound.AuditLog // of what is done
	grave outbound.AuditLog // of what changes the rights of others: it is stored before anybody hears of it
	usual outbound.AuditLog // of what everybody does all the time
}

func query[In, Out any](a around, uc inbound.UseCase[In, Out]) inbound.UseCase[In, Out] {
	return appdecorate.Observe(a.watch, appdecorate.Guard(uc))
}

func command[In appdecorate.Audited, Out any](a around, uc inbound.UseCase[In, Out]) inbound.UseCase[In, Out] {
	return recorded(a, a.audit, uc)
}

// grave is a command that changes the rights of others.
func grave[In appdecorate.Audited, Out any](a around, uc inbound.UseCase[In, Out]) inbound.UseCase[In, Out] {
	return recorded(a, a.grave, uc)
}

// usual is a command that is an event only when it is refused.
func usual[In appdecorate.Audited, Out any](a around, uc inbound.UseCase[In, Out]) inbound.UseCase[In, Out] {
	return recorded(a, a.usual, uc)
}

func recorded[In appdecorate.Audited, Out any](a around, log outbound.AuditLog, uc inbound.UseCase[In, Out]) inbound.UseCase[In, Out] {
	return appdecorate.Observe(a.watch, appdecorate.Audit(log, now, appdecorate.Guard(uc)))
}

// watchers is several observers as one.
type watchers []outbound.Observer

// Begin implements [outbound.Observer].
func (w watchers) Begin(ctx context.Context, useCase string) (context.Context, func(error)) {
	ends := make([]func(error), 0, len(w))
	for _, o := range w {
		var end func(error)
		ctx, end = o.Begin(ctx, useCase) //nolint:fatcontext // each observer adds what is its own
		ends = append(ends, end)
	}
	return ctx, func(err error) {
		for _, end := range slices.Backward(ends) {
			end(err)
		}
	}
}

// newHasher makes the only hasher of the process: it counts its turns. That
// takes as long as a hash.
func newHasher(cfg settings) (*argon2adapter.Hasher, error) {
	p := cfg.Password
	h, err := argon2adapter.New(argon2adapter.Config{
		MemoryKiB: p.HashMemoryKiB, Iterations: p.HashIterations, Parallelism: p.HashParallelism, Queue: p.HashQueue,
		Slots: argon2adapter.Slots(runtime.GOMAXPROCS(0), hashBudget(), int64(p.HashMemoryKiB)<<10),
		Now:   now,
	})
	if err != nil {
		return nil, usageError{fmt.Errorf("password: %w", err)}
	}
	return h, nil
}

// later begins to make something that takes a while. The result is there when
// it is asked for.
func later[T any](begin func() (T, error)) (result func() (T, error)) {
	var (
		value T
		err   error
		done  = make(chan struct{})
	)
	go func() {
		defer close(done)
		value, err = begin()
	}()
	return func() (T, error) {
		<-done
		return value, err
	}
}

func newWords(cfg settings) (*i18nadapter.Catalogue, error) {
	if cfg.Locales.Dir != "" {
		return newOwnWords(cfg)
	}
	words, err := i18nadapter.Load(locales.Files, cfg.App.Locale, cfg.Locales.Supported)
	if err != nil {
		return nil, usageError{fmt.Errorf("app.locale, locales.supported: %w", err)}
	}
	return words, nil
}

func newOwnWords(cfg settings) (*i18nadapter.Catalogue, error) {
	dir, err := os.OpenRoot(cfg.Locales.Dir)
	if err != nil {
		return nil, usageError{fmt.Errorf("locales.dir: %w (%s)", err, cfg.origin["locales.dir"])}
	}
	defer func() { _ = dir.Close() }() // it was only read
	words, err := i18nadapter.LoadOver(locales.Files, dir.FS(), cfg.App.Locale, cfg.Locales.Supported)
	if err != nil {
		return nil, usageError{fmt.Errorf("app.locale, locales.supported, locales.dir:\n%w", err)}
	}
	return words, nil
}

// mailing is how mails leave. mailer is nil when they do not.
type mailing struct {
	mailer  outbound.Mailer
	mailbox *mailadapter.Mailbox // nil unless mails go there
}

func (m mailing) close() error {
	if m.mailbox == nil {
		return nil
	}
	return m.mailbox.Close()
}

func newRenderer(cfg settings, base string, words mailadapter.Words) (*mailadapter.Renderer, error) {
	r, err := mailadapter.NewRenderer(words, mailadapter.Config{
		AppName: cfg.App.Name, BaseURL: base, From: cfg.mailFrom(),
		VerificationPath: cfg.Mail.VerificationPath, ResetPath: cfg.Mail.ResetPath,
	})
	if err != nil {
		return nil, usageError{fmt.Errorf("mail: %w", err)}
	}
	return r, nil
}

func newMailing(cfg settings, base string, words mailadapter.Words) (m mailing, err error) {
	mailbox, on, _ := cfg.mailKind()
	if !on {
		return m, nil
	}
	render, err := newRenderer(cfg, base, words)
	if err != nil {
		return m, err
	}
	if !mailbox {
		smtp, err := mailadapter.NewSMTP(cfg.Mail.URL.Text, nil, render)
		if err != nil {
			return m, usageError{fmt.Errorf("mail.url: %w (%s)", err, cfg.origin["mail.url"])}
		}
		return mailing{mailer: smtp}, nil
	}
	if m.mailbox, err = mailadapter.OpenMailbox(filepath.Join(cfg.DataDir, "mailbox"), render); err != nil {
		return m, fmt.Errorf("development mailbox: %w", err)
	}
	m.mailer = m.mailbox
	return m, nil
}

// atlas says where addresses are.
type atlas struct {
	Locate func(client.Address) *client.Location
	close  func() error
}

func newAtlas(cfg settings) (atlas, error) {
	if cfg.HTTP.GeoIPFile == "" {
		return atlas{geoipadapter.Nowhere, func() error { return nil }}, nil
	}
	a, err := geoipadapter.Open(cfg.HTTP.GeoIPFile)
	if err != nil {
		return atlas{}, usageError{fmt.Errorf("http.geoip_file: %w (%s)", err, cfg.origin["http.geoip_file"])}
	}
	return atlas{a.Locate, a.Close}, nil
}

func newRelay(f *foundation, m outbound.Mailer, tried func(outcome string)) *appoutbox.Relay {
	return appoutbox.NewRelay(appoutbox.Deps{
		Work: f.work, Mail: m, Owner: newID(), Now: now, Log: f.log, Announce: f.db.Announce, Tried: tried,
		Jitter: func(d time.Duration) time.Duration { return rand.N(max(d, 1)) }, //nolint:gosec // spreads retries, protects nothing
		Batch:  20, Parallel: 8, Every: time.Second, Alone: f.alone(),
	})
}

// parts are what the use cases share.
type parts struct {
	work     outbound.UnitOfWork
	hasher   outbound.Hasher
	tokens   *jwxadapter.Tokens
	issuer   *appgrant.Issuer
	attempts *appattempt.Taker
	vault    outbound.Vault
}

func newParts(f *foundation, base string, work outbound.UnitOfWork, h outbound.Hasher) (p parts, err error) {
	p = parts{work: work, vault: f.vault, hasher: h}
	err = f.ring.Use(func(keys []key.Opened) (err error) {
		signing := of(keys, key.Signing)
		if p.tokens != nil {
			return p.tokens.Load(signing)
		}
		p.tokens, err = jwxadapter.New(jwxadapter.Config{Issuer: base, Audience: f.cfg.audience(base), Keys: signing})
		return err
	})
	if err != nil {
		return p, fmt.Errorf("signing keys: %w", err)
	}
	t, l := f.cfg.Tokens, f.cfg.Limits
	p.issuer = appgrant.New(appgrant.Deps{
		Minter: p.tokens,
		Session: session.Lifetimes{
			Refresh: t.RefreshTTL, GuestRefresh: f.cfg.Guests.IdleTTL, Max: t.SessionMaxAge, ReuseGrace: t.RefreshReuseGrace,
		},
		Token: token.Lifetimes{Access: t.AccessTTL, StepUp: t.StepUpTTL, Session: t.SessionTokenTTL, Challenge: t.ChallengeTTL, TOTPSetup: f.cfg.TwoFactor.TOTPSetupTTL},
		NewID: newID,
	})
	p.attempts = appattempt.New(appattempt.Deps{
		Work: work, Hasher: p.hasher, Now: now,
		Policy: throttle.Policy{
			Attempts: l.AccountAttempts, TotalAttempts: l.AccountTotalAttempts, MaxDelay: l.AccountMaxDelay, Off: !l.Enabled,
		},
	})
	return p, p.selfTest()
}

// selfTest proves that the keys work: what is signed can be read, what is
// sealed can be opened.
func (p parts) selfTest() error {
	at := now().Truncate(time.Second)
	minted, err := p.tokens.Mint(token.Refresh, token.Claims{
		ID: newID(), Subject: principal.ID(newID()), Session: session.ID(newID()), IssuedAt: at, ExpiresAt: at.Add(time.Minute),
	})
	if err != nil {
		return fmt.Errorf("self-test: %w", err)
	}
	if _, err := p.tokens.Verify(minted, token.Refresh, at); err != nil {
		return fmt.Errorf("self-test: verify: %w", err)
	}
	place := outbound.Field{Table: "self", Column: "test", Row: "1"}
	sealed, err := p.vault.Seal(p.vault.Shared(), place, []byte("self-test"))
	if err != nil {
		return fmt.Errorf("self-test: %w", err)
	}
	if opened, err := p.vault.Open(p.vault.Shared(), place, sealed); err != nil || string(opened) != "self-test" {
		return errors.Join(errors.New("self-test: what was sealed does not open"), err)
	}
	return nil
}

func newAdminEnsurer(f *foundation, h outbound.Hasher, leaks appaccount.Leaks) *appoperations.AdminEnsurer {
	return appoperations.NewAdminEnsurer(appoperations.AdminEnsurerDeps{Create: f.userCreator(h, leaks), Set: f.adminSetter()})
}

// deps is the API: one line per operation.
func (s *service) deps(words httpadapter.Words, p parts, a around) (d httpadapter.Deps, err error) {
	cfg, mailOn := s.cfg, s.mailing.mailer != nil
	base, err := url.Parse(s.base)
	if err != nil {
		return d, usageError{fmt.Errorf("app.base_url: %w", err)}
	}
	trusted, err := networks(cfg.HTTP.TrustedProxies)
	if err != nil {
		return d, usageError{fmt.Errorf("http.trusted_proxies: %w", err)}
	}
	service, ok := words.Canonical(cfg.App.Locale)
	if !ok {
		return d, usageError{fmt.Errorf("app.locale: %q is not a language tag", cfg.App.Locale)}
	}
	authenticators, err := newAuthenticators(cfg, base)
	if err != nil {
		return d, err
	}
	var (
		revocations = s.shared.marks
		alerts      = appsession.Alerts{Login: cfg.Alerts.Login, RefreshReused: cfg.Alerts.RefreshTokenReused}
		mail        = appregistration.Mail{
			On: mailOn, Alert: mailOn && cfg.Alerts.Registration,
			AlertMoved: mailOn && cfg.Alerts.EmailChanged,
			Cooldown:   cfg.Mail.Cooldown, InfoCooldown: cfg.Mail.InfoCooldown, VerificationTTL: cfg.Tokens.VerificationTTL,
		}
		reset = apppassword.ResetMail{
			On: mailOn, Cooldown: cfg.Mail.Cooldown, InfoCooldown: cfg.Mail.InfoCooldown, TTL: cfg.Tokens.ResetTTL,
		}
		ender   = appsession.EnderDeps{Work: p.work, Revocations: revocations, Now: now}
		admins  = appadministration.Deps{Accounts: s.accounts()}
		groups  = appgroup.Deps{Work: p.work, Canonical: words.Canonical, Service: service}
		members = appgroup.MemberDeps{Work: p.work, Revocations: revocations}
		leaks   = s.leaks(s.breaches, a.watch)
		codes   = appmailcode.New(appmailcode.Deps{
			Work: p.work, MailOn: mailOn, Cooldown: cfg.Mail.Cooldown, TTL: cfg.TwoFactor.EmailCodeTTL, NewCode: newCode, NewID: newID, Now: now,
		})
		entrance = appsession.NewEntrance(appsession.EntranceDeps{
			Attempts: p.attempts, Issuer: p.issuer, Codes: codes, Locate: s.atlas.Locate, Alerts: alerts, MailOn: mailOn, NewID: newID, Now: now,
		})
		factors = apptwofactor.Deps{
			Work: p.work, Revocations: revocations, Now: now, NewID: newID,
			Alerts: apptwofactor.Alerts{
				Added: mailOn && cfg.Alerts.TwoFactorAdded, Removed: mailOn && cfg.Alerts.TwoFactorRemoved, Codes: mailOn && cfg.Alerts.RecoveryCodes,
			},
		}
		completing = appsession.CompleterDeps{
			Work: p.work, Attempts: p.attempts, Entrance: entrance, TOTP: totpadapter.Codes{}, Now: now,
		}
		leaving  = apptwofactor.DisablerDeps{Deps: factors, Required: cfg.TwoFactor.Required}
		keys     = apppasskey.ChangeDeps{Factors: factors, Authenticators: authenticators, Required: cfg.TwoFactor.Required}
		newCodes = func() []recovery.Code { return newRecoveryCodes(cfg.TwoFactor.RecoveryCodes) }
		second   = passkey.Verification(cfg.Passkeys.UserVerification)
		asking   = apppasskey.AskerDeps{Work: p.work, Authenticators: authenticators, Second: second, NewSecret: newSecret, Now: now}
		proven   = appsession.PasskeyDeps{
			Work: p.work, Entrance: entrance, Now: now,
			Judge: apppasskey.NewJudge(apppasskey.JudgeDeps{Work: p.work, Authenticators: authenticators, Second: second, Now: now}),
		}
	)
	return httpadapter.Deps{
		Authenticate: query(a, appaccess.NewAuthenticator(appaccess.AuthenticatorDeps{
			Work: p.work, Marks: s.shared.marks, Verifier: p.tokens, Now: now,
		})),
		CompleteSignIn: command(a, appsession.NewSignInCompleter(completing)),
		CompleteStepUp: command(a, appsession.NewStepUpCompleter(completing)),
		Recover: command(a, appsession.NewRecoverer(appsession.RecovererDeps{
			Work: p.work, Attempts: p.attempts, Hasher: p.hasher, Entrance: entrance, Alert: mailOn && cfg.Alerts.RecoveryCodes, NewID: newID, Now: now,
		})),
		MailCode:       command(a, codes),
		CheckChallenge: query(a, appaccess.NewChallengeChecker(appaccess.ChallengeCheckerDeps{Work: p.work, Verifier: p.tokens, Now: now})),
		Status:         query(a, appaccess.NewStatusTeller(p.work)),
		PublicKeys:     query(a, appaccess.NewKeyPublisher(appaccess.KeyPublisherDeps{Keys: p.tokens})),
		Register: command(a, appregistration.NewRegistrar(appregistration.RegistrarDeps{
			Work: p.work, Hasher: p.hasher, Policy: cfg.passwordPolicy(), Leaks: leaks, Mail: mail,
			Mailed: cfg.TwoFactor.EmailForNew, Now: now, NewID: newID, NewSecret: newSecret,
		})),
		VerifyEmail: command(a, appregistration.NewVerifier(appregistration.VerifierDeps{
			Work: p.work, Mail: mail, Revocations: revocations, Now: now, NewID: newID,
		})),
		SendVerification: command(a, appregistration.NewSender(appregistration.SenderDeps{
			Work: p.work, Mail: mail, Now: now, NewID: newID, NewSecret: newSecret,
		})),
		VerificationWait: query(a, appregistration.NewCooldown(appregistration.CooldownDeps{Work: p.work, Now: now})),
		RequestReset: command(a, apppassword.NewResetRequester(apppassword.ResetRequesterDeps{
			Work: p.work, Mail: reset, Now: now, NewID: newID, NewSecret: newSecret,
		})),
		ResetWait: query(a, apppassword.NewResetCooldown(apppassword.ResetCooldownDeps{Work: p.work, Now: now})),
		ResetPassword: command(a, apppassword.NewResetter(apppassword.ResetterDeps{
			Work: p.work, Hasher: p.hasher, Attempts: p.attempts, Policy: cfg.passwordPolicy(), Leaks: leaks, Revocations: revocations,
			Alert: mailOn && cfg.Alerts.PasswordChanged, Now: now, NewID: newID,
		})),
		SignIn: command(a, appsession.NewSignerIn(appsession.SignerInDeps{
			Work: p.work, Attempts: p.attempts, Entrance: entrance, MailOn: mailOn, NewID: newID, Now: now,
			InfoCooldown: cfg.Mail.InfoCooldown, OnLeak: s.onLeak(leaks, a),
		})),
		SignOut: command(a, appsession.NewSignerOut(appsession.SignerOutDeps{
			Work: p.work, Verifier: p.tokens, Revocations: revocations, Now: now,
		})),
		CheckRefresh: query(a, appsession.NewRefreshChecker(appsession.RefreshCheckerDeps{Verifier: p.tokens, Now: now})),
		Refresh: usual(a, appsession.NewRefresher(appsession.RefresherDeps{
			Work: p.work, Verifier: p.tokens, Issuer: p.issuer, Revocations: revocations,
			Locate: s.atlas.Locate, Alerts: alerts, MailOn: mailOn, NewID: newID, Now: now,
		})),
		StepUp: command(a, appsession.NewStepperUp(appsession.StepperUpDeps{
			Work: p.work, Attempts: p.attempts, Entrance: entrance, GuestWindow: cfg.Guests.StepUpWindow, Now: now,
		})),
		RedeemStepUp:   command(a, appsession.NewRedeemer(appsession.RedeemerDeps{Work: p.work, Verifier: p.tokens, Now: now})),
		ListSessions:   query(a, appsession.NewLister(appsession.ListerDeps{Work: p.work, Now: now})),
		SessionToken:   query(a, appsession.NewTokenCreator(appsession.TokenCreatorDeps{Issuer: p.issuer, Now: now})),
		EndSession:     command(a, appsession.NewEnder(ender)),
		EndAllSessions: command(a, appsession.NewAllEnder(ender)),
		// What asks a browser achieves nothing by itself, and is asked by every page view: it is not on record.
		BeginPasskey: query(a, apppasskey.NewBeginner(apppasskey.BeginnerDeps{
			Work: p.work, Authenticators: authenticators, NewSecret: newSecret, Now: now,
		})),
		AddPasskey:                command(a, apppasskey.NewAdder(keys)),
		ListPasskeys:              query(a, apppasskey.NewLister(apppasskey.ListDeps{Work: p.work})),
		RenamePasskey:             command(a, apppasskey.NewRenamer(apppasskey.ListDeps{Work: p.work})),
		DeletePasskey:             command(a, apppasskey.NewDeleter(keys)),
		BeginPasskeySignIn:        query(a, apppasskey.NewSignInAsker(asking)),
		SignInWithPasskey:         command(a, appsession.NewPasskeySignerIn(proven)),
		BeginPasskeySecond:        query(a, apppasskey.NewSecondAsker(asking)),
		CompleteSignInWithPasskey: command(a, appsession.NewPasskeySignInCompleter(proven)),
		CompleteStepUpWithPasskey: command(a, appsession.NewPasskeyStepUpCompleter(proven)),
		BeginPasskeyStepUp:        query(a, apppasskey.NewStepUpAsker(asking)),
		StepUpWithPasskey:         command(a, appsession.NewPasskeyStepperUp(proven)),
		WhoAmI:                    query(a, appprofile.NewMirror()),
		UpdateSelf:                command(a, appprofile.NewUpdater(appprofile.UpdaterDeps{Work: p.work})),
		ChangeEmail: command(a, appregistration.NewEmailChanger(appregistration.EmailChangerDeps{
			Work: p.work, Mail: mail, Revocations: revocations, Now: now, NewID: newID, NewSecret: newSecret,
		})),
		ChangePassword: command(a, apppassword.NewChanger(apppassword.ChangerDeps{
			Work: p.work, Attempts: p.attempts, Policy: cfg.passwordPolicy(), Leaks: leaks, Revocations: revocations,
			Alert: mailOn && cfg.Alerts.PasswordChanged, Now: now, NewID: newID,
		})),
		PreferFactor: command(a, apptwofactor.NewPreferrer(apptwofactor.PreferrerDeps{Work: p.work, Now: now})),
		BeginTOTP: command(a, apptwofactor.NewBeginner(apptwofactor.BeginnerDeps{
			Work: p.work, TOTP: totpadapter.Codes{}, QR: qradapter.Coder{}, Issuer: p.issuer, NewCodes: newCodes, Service: cfg.App.Name, Now: now,
		})),
		EnableTOTP: command(a, apptwofactor.NewTOTPEnabler(apptwofactor.TOTPEnablerDeps{
			Deps: factors, Attempts: p.attempts, Hasher: p.hasher, Verifier: p.tokens, TOTP: totpadapter.Codes{},
		})),
		DisableTOTP:          command(a, apptwofactor.NewTOTPDisabler(leaving)),
		ReplaceRecoveryCodes: command(a, apptwofactor.NewCodesReplacer(apptwofactor.CodesReplacerDeps{Deps: factors, Hasher: p.hasher, NewCodes: newCodes})),
		EnableEmail:          command(a, apptwofactor.NewEmailEnabler(apptwofactor.EmailEnablerDeps{Deps: factors, Attempts: p.attempts})),
		DisableEmail:         command(a, apptwofactor.NewEmailDisabler(leaving)),
		FactorWait:           query(a, apptwofactor.NewCooldown(apptwofactor.CooldownDeps{Work: p.work, Now: now})),
		CreateGroup:          command(a, appgroup.NewCreator(groups)),
		ListGroups:           query(a, appgroup.NewLister(groups)),
		ShowGroup:            query(a, appgroup.NewShower(groups)),
		UpdateGroup:          command(a, appgroup.NewUpdater(groups)),
		DeleteGroup:          grave(a, appgroup.NewDeleter(appgroup.MemberDeps{Work: s.patient(), Revocations: revocations})), // of any number of members
		AddMember:            grave(a, appgroup.NewMemberAdder(members)),
		RemoveMember:         grave(a, appgroup.NewMemberRemover(members)),
		RotateKeys:           grave(a, appkeys.NewStarter(appkeys.StarterDeps{Work: p.work, Wake: s.worker.Wake, Now: now, NewID: newID})),
		RotationStatus: query(a, inbound.UseCase[inbound.RotationStatus, inbound.RotationReport](
			appkeys.NewReporter(appkeys.ReporterDeps{Work: p.work}))),
		FindUsers:   query(a, appdirectory.NewFinder(appdirectory.FinderDeps{Work: p.work})),
		ViewUser:    query(a, appdirectory.NewViewer(appdirectory.ViewerDeps{Work: p.work})),
		DisableUser: grave(a, appadministration.NewDisabler(admins)),
		EnableUser:  grave(a, appadministration.NewEnabler(admins)),
		ExportSelf:  command(a, appprofile.NewExporter(appprofile.ExporterDeps{Work: p.work, Now: now})),
		DeleteSelf:  command(a, apperasure.NewSelfDeleter(s.erasing(p.work))),
		DeleteUser:  grave(a, apperasure.NewAccountDeleter(s.erasing(p.work))),
		GrantAdmin:  grave(a, appadministration.NewGranter(admins)),
		RevokeAdmin: grave(a, appadministration.NewRevoker(admins)),
		SetAvatar: command(a, appavatar.NewSetter(appavatar.SetterDeps{
			Work: p.work, Storage: s.pictures.storage, Painter: s.pictures.painter, Now: now, NewID: newID, NewKey: newKey, Wake: s.pictures.cleaner.Wake,
		})),
		RemoveAvatar: command(a, appavatar.NewRemover(appavatar.RemoverDeps{Work: p.work, Now: now, Wake: s.pictures.cleaner.Wake})),
		FindFile:     query(a, appavatar.NewFinder(appavatar.FinderDeps{Work: p.work, Storage: s.pictures.storage})),
		ConvertGuest: command(a, appregistration.NewConverter(appregistration.ConverterDeps{
			Work: p.work, Hasher: p.hasher, Policy: cfg.passwordPolicy(), Leaks: leaks, Issuer: p.issuer, Mail: mail, Revocations: revocations,
			Mailed: cfg.TwoFactor.EmailForNew, Locate: s.atlas.Locate, Now: now, NewID: newID, NewSecret: newSecret,
		})),
		CreateGuest: command(a, appguest.NewCreator(appguest.CreatorDeps{
			Work: p.work, Issuer: p.issuer, Locate: s.atlas.Locate, NewID: newID, Now: now,
		})),

		ReadAudit: query(a, apptrail.NewReader(apptrail.ReaderDeps{Work: p.work})),

		Refused: a.audit,
		Buckets: s.shared.buckets, Words: words, Traffic: s.metrics,
		NewID: newID, Now: now, Log: s.log, Stopping: &s.flights.stopping, Unfit: s.currentKeys,

		BaseURL: base, AllowedOrigins: cfg.HTTP.AllowedOrigins, TrustedProxies: trusted, BodyLimit: int64(cfg.HTTP.BodyLimit), AvatarLimit: int64(cfg.Avatars.MaxBytes),
		Uploads:   uploadsAtOnce(int64(cfg.Avatars.MaxBytes)),
		Transport: httpadapter.Transport{HeaderAllowed: cfg.Tokens.HeaderAllowed, HeaderPreferred: cfg.Tokens.HeaderPreferred},
		Limits: httpadapter.Limits{
			Enabled: cfg.Limits.Enabled,
			IP:      limit.Budget{Count: cfg.Limits.IP, Per: time.Minute},
			Login:   limit.Budget{Count: cfg.Limits.IPLogin, Per: 5 * time.Minute},
			User:    limit.Budget{Count: cfg.Limits.User, Per: time.Minute},
		},
		StepUpAge: cfg.Tokens.StepUpTTL, PublicProfiles: cfg.Directory.PublicProfiles,
		Mailbox: s.mailing.handler(), Development: cfg.App.Mode == development,
	}, nil
}

// handler returns nil, and no typed one, when there is no mailbox.
func (m mailing) handler() http.Handler {
	if m.mailbox == nil {
		return nil
	}
	return m.mailbox.Handler()
}

func networks(list []string) ([]netip.Prefix, error) {
	out := make([]netip.Prefix, 0, len(list))
	for _, text := range list {
		if ip, err := netip.ParseAddr(text); err == nil {
			out = append(out, netip.PrefixFrom(ip, ip.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, err
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// rehearse builds what can be built without touching anything, to find the
// mistakes that only show then.
func rehearse(cfg settings) error {
	if _, err := language.Parse(cfg.App.Locale); err != nil {
		return err
	}
	words, err := newWords(cfg)
	if err != nil {
		return err
	}
	errs := []error{}
	if mailbox, on, _ := cfg.mailKind(); on {
		render, err := newRenderer(cfg, cfg.baseURL(cfg.HTTP.Address), words)
		if err == nil && !mailbox {
			_, err = mailadapter.NewSMTP(cfg.Mail.URL.Text, nil, render)
		}
		errs = append(errs, err)
	}
	if cfg.Keys.Master.Reveal() != "" {
		_, err := openMaster(cfg, slog.New(slog.DiscardHandler), false)
		errs = append(errs, err)
	}
	if places, err := newAtlas(cfg); err != nil {
		errs = append(errs, err)
	} else {
		errs = append(errs, places.close())
	}
	if known, err := newBreaches(cfg); err != nil {
		errs = append(errs, err)
	} else {
		errs = append(errs, known.close())
	}
	_, err = newHasher(cfg)
	return errors.Join(append(errs, err)...)
}
