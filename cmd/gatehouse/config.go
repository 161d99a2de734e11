package main

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/v2"

	"gatehouse/configs"
	"gatehouse/domain/secret"
)

// config is everything an operator can set. Only this package knows where a
// value comes from.
type config struct {
	DataDir   string          `koanf:"data_dir"`
	App       appConfig       `koanf:"app"`
	HTTP      httpConfig      `koanf:"http"`
	Internal  internalConfig  `koanf:"internal"`
	Database  databaseConfig  `koanf:"database"`
	Cache     cacheConfig     `koanf:"cache"`
	Mail      mailConfig      `koanf:"mail"`
	Tokens    tokensConfig    `koanf:"tokens"`
	Password  passwordConfig  `koanf:"password"`
	TwoFactor twoFactorConfig `koanf:"two_factor"`
	Passkeys  passkeysConfig  `koanf:"passkeys"`
	Limits    limitsConfig    `koanf:"limits"`
	Alerts    alertsConfig    `koanf:"alerts"`
	Directory directoryConfig `koanf:"directory"`
	Guests    guestsConfig    `koanf:"guests"`
	Audit     auditConfig     `koanf:"audit"`
	Avatars   avatarsConfig   `koanf:"avatars"`
	Keys      keysConfig      `koanf:"keys"`
	Locales   localesConfig   `koanf:"locales"`
	Bootstrap bootstrapConfig `koanf:"bootstrap"`
}

type appConfig struct {
	Name     string     `koanf:"name"`
	BaseURL  string     `koanf:"base_url"`
	Locale   string     `koanf:"locale"`
	Mode     string     `koanf:"mode"`
	LogLevel slog.Level `koanf:"log_level"`
}

type httpConfig struct {
	Address        string   `koanf:"address"`
	AllowedOrigins []string `koanf:"allowed_origins"`
	TrustedProxies []string `koanf:"trusted_proxies"`
	BodyLimit      size     `koanf:"body_limit"`
	GeoIPFile      string   `koanf:"geoip_file"`
	MaxConnections int      `koanf:"max_connections"`
}

type internalConfig struct {
	Address   string `koanf:"address"`
	Profiling bool   `koanf:"profiling"`
	TraceURL  string `koanf:"trace_url"`
}

type databaseConfig struct {
	URL                location      `koanf:"url"`
	DirectURL          location      `koanf:"direct_url"`
	Migrate            bool          `koanf:"migrate"`
	MaxConnections     int           `koanf:"max_connections"`
	ConnectionLifetime time.Duration `koanf:"connection_lifetime"`
	Synchronous        string        `koanf:"synchronous"`
	RestoreEpoch       int           `koanf:"restore_epoch"`
}

type cacheConfig struct {
	URL location `koanf:"url"`
}

type mailConfig struct {
	URL              location      `koanf:"url"`
	From             string        `koanf:"from"`
	Cooldown         time.Duration `koanf:"cooldown"`
	InfoCooldown     time.Duration `koanf:"info_cooldown"`
	VerificationPath string        `koanf:"verification_path"`
	ResetPath        string        `koanf:"reset_path"`
}

type tokensConfig struct {
	Algorithm         string        `koanf:"algorithm"`
	Audience          string        `koanf:"audience"`
	AccessTTL         time.Duration `koanf:"access_ttl"`
	RefreshTTL        time.Duration `koanf:"refresh_ttl"`
	SessionMaxAge     time.Duration `koanf:"session_max_age"`
	RefreshReuseGrace time.Duration `koanf:"refresh_reuse_grace"`
	StepUpTTL         time.Duration `koanf:"step_up_ttl"`
	ChallengeTTL      time.Duration `koanf:"challenge_ttl"`
	SessionTokenTTL   time.Duration `koanf:"session_token_ttl"`
	VerificationTTL   time.Duration `koanf:"verification_ttl"`
	ResetTTL          time.Duration `koanf:"reset_ttl"`
	HeaderAllowed     bool          `koanf:"header_allowed"`
	HeaderPreferred   bool          `koanf:"header_preferred"`
}

type passwordConfig struct {
	Policy                string `koanf:"policy"`
	MinLength             int    `koanf:"min_length"`
	MaxLength             int    `koanf:"max_length"`
	CompositionWaivedFrom int    `koanf:"composition_waived_from"`
	HashMemoryKiB         int    `koanf:"hash_memory_kib"`
	HashIterations        int    `koanf:"hash_iterations"`
	HashParallelism       int    `koanf:"hash_parallelism"`
	HashQueue             int    `koanf:"hash_queue"`

	Breached         string        `koanf:"breached"`
	BreachedFile     string        `koanf:"breached_file"`
	BreachedURL      string        `koanf:"breached_url"`
	BreachedTimeout  time.Duration `koanf:"breached_timeout"`
	BreachedRequired bool          `koanf:"breached_required"`
	BreachedAtLogin  string        `koanf:"breached_at_login"`
}

type twoFactorConfig struct {
	Required      bool          `koanf:"required"`
	EmailForNew   bool          `koanf:"email_for_new_users"`
	RecoveryCodes int           `koanf:"recovery_codes"`
	TOTPSetupTTL  time.Duration `koanf:"totp_setup_ttl"`
	EmailCodeTTL  time.Duration `koanf:"email_code_ttl"`
}

type passkeysConfig struct {
	RelyingParty     string `koanf:"relying_party"`
	UserVerification string `koanf:"user_verification"`
}

type limitsConfig struct {
	Enabled              bool          `koanf:"enabled"`
	IP                   int           `koanf:"ip"`
	User                 int           `koanf:"user"`
	IPLogin              int           `koanf:"ip_login"`
	AccountAttempts      int           `koanf:"account_attempts"`
	AccountTotalAttempts int           `koanf:"account_total_attempts"`
	AccountMaxDelay      time.Duration `koanf:"account_max_delay"`
}

type alertsConfig struct {
	Login              bool `koanf:"login"`
	Registration       bool `koanf:"registration"`
	EmailChanged       bool `koanf:"email_changed"`
	PasswordChanged    bool `koanf:"password_changed"`
	TwoFactorAdded     bool `koanf:"two_factor_added"`
	TwoFactorRemoved   bool `koanf:"two_factor_removed"`
	RecoveryCodes      bool `koanf:"recovery_codes"`
	RefreshTokenReused bool `koanf:"refresh_token_reused"`
}

type directoryConfig struct {
	PublicProfiles bool `koanf:"public_profiles"`
}

type guestsConfig struct {
	IdleTTL      time.Duration `koanf:"idle_ttl"`
	StepUpWindow time.Duration `koanf:"step_up_window"`
}

type auditConfig struct {
	Retention time.Duration `koanf:"retention"`
}

type avatarsConfig struct {
	MaxBytes    size        `koanf:"max_bytes"`
	MaxPixels   int         `koanf:"max_pixels"`
	Storage     string      `koanf:"storage"`
	S3AccessKey string      `koanf:"s3_access_key"`
	S3SecretKey secret.Text `koanf:"s3_secret_key"`
}

type keysConfig struct {
	Master           secret.Text   `koanf:"master"`
	MasterPrevious   secret.Text   `koanf:"master_previous"`
	RotationInterval time.Duration `koanf:"rotation_interval"`
	TransitToken     secret.Text   `koanf:"transit_token"`
	TransitNamespace string        `koanf:"transit_namespace"`
}

type localesConfig struct {
	Supported []string `koanf:"supported"`
	Dir       string   `koanf:"dir"`
}

type bootstrapConfig struct {
	AdminEmail    string      `koanf:"admin_email"`
	AdminPassword secret.Text `koanf:"admin_password"`
}

const prefix = "GATEHOUSE_"

// settings are a configuration and where each value in it comes from.
type settings struct {
	config
	origin map[string]string
}

// loadConfig lays file, environment and flags over the defaults, and reports
// every mistake at once. An unknown key is a mistake; an unknown variable is
// only logged, because platforms add some of their own.
func loadConfig(path string, flags, environ []string, log *slog.Logger) (settings, error) {
	l := layers{all: koanf.New("."), origin: map[string]string{}}
	if err := l.defaults(); err != nil {
		return settings{}, err
	}
	err := errors.Join(l.file(path), l.environment(environ, log), l.flags(flags))
	s := settings{origin: l.origin}
	broken, decodeErr := s.decode(l.all)
	// What could not be read has its default no more, and is not judged again.
	return s, errors.Join(err, decodeErr, s.check(broken))
}

// layers are the sources of settings, laid over each other.
type layers struct {
	all    *koanf.Koanf
	origin map[string]string // of each key: every key there is
}

func (l layers) defaults() error {
	doc := &document{}
	if err := l.all.Load(rawbytes.Provider(configs.Default), doc); err != nil {
		return fmt.Errorf("defaults: %w", err)
	}
	for key := range doc.lines {
		l.origin[key] = "default"
	}
	return nil
}

func (l layers) file(path string) error {
	if path == "" {
		return nil
	}
	given, doc := koanf.New("."), &document{}
	if err := given.Load(file.Provider(path), doc); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var errs []error
	for _, key := range doc.keys() {
		from := fmt.Sprintf("%s:%d", path, doc.lines[key])
		if l.origin[key] == "" {
			errs = append(errs, fmt.Errorf("%s: unknown setting (%s)", key, from))
			continue
		}
		errs = append(errs, l.set(key, given.Get(key), from))
	}
	return errors.Join(errs...)
}

func (l layers) environment(environ []string, log *slog.Logger) error {
	names := environmentNames(slices.Collect(maps.Keys(l.origin)))
	given := koanf.New("")
	err := given.Load(env.Provider("", env.Opt{
		Prefix:      prefix,
		EnvironFunc: func() []string { return environ },
		TransformFunc: func(name, value string) (string, any) {
			if names[name] == "" {
				log.Warn("unknown variable", "name", name)
			}
			return names[name], value
		},
	}), nil)
	if err != nil {
		return fmt.Errorf("environment: %w", err)
	}
	var errs []error
	for key, value := range given.All() {
		errs = append(errs, l.set(key, value, environmentName(key)))
	}
	return errors.Join(errs...)
}

func (l layers) flags(flags []string) error {
	var errs []error
	for _, flag := range flags {
		key, value, ok := strings.Cut(flag, "=")
		switch {
		case !ok:
			errs = append(errs, errors.New("--set: must be section.key=value"))
		case l.origin[key] == "":
			errs = append(errs, fmt.Errorf("%s: unknown setting (--set)", key))
		default:
			errs = append(errs, l.set(key, value, "--set"))
		}
	}
	return errors.Join(errs...)
}

func (l layers) set(key string, value any, from string) error {
	l.origin[key] = from
	return l.all.Set(key, value)
}

func environmentName(key string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// environmentNames is a table, because splitting a name on _ would be
// ambiguous: sections and keys contain it too.
func environmentNames(keys []string) map[string]string {
	names := make(map[string]string, len(keys))
	for _, key := range keys {
		names[environmentName(key)] = key
	}
	return names
}

// decode reads every setting, and returns the keys of those that cannot be.
func (s *settings) decode(all *koanf.Koanf) (broken map[string]bool, _ error) {
	broken = map[string]bool{}
	var errs []error
	for key, field := range fields(reflect.ValueOf(&s.config).Elem(), "") {
		text := textOf(all.Get(key))
		value, err := read(field.Type(), text)
		if err != nil {
			broken[key] = true
			errs = append(errs, fmt.Errorf("%s: %w, not %q (%s)", key, err, text, s.origin[key]))
			continue
		}
		field.Set(reflect.ValueOf(value))
	}
	return broken, errors.Join(errs...)
}

// fields yields every setting in v with its key, in the order of the struct.
func fields(v reflect.Value, section string) func(yield func(string, reflect.Value) bool) {
	return func(yield func(string, reflect.Value) bool) {
		for f, value := range v.Fields() {
			key := section + f.Tag.Get("koanf")
			if section != "" || f.Type.Kind() != reflect.Struct {
				if !yield(key, value) {
					return
				}
				continue
			}
			for k, inner := range fields(value, key+".") {
				if !yield(k, inner) {
					return
				}
			}
		}
	}
}

// textOf writes a list the way the environment has it.
func textOf(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case []string:
		return strings.Join(v, ",")
	}
	return fmt.Sprint(v)
}
