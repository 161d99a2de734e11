package main

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/language"

	redisadapter "gatehouse/adapters/redis"
	s3adapter "gatehouse/adapters/s3"
	"gatehouse/domain/password"
	"gatehouse/domain/secret"
)

const (
	development = "development"
	production  = "production"

	mailDisabled = "disabled:"

	fileName = "gatehouse.db" // of the SQLite database in the data folder
)

// rule is what must be true of one setting.
type rule struct {
	key  string
	ok   bool
	want string
}

// check returns every setting that is wrong, but those in broken.
func (s settings) check(broken map[string]bool) error {
	var errs []error
	for _, r := range slices.Concat(s.rules(), s.tokenRules(), s.passwordRules(), s.limitRules()) {
		if !r.ok && !broken[r.key] {
			errs = append(errs, s.wrong(r.key, r.want))
		}
	}
	if s.App.Mode == production {
		errs = append(errs, s.unsafe())
	}
	return errors.Join(errs...)
}

// wrong says what is wrong with a setting, and who set it.
func (s settings) wrong(key, want string) error {
	return fmt.Errorf("%s: must be %s, not %q (%s)", key, want, s.shown(key), s.origin[key])
}

func (s settings) shown(key string) (text string) {
	for k, v := range fields(reflect.ValueOf(s.config), "") {
		if k == key {
			text = show(v.Interface())
		}
	}
	return text
}

func (s settings) rules() []rule {
	_, _, mailScheme := s.mailKind()
	return []rule{
		{"data_dir", s.DataDir != "", "a folder"},
		{"app.name", isLine(s.App.Name, 1, 100), "one line of 1 to 100 bytes"},
		{"app.base_url", s.App.BaseURL == "" || isBaseURL(s.App.BaseURL), "an http or https URL without user, query or fragment"},
		{"app.locale", parses(s.App.Locale), "a language tag"},
		{"app.mode", oneOf(s.App.Mode, development, production), "development or production"},
		{"http.address", isAddress(s.HTTP.Address), "host:port"},
		{"http.allowed_origins", all(s.HTTP.AllowedOrigins, isOrigin), "a list of origins such as https://app.example.com"},
		{"http.trusted_proxies", all(s.HTTP.TrustedProxies, isNetwork), "a list of addresses or networks such as 10.0.0.0/8"},
		{"http.body_limit", s.HTTP.BodyLimit >= 1<<10, "at least 1KiB"},
		{"http.max_connections", s.HTTP.MaxConnections > 0, "positive"},
		{"internal.address", isAddress(s.Internal.Address), "host:port"},
		{"internal.trace_url", s.Internal.TraceURL == "" || isBaseURL(s.Internal.TraceURL), "an http or https URL without user, query or fragment"},
		{"internal.address", s.Internal.Address != s.HTTP.Address || strings.HasSuffix(s.HTTP.Address, ":0"), "another address than http.address"},
		{"database.url", isDatabase(s.Database.URL.Reveal()), "empty, sqlite:///path or postgres://…"},
		{"database.direct_url", s.Database.DirectURL.Reveal() == "" || isPostgres(s.Database.URL.Reveal()) && isPostgres(s.Database.DirectURL.Reveal()), "empty, or postgres://… as database.url is"},
		{"database.max_connections", s.Database.MaxConnections > 0, "positive"},
		{"database.restore_epoch", s.Database.RestoreEpoch >= 0, "0 or more"},
		{"database.synchronous", oneOf(s.Database.Synchronous, "OFF", "NORMAL", "FULL"), "OFF, NORMAL or FULL"},
		{"cache.url", s.Cache.URL.Reveal() == "" || redisadapter.Check(s.Cache.URL.Reveal()) == nil, "empty, or redis://user:password@host:port/number, rediss:// for TLS"},
		{"mail.url", mailScheme, "empty, smtp://…, smtps://… or disabled:"},
		{"mail.from", s.Mail.From == "" || isMailbox(s.Mail.From), "an address such as Name <name@example.com>"},
		{"mail.verification_path", isPath(s.Mail.VerificationPath), "a path that begins with /"},
		{"mail.reset_path", isPath(s.Mail.ResetPath), "a path that begins with /"},
		{"avatars.max_bytes", s.Avatars.MaxBytes >= 1<<10 && s.Avatars.MaxBytes <= 64<<20, "1KiB to 64MiB"},
		{"avatars.max_pixels", s.Avatars.MaxPixels > 0, "positive"},
		{"avatars.storage", s.Avatars.Storage == "" || s3adapter.Check(s.Avatars.Storage) == nil, "empty, or s3://bucket/prefix?endpoint=https://host&region=name"},
		{"avatars.s3_access_key", s.Avatars.Storage == "" || s.Avatars.S3AccessKey != "", "there when avatars.storage is a bucket"},
		{"avatars.s3_secret_key", s.Avatars.Storage == "" || s.Avatars.S3SecretKey.Reveal() != "", "there when avatars.storage is a bucket"},
		{"audit.retention", s.Audit.Retention == 0 || s.Audit.Retention >= 24*time.Hour, "0, or at least 1d"},
		{"keys.transit_token", s.Keys.TransitToken.Reveal() != "" || !strings.HasPrefix(strings.TrimSpace(s.Keys.Master.Reveal()), "transit:"), "there when keys.master is of the transit engine"},
		{"keys.rotation_interval", s.Keys.RotationInterval == 0 || s.Keys.RotationInterval >= time.Hour, "0, or at least 1h"},
		{"passkeys.relying_party", mayRely(s.Passkeys.RelyingParty, s.App.BaseURL), "empty, or the host of app.base_url or a domain above it that has one owner"},
		{"passkeys.user_verification", oneOf(s.Passkeys.UserVerification, "required", "preferred", "discouraged"), "required, preferred or discouraged"},
		{"two_factor.email_for_new_users", !s.TwoFactor.EmailForNew || s.Mail.URL.Reveal() != mailDisabled, "false while mail.url is disabled:"},
		{"two_factor.recovery_codes", s.TwoFactor.RecoveryCodes >= 1 && s.TwoFactor.RecoveryCodes <= 20, "from 1 to 20"},
		{"locales.supported", all(s.Locales.Supported, parses), "a list of language tags"},
		{"bootstrap.admin_email", s.Bootstrap.AdminEmail != "" || s.Bootstrap.AdminPassword.Reveal() == "", "there when there is a bootstrap.admin_password"},
	}
}

func (s settings) tokenRules() []rule {
	t := s.Tokens
	rules := []rule{
		{"tokens.algorithm", oneOf(t.Algorithm, "ES256", "EdDSA"), "ES256 or EdDSA"},
		{"tokens.session_max_age", t.SessionMaxAge >= t.RefreshTTL, "no less than tokens.refresh_ttl"},
		{"tokens.refresh_ttl", t.RefreshTTL >= t.AccessTTL, "no less than tokens.access_ttl"},
		{"tokens.refresh_reuse_grace", t.RefreshReuseGrace <= time.Minute, "at most 1m"},
	}
	for key, d := range map[string]time.Duration{
		"tokens.access_ttl": t.AccessTTL, "tokens.refresh_ttl": t.RefreshTTL, "tokens.session_max_age": t.SessionMaxAge,
		"tokens.step_up_ttl": t.StepUpTTL, "tokens.challenge_ttl": t.ChallengeTTL, "two_factor.email_code_ttl": s.TwoFactor.EmailCodeTTL,
		"two_factor.totp_setup_ttl": s.TwoFactor.TOTPSetupTTL, "tokens.session_token_ttl": t.SessionTokenTTL,
		"tokens.verification_ttl": t.VerificationTTL, "tokens.reset_ttl": t.ResetTTL,
		"guests.idle_ttl": s.Guests.IdleTTL,
	} {
		rules = append(rules, rule{key, d >= time.Second && d%time.Second == 0, "whole seconds, at least one"})
	}
	return rules
}

func (s settings) passwordRules() []rule {
	p := s.Password
	return []rule{
		{"password.policy", oneOf(p.Policy, string(password.Classic), string(password.NIST)), "classic or nist"},
		{"password.min_length", p.MinLength == 0 || p.MinLength >= 8 && p.MinLength <= p.MaxLength, "0, or from 8 to password.max_length"},
		{"password.max_length", p.MaxLength >= 64 && p.MaxLength <= 1024, "from 64 to 1024"},
		{"password.composition_waived_from", p.CompositionWaivedFrom >= 0, "0 or a length"},
		{"password.hash_memory_kib", p.HashMemoryKiB >= 8*p.HashParallelism && p.HashMemoryKiB <= 256<<10, "at least 8 for each of password.hash_parallelism, at most 262144"},
		{"password.hash_iterations", p.HashIterations >= 1 && p.HashIterations <= 10, "from 1 to 10"},
		{"password.hash_parallelism", p.HashParallelism >= 1 && p.HashParallelism <= 4, "from 1 to 4"},
		{"password.hash_queue", p.HashQueue >= 0, "0 or more"},
		{"password.breached", oneOf(p.Breached, breachedNone, breachedFile, breachedRange), "none, file or range"},
		{"password.breached_file", p.Breached != breachedFile || p.BreachedFile != "", "there when password.breached is file"},
		{"password.breached_url", isBaseURL(p.BreachedURL), "an http or https URL without user, query or fragment"},
		{"password.breached_timeout", p.BreachedTimeout >= 10*time.Millisecond && p.BreachedTimeout <= 30*time.Second, "from 10ms to 30s"},
		{"password.breached_at_login", oneOf(p.BreachedAtLogin, leakIgnored, leakReported, leakRefused), "ignore, report or refuse"},
		{"password.breached_at_login", p.BreachedAtLogin != leakRefused || s.Mail.URL.Reveal() != mailDisabled, "ignore or report while mail.url is disabled:"},
	}
}

func (s settings) limitRules() []rule {
	l := s.Limits
	rules := []rule{{"limits.account_total_attempts", l.AccountTotalAttempts >= l.AccountAttempts, "no less than limits.account_attempts"}}
	for key, n := range map[string]int{
		"limits.ip": l.IP, "limits.user": l.User, "limits.ip_login": l.IPLogin, "limits.account_attempts": l.AccountAttempts,
	} {
		rules = append(rules, rule{key, n > 0, "positive"})
	}
	return append(rules, rule{"limits.account_max_delay", l.AccountMaxDelay >= time.Second, "at least 1s"})
}

// unsafe returns every reason not to run in production.
func (s settings) unsafe() error {
	mailbox, on, _ := s.mailKind()
	base, _ := url.Parse(s.baseURL(s.HTTP.Address))
	var errs []error
	for _, r := range []struct {
		key    string
		bad    bool
		reason string
	}{
		{"mail.url", mailbox, "is empty, which is the development mailbox"},
		{"mail.from", on && atLocalhost(s.mailFrom()), "is at localhost"},
		{"keys.master", s.Keys.Master.Reveal() == "", "is missing"},
		{"keys.master", isSample(s.Keys.Master.Reveal()), "is a sample from the documentation"},
		{"keys.master_previous", isSample(s.Keys.MasterPrevious.Reveal()), "is a sample from the documentation"},
		{"bootstrap.admin_password", isSample(s.Bootstrap.AdminPassword.Reveal()), "is a sample from the documentation"},
		{"database.url", hasSamplePassword(s.Database.URL.Reveal()), "has a sample password from the documentation"},
		{"database.direct_url", hasSamplePassword(s.Database.DirectURL.Reveal()), "has a sample password from the documentation"},
		{"cache.url", hasSamplePassword(s.Cache.URL.Reveal()), "has a sample password from the documentation"},
		{"mail.url", hasSamplePassword(s.Mail.URL.Reveal()), "has a sample password from the documentation"},
		{"app.base_url", base != nil && base.Scheme != "https" && !isLoopback(base.Hostname()), "is not https"},
		{"app.base_url", s.App.BaseURL == "" && !isLoopback(hostOf(s.HTTP.Address)), "is empty, while http.address is not a loopback address"},
		{"password.hash_memory_kib", !s.slowEnough(), "makes hashes too cheap (OWASP: 46 MiB with 1 iteration, 19 MiB with 2, 12 MiB with 3)"},
	} {
		if r.bad {
			errs = append(errs, fmt.Errorf("%s: %s, which production does not allow (%s)", r.key, r.reason, s.origin[r.key]))
		}
	}
	return errors.Join(errs...)
}

func hostOf(address string) string {
	host, _, _ := net.SplitHostPort(address)
	return host
}

// slowEnough asks for the least that a hash should cost (OWASP Password Storage
// Cheat Sheet, argon2id).
func (c config) slowEnough() bool {
	least := map[int]int{1: 46 << 10, 2: 19 << 10}
	if kib, ok := least[c.Password.HashIterations]; ok {
		return c.Password.HashMemoryKiB >= kib
	}
	return c.Password.HashMemoryKiB >= 12<<10
}

// mailKind says whether mails go into the development mailbox, whether they
// are sent at all, and whether mail.url is one of those we know.
func (c config) mailKind() (mailbox, on, known bool) {
	text := c.Mail.URL.Reveal()
	switch text {
	case "":
		return true, true, true
	case mailDisabled:
		return false, false, true
	}
	u, err := url.Parse(text)
	return false, true, err == nil && u.Host != "" && oneOf(u.Scheme, "smtp", "smtps")
}

// baseURL returns the public URL of a service that listens on bound.
func (c config) baseURL(bound string) string {
	if c.App.BaseURL != "" {
		return strings.TrimRight(c.App.BaseURL, "/")
	}
	host, port, _ := net.SplitHostPort(bound)
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "localhost"
	}
	if port == "80" {
		return "http://" + strings.TrimSuffix(net.JoinHostPort(host, ""), ":")
	}
	return "http://" + net.JoinHostPort(host, port)
}

func (c config) mailFrom() string {
	if c.Mail.From != "" {
		return c.Mail.From
	}
	return (&mail.Address{Name: c.App.Name, Address: "no-reply@localhost"}).String()
}

func (c config) databaseURL() string {
	return cmp.Or(c.Database.URL.Reveal(), "sqlite://"+filepath.Join(c.DataDir, fileName))
}

// isFile says whether the database is an SQLite file.
func (c config) isFile() bool { return strings.HasPrefix(c.databaseURL(), "sqlite://") }

func (c config) audience(base string) string { return cmp.Or(c.Tokens.Audience, base) }

func (c config) passwordPolicy() password.Policy {
	p := c.Password
	return password.Policy{
		Profile: password.Profile(p.Policy), MinLength: p.MinLength, MaxLength: p.MaxLength,
		CompositionWaivedFrom: p.CompositionWaivedFrom,
	}
}

func oneOf(s string, of ...string) bool { return slices.Contains(of, s) }

func all(list []string, ok func(string) bool) bool {
	return !slices.ContainsFunc(list, func(s string) bool { return !ok(s) })
}

func isLine(s string, least, most int) bool {
	return len(strings.TrimSpace(s)) >= least && len(s) <= most && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' })
}

func isBaseURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && oneOf(u.Scheme, "http", "https") && u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == ""
}

func isOrigin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && isBaseURL(s) && u.Path == ""
}

func parses(tag string) bool {
	_, err := language.Parse(tag)
	return err == nil
}

func isAddress(s string) bool {
	_, port, err := net.SplitHostPort(s)
	return err == nil && port != ""
}

func isNetwork(s string) bool {
	_, one := netip.ParseAddr(s)
	_, many := netip.ParsePrefix(s)
	return one == nil || many == nil
}

func isDatabase(s string) bool {
	scheme, rest, ok := strings.Cut(s, "://")
	return s == "" || ok && rest != "" && oneOf(scheme, "sqlite", "postgres", "postgresql")
}

func isPostgres(s string) bool { return isDatabase(s) && strings.HasPrefix(s, "postgres") }

func isMailbox(s string) bool {
	_, err := mail.ParseAddress(s)
	return err == nil
}

func isPath(s string) bool {
	u, err := url.Parse(s)
	return err == nil && strings.HasPrefix(s, "/") && u.Host == "" && u.RawQuery == "" && u.Fragment == ""
}

func atLocalhost(from string) bool {
	a, err := mail.ParseAddress(from)
	return err == nil && isLoopback(a.Address[strings.LastIndex(a.Address, "@")+1:])
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}

// effective returns the configuration with every value that follows from
// others written out.
func (s settings) effective() config {
	c := s.config
	c.App.BaseURL = s.baseURL(s.HTTP.Address)
	c.Tokens.Audience = s.audience(c.App.BaseURL)
	c.Mail.From = s.mailFrom()
	c.Database.URL = location{secret.New(s.databaseURL())}
	return c
}
