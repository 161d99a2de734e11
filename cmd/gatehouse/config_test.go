package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/v2"

	"gatehouse/configs"
)

var quiet = slog.New(slog.DiscardHandler)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gatehouse.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func defaultKeys(t *testing.T) []string {
	t.Helper()
	doc := &document{}
	if err := koanf.New(".").Load(rawbytes.Provider(configs.Default), doc); err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(func(yield func(string) bool) {
		for key := range doc.lines {
			if !yield(key) {
				return
			}
		}
	})
}

func TestEveryDefaultHasAFieldAndEveryFieldADefault(t *testing.T) {
	var keys []string
	for key := range fields(reflect.ValueOf(config{}), "") {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	if diff := cmp.Diff(defaultKeys(t), keys); diff != "" {
		t.Error("default.yaml (-) and config (+) differ:\n", diff)
	}
}

func TestNoTwoSettingsShareANameInTheEnvironment(t *testing.T) {
	keys := defaultKeys(t)
	if names := environmentNames(keys); len(names) != len(keys) {
		t.Errorf("%d settings have %d names", len(keys), len(names))
	}
}

func TestDefaultsAreValid(t *testing.T) {
	c, err := loadConfig("", nil, nil, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if c.Tokens.RefreshTTL != 90*day || c.HTTP.BodyLimit != 64<<10 || !c.Limits.Enabled || c.Password.HashMemoryKiB != 19456 {
		t.Errorf("defaults are %+v", c.config)
	}
}

func TestTheLaterSourceWins(t *testing.T) {
	path := write(t, "app: {name: file, locale: de}\nmail:\n  cooldown: 5s\nhttp:\n  allowed_origins: [https://a.example, https://b.example]\n")
	c, err := loadConfig(path, []string{"app.name=flag"}, []string{"GATEHOUSE_APP_NAME=environment", "GATEHOUSE_MAIL_COOLDOWN=2m"}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if c.App.Name != "flag" || c.App.Locale != "de" || c.Mail.Cooldown != 2*time.Minute {
		t.Errorf("name %q, locale %q, cooldown %v", c.App.Name, c.App.Locale, c.Mail.Cooldown)
	}
	if want := []string{"https://a.example", "https://b.example"}; !slices.Equal(c.HTTP.AllowedOrigins, want) {
		t.Errorf("origins %q", c.HTTP.AllowedOrigins)
	}
	for key, want := range map[string]string{
		"app.name": "--set", "mail.cooldown": "GATEHOUSE_MAIL_COOLDOWN", "app.locale": path + ":1", "http.address": "default",
	} {
		if c.origin[key] != want {
			t.Errorf("%s comes from %q, want %q", key, c.origin[key], want)
		}
	}
}

func TestEveryMistakeIsReportedAtOnceWithItsSource(t *testing.T) {
	path := write(t, "app:\n  nome: x\nhttp:\n  body_limit: lots\npassword: {min_length: 300}\nflavour: sweet\n")
	_, err := loadConfig(path, []string{"mail.url=https://relay.example", "no.such=1", "app.mode"},
		[]string{"GATEHOUSE_TOKENS_ACCESS_TTL=soon", "GATEHOUSE_LIMITS_IP=0"}, quiet)
	if err == nil {
		t.Fatal("no mistake was found")
	}
	for _, want := range []string{
		"app.nome: unknown setting (" + path + ":2)",
		"flavour: unknown setting (" + path + ":6)",
		`http.body_limit: must be a size such as 65536, 64KiB or 5MiB, not "lots" (` + path + ":4)",
		`password.min_length: must be 0, or from 8 to password.max_length, not "300" (` + path + ":5)",
		`tokens.access_ttl: must be a duration such as 90s, 15m, 24h or 90d, not "soon" (GATEHOUSE_TOKENS_ACCESS_TTL)`,
		`limits.ip: must be positive, not "0" (GATEHOUSE_LIMITS_IP)`,
		`mail.url: must be empty, smtp://… or smtps://… or disabled:`,
		"no.such: unknown setting (--set)",
		"--set: must be section.key=value",
	} {
		if !strings.Contains(err.Error(), strings.ReplaceAll(want, "empty, smtp://… or", "empty, smtp://…,")) {
			t.Errorf("no word of %q in\n%v", want, err)
		}
	}
}

func TestADirectURLIsForPostgresBehindAPooler(t *testing.T) {
	for url, ok := range map[string]bool{"": false, "sqlite:///x.db": false, "postgres://pooler/x": true, "postgresql://pooler/x": true} {
		for direct, alike := range map[string]bool{"postgres://db/x": true, "sqlite:///y.db": false, "db:5432": false} {
			_, err := loadConfig("", []string{"database.url=" + url, "database.direct_url=" + direct}, nil, quiet)
			if (err == nil) != (ok && alike) || err != nil && !strings.Contains(err.Error(), "database.direct_url") {
				t.Errorf("url %q, direct_url %q: %v", url, direct, err)
			}
		}
	}
}

func TestConnectionsEndALittleBeforeTheirTime(t *testing.T) {
	for range 100 {
		if got := shortened(time.Hour); got < 54*time.Minute || got > time.Hour {
			t.Errorf("an hour is made %s", got)
		}
	}
	if got := shortened(0); got != 0 {
		t.Errorf("for ever is made %s", got)
	}
}

func TestMistakesInSecretsDoNotShowThem(t *testing.T) {
	_, err := loadConfig("", []string{
		"database.url=mysql://me:hunter2@db/x?password=hunter2", "mail.url=smtp://me:hunter2@",
		"cache.url=redis://me:hunter2@?hunter2", "bootstrap.admin_password=hunter2",
	}, nil, quiet)
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("err = %v", err)
	}
}

func TestFilesThatAreNoSettingsAreRefused(t *testing.T) {
	for name, text := range map[string]string{
		"a list":            "- a\n",
		"a text":            "hello\n",
		"two documents":     "app: {}\n---\napp: {}\n",
		"a key twice":       "app: {name: a, name: b}\n",
		"a section twice":   "app: {name: a}\napp: {locale: de}\n",
		"an alias":          "app: {name: &x a, locale: *x}\n",
		"nested list":       "http: {allowed_origins: [[a]]}\n",
		"no YAML":           "app: {\n",
		"section as value":  "app: 5\n",
		"value as section":  "app: {name: {first: a}}\n",
		"unknown in a flow": "{app: {naame: a}}\n",
	} {
		if _, err := loadConfig(write(t, text), nil, nil, quiet); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestEmptySectionsAndFilesChangeNothing(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "app:\n", "app:\n  # name: x\nhttp: {}\n", "---\n"} {
		c, err := loadConfig(write(t, text), nil, nil, quiet)
		if err != nil || c.App.Name != "Gatehouse" {
			t.Errorf("%q: name %q, %v", text, c.App.Name, err)
		}
	}
}

func TestProductionListsEveryUnsafeSetting(t *testing.T) {
	_, err := loadConfig("", []string{"app.mode=production", "app.base_url=http://id.example.com"}, nil, quiet)
	if err == nil {
		t.Fatal("it would start")
	}
	for _, key := range []string{"mail.url", "keys.master", "app.base_url"} {
		if !strings.Contains(err.Error(), key+": is ") {
			t.Errorf("no word of %s in\n%v", key, err)
		}
	}
	safe := []string{
		"app.mode=production", "app.base_url=https://id.example.com", "mail.url=smtps://relay.example.com", "mail.from=id@example.com",
		"keys.master=file:/run/secrets/master",
	}
	if _, err := loadConfig("", safe, nil, quiet); err != nil {
		t.Fatal(err)
	}
	for unsafe, want := range map[string]string{
		"mail.from=id@localhost":    "mail.from: is at localhost",
		"mail.from=":                "mail.from: is at localhost",
		"keys.master=" + samples[2]: "keys.master: is a sample",
		"keys.master=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=":  "keys.master: is a sample",
		"bootstrap.admin_password=" + samples[0]:                    "bootstrap.admin_password: is a sample",
		"database.url=postgres://gatehouse:" + samples[1] + "@db/x": "database.url: has a sample password",
		"app.base_url=http://id.example.com":                        "app.base_url: is not https",
		"database.direct_url=postgres://me:" + samples[1] + "@db/x": "database.direct_url: has a sample password",
		"cache.url=redis://:" + samples[1] + "@cache":               "cache.url: has a sample password",
	} {
		if _, err := loadConfig("", append(slices.Clone(safe), unsafe, "bootstrap.admin_email=a@example.com"), nil, quiet); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", unsafe, err)
		}
	}
	if _, err := loadConfig("", append(safe, "app.base_url=http://127.0.0.1:8080"), nil, quiet); err != nil {
		t.Errorf("loopback: %v", err)
	}
}

func TestWhatIsAskedAboutLeakedPasswordsFitsTogether(t *testing.T) {
	for set, want := range map[string]string{
		"password.breached=hibp":                                        "password.breached: must be none, file or range",
		"password.breached=file":                                        "password.breached_file: must be there",
		"password.breached_url=ftp://x":                                 "password.breached_url: must be",
		"password.breached_timeout=1ms":                                 "password.breached_timeout: must be from",
		"password.breached_timeout=1m":                                  "password.breached_timeout: must be from",
		"password.breached_at_login=mail":                               "password.breached_at_login: must be ignore",
		"password.breached_at_login=refuse mail.url=disabled:":          "password.breached_at_login: must be ignore or report",
		"password.breached_at_login=report mail.url=disabled:":          "",
		"password.breached_at_login=refuse":                             "",
		"password.breached=range":                                       "",
		"password.breached=file password.breached_file=/tmp/not/opened": "",
	} {
		_, err := loadConfig("", strings.Fields(set), nil, quiet)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", set, err)
		}
	}
}

// Who begins with a code that is never mailed can never sign in.
func TestMailedCodesNeedMail(t *testing.T) {
	for set, want := range map[string]string{
		"two_factor.email_for_new_users=true":                    "",
		"two_factor.email_for_new_users=true mail.url=disabled:": "two_factor.email_for_new_users: must be false",
	} {
		_, err := loadConfig("", strings.Fields(set), nil, quiet)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", set, err)
		}
	}
}

func TestBaseURLFollowsTheBoundAddress(t *testing.T) {
	for bound, want := range map[string]string{
		"127.0.0.1:8080": "http://127.0.0.1:8080",
		"0.0.0.0:8080":   "http://localhost:8080",
		"[::]:8080":      "http://localhost:8080",
		"[::1]:9":        "http://[::1]:9",
		":80":            "http://localhost",
	} {
		if got := (config{}).baseURL(bound); got != want {
			t.Errorf("%s: %s, want %s", bound, got, want)
		}
	}
	if got := (config{App: appConfig{BaseURL: "https://id.example.com/"}}).baseURL("x:1"); got != "https://id.example.com" {
		t.Errorf("configured: %s", got)
	}
}

func TestDurationsAndSizesReadBackAsShown(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "90s": 90 * time.Second, "15m": 15 * time.Minute, "24h": day, "90d": 90 * day, "1h30m": 90 * time.Minute, "250ms": 250 * time.Millisecond,
	} {
		got, err := readDuration(text)
		again, err2 := readDuration(showDuration(got))
		if err != nil || err2 != nil || got != want || again != want {
			t.Errorf("%s: %v, then %v; %v %v", text, got, again, err, err2)
		}
	}
	for _, text := range []string{"", "5", "-1s", "-1d", "d", "1.5d", "999999999999d", "1w", " 1s"} {
		if d, err := readDuration(text); err == nil {
			t.Errorf("%q is taken for %v", text, d)
		}
	}
	for text, want := range map[string]size{"0": 0, "65536": 64 << 10, "64KiB": 64 << 10, "5MiB": 5 << 20, "1 GiB": 1 << 30} {
		got, err := readSize(text)
		again, err2 := readSize(showSize(got))
		if err != nil || err2 != nil || got != want || again != want {
			t.Errorf("%s: %v, then %v; %v %v", text, got, again, err, err2)
		}
	}
	for _, text := range []string{"", "KiB", "-1", "1kb", "1.5MiB", "9999999999GiB"} {
		if n, err := readSize(text); err == nil {
			t.Errorf("%q is taken for %v", text, n)
		}
	}
}

func TestLocationsAreShownWithoutPasswords(t *testing.T) {
	for text, want := range map[string]string{
		"":                               "",
		"smtp://me:hunter2@relay:587":    "smtp://me:xxxxx@relay:587",
		"postgres://db/x?password=abc":   "postgres://db/x?…",
		"postgres://me:hunter2@db:x/y%%": "[redacted]",
	} {
		v, err := read(reflect.TypeFor[location](), text)
		if got := show(v); err != nil || got != want {
			t.Errorf("%q is shown as %q, %v", text, got, err)
		}
	}
}

func FuzzDocument(f *testing.F) {
	f.Add([]byte("app: {name: x}\nhttp:\n  allowed_origins: [a, b]\n"))
	f.Add([]byte("a: &x [1]\nb: *x\n"))
	f.Add(configs.Default)
	f.Fuzz(func(t *testing.T, text []byte) {
		doc := &document{}
		if _, err := doc.Unmarshal(text); err != nil {
			return
		}
		for key, line := range doc.lines {
			if line < 1 || line > strings.Count(string(text), "\n")+strings.Count(string(text), "\r")+1 {
				t.Errorf("%q is on line %d of\n%s", key, line, text)
			}
		}
	})
}

func FuzzDuration(f *testing.F) {
	for _, s := range []string{"90d", "15m", "1h2m3s", "0", "9e9d", "-1d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := readDuration(text)
		if err != nil {
			return
		}
		if again, err := readDuration(showDuration(d)); d < 0 || err != nil || again != d {
			t.Errorf("%q is %v, shown as %q, read as %v (%v)", text, d, showDuration(d), again, err)
		}
	})
}
