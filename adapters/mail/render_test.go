package mail_test

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	netmail "net/mail"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/BurntSushi/toml"

	"gatehouse/adapters/i18n"
	"gatehouse/adapters/mail"
	"gatehouse/domain/client"
	"gatehouse/domain/email"
	"gatehouse/domain/notice"
	"gatehouse/domain/secret"
	"gatehouse/locales"
)

var update = flag.Bool("update", false, "write the golden files")

var config = mail.Config{
	AppName: "Gatehouse", BaseURL: "https://id.example.com", VerificationPath: "/auth/verify-email",
	ResetPath: "/auth/reset-password", From: "no-reply@example.com",
}

var shipped = sync.OnceValues(func() (*i18n.Catalogue, error) { return i18n.Load(locales.Files, "en", nil) })

func catalogue(t testing.TB) *i18n.Catalogue {
	t.Helper()
	c, err := shipped()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func renderer(t *testing.T) *mail.Renderer {
	t.Helper()
	r, err := mail.NewRenderer(catalogue(t), config)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func render(t *testing.T, n notice.Notice) mail.Message {
	t.Helper()
	m, err := renderer(t).Render(n)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// letter is a notice of a kind with nothing left out.
func letter(kind notice.Kind) notice.Notice {
	to, _ := email.Parse("Ada@Example.com")
	ip, _ := client.ParseAddress("2001:db8::1")
	return notice.Notice{
		ID: "0197a3f2-7c1e-7b52-9c1d-3f5a6b7c8d9e", Kind: kind, Principal: "u1", To: to, Name: "Ada Lovelace", Locale: "en",
		CreatedAt: time.Date(2028, 2, 29, 23, 59, 59, 123456000, time.FixedZone("UTC+5", 5*3600)),
		Token:     secret.New("mYt0k3n-_with+/=&signs"), Code: secret.New("407129"), Valid: 24 * time.Hour,
		Provider: "Example Login", Factor: notice.TOTP,
		From: client.Info{
			Address: ip, Device: client.Device{Browser: "Firefox 151", OS: "Linux"},
			Location: &client.Location{City: "Paris", Country: "FR"},
		},
	}
}

// The words of every kind, and one kind of each layout.
func TestEveryKindLooksAsAgreed(t *testing.T) {
	layouts := []notice.Kind{notice.EmailVerification, notice.EmailAuthentication, notice.RegistrationAlert, notice.TwoFactorAdded}
	for _, lang := range []string{"en", "de"} {
		for _, kind := range notice.Kinds() {
			n := letter(kind)
			n.Locale = lang
			m := render(t, n)
			var head strings.Builder
			for _, name := range slices.Sorted(maps.Keys(m.Headers)) {
				fmt.Fprintf(&head, "%s: %s\n", name, m.Headers[name])
			}
			fmt.Fprintf(&head, "Message-ID: <%s>\nFrom: %s\nTo: %s\nSubject: %s\n\n", m.MessageID, &m.From, &m.To, m.Subject)
			golden(t, filepath.Join(lang, string(kind)+".txt"), head.String()+m.Text)
			if slices.Contains(layouts, kind) {
				golden(t, filepath.Join(lang, string(kind)+".html"), m.HTML)
			}
		}
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; if that is meant, run the test with -update. Got:\n%s", name, got)
	}
}

// listening notes which keys are asked for.
type listening struct {
	mail.Words
	keys map[string]bool
}

func (l listening) Text(lang, key string, data map[string]any) (string, error) {
	l.keys[key] = true
	return l.Words.Text(lang, key, data)
}

// Every sentence about mails is used, every mail has its sentences, in every
// language, and no placeholder survives.
func TestWordsAndMailsAgree(t *testing.T) {
	c := catalogue(t)
	for _, lang := range c.Languages() {
		words := listening{c, map[string]bool{}}
		r, err := mail.NewRenderer(words, config)
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range notice.Kinds() {
			for f, valid := range map[notice.Factor]time.Duration{notice.TOTP: 24 * time.Hour, notice.Email: time.Minute, notice.Passkey: time.Minute} {
				n := letter(kind)
				n.Locale, n.Valid, n.Factor = lang, valid, f
				m, err := r.Render(n)
				if err != nil {
					t.Fatalf("%s in %s: %v", kind, lang, err)
				}
				if m.Locale != lang || m.Headers["Content-Language"] != lang || !strings.Contains(m.HTML, `<html lang="`+lang+`"`) {
					t.Errorf("%s in %s says that it is in %s", kind, lang, m.Locale)
				}
				for part, s := range map[string]string{"subject": m.Subject, "text": m.Text, "HTML": m.HTML} {
					if leftover.MatchString(s) {
						t.Errorf("%s in %s: the %s holds %q", kind, lang, part, leftover.FindString(s))
					}
				}
			}
		}
		want := mailKeys(t, lang)
		for key := range words.keys {
			if !want[key] {
				t.Errorf("%s: %s is missing", lang, key)
			}
		}
		for key := range want {
			if !words.keys[key] {
				t.Errorf("%s: no mail uses %s", lang, key)
			}
		}
	}
}

var leftover = regexp.MustCompile(`\{\{|\}\}|<no value>|&lt;no value|%!|ZgotmplZ|\bmail\.(shared|\w+)\.`)

// mailKeys lists the keys of a language below mail, without plural forms.
func mailKeys(t *testing.T, lang string) map[string]bool {
	t.Helper()
	content, err := fs.ReadFile(locales.Files, "active."+lang+".toml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Mail map[string]any }
	if err := toml.Unmarshal(content, &file); err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	flatten(keys, "mail", file.Mail)
	return keys
}

func flatten(keys map[string]bool, prefix string, table map[string]any) {
	for name, v := range table {
		if sub, ok := v.(map[string]any); ok && sub["other"] == nil {
			flatten(keys, prefix+"."+name, sub)
		} else {
			keys[prefix+"."+name] = true
		}
	}
}

func TestBothPartsHoldTheLink(t *testing.T) {
	for _, tc := range []struct{ base, path, want string }{
		{"https://id.example.com", "/auth/verify-email", "https://id.example.com/auth/verify-email?token="},
		{"https://example.com/id/", "/v", "https://example.com/id/v?token="},
		{"http://localhost:8080", "/auth/verify-email", "http://localhost:8080/auth/verify-email?token="},
		{"http://[::1]:8080", "/prüfen", "http://[::1]:8080/pr%C3%BCfen?token="},
	} {
		for kind, set := range map[notice.Kind]func(c *mail.Config){
			notice.EmailVerification: func(c *mail.Config) { c.VerificationPath = tc.path },
			notice.PasswordReset:     func(c *mail.Config) { c.ResetPath = tc.path },
		} {
			c := config
			c.BaseURL = tc.base
			set(&c)
			linksTo(t, c, kind, tc.want)
		}
	}
}

func linksTo(t *testing.T, c mail.Config, kind notice.Kind, page string) {
	t.Helper()
	r, err := mail.NewRenderer(catalogue(t), c)
	if err != nil {
		t.Fatal(err)
	}
	n := letter(kind)
	m, err := r.Render(n)
	if err != nil {
		t.Fatal(err)
	}
	want := page + url.QueryEscape(n.Token.Reveal())
	if !slices.Contains(strings.Split(m.Text, "\n"), want) {
		t.Errorf("%s: the text has no line %s:\n%s", kind, want, m.Text)
	}
	if got := strings.Count(m.HTML, `href="`+strings.ReplaceAll(want, "&", "&amp;")+`"`); got != 2 {
		t.Errorf("%s: the HTML links to %s %d times, want a button and an address", kind, want, got)
	}
}

// forEveryMail renders each kind in each language.
func forEveryMail(t *testing.T, check func(of notice.Contents, m mail.Message)) {
	t.Helper()
	r := renderer(t)
	for _, lang := range catalogue(t).Languages() {
		for _, kind := range notice.Kinds() {
			n := letter(kind)
			n.Locale = lang
			m, err := r.Render(n)
			if err != nil {
				t.Fatal(err)
			}
			of, _ := kind.Contents()
			check(of, m)
		}
	}
}

// What leads nowhere but to us, and carries no secret it does not need.
func TestMailsLinkToUsAlone(t *testing.T) {
	address := regexp.MustCompile(`(?i)(?:https?:|mailto:|www\.)[^\s"<]+`)
	forEveryMail(t, func(of notice.Contents, m mail.Message) {
		all := address.FindAllString(m.Subject+" "+m.Text+" "+m.HTML, -1)
		for _, link := range all {
			if !strings.HasPrefix(link, config.BaseURL+"/") {
				t.Errorf("%s in %s links to %s", m.Kind, m.Locale, link)
			}
		}
		if (len(all) > 0) != (of.Link != notice.NoPage) || strings.Contains(m.Text+m.HTML, "407129") != of.Code || strings.Contains(m.Subject, "407129") {
			t.Errorf("%s in %s carries %+v, but has the links %q in\n%s", m.Kind, m.Locale, of, all, m.Text)
		}
	})
}

// Mails answer nobody, and are no newsletters one could leave: there is an
// Auto-Submitted, and no List-Unsubscribe.
func TestEveryMailSaysThatAProgramSentIt(t *testing.T) {
	forEveryMail(t, func(_ notice.Contents, m mail.Message) {
		if want := map[string]string{"Auto-Submitted": "auto-generated", "Content-Language": m.Locale}; !maps.Equal(m.Headers, want) {
			t.Errorf("%s has the headers %v, want %v", m.Kind, m.Headers, want)
		}
	})
}

func TestWhatAMailMustCarryIsThereOrItIsNone(t *testing.T) {
	for _, kind := range notice.Kinds() {
		of, _ := kind.Contents()
		for name, tc := range map[string]struct {
			needed bool
			take   func(n *notice.Notice)
		}{
			"token":  {of.Link != notice.NoPage, func(n *notice.Notice) { n.Token = secret.Text{} }},
			"code":   {of.Code, func(n *notice.Notice) { n.Code = secret.Text{} }},
			"factor": {of.Factor, func(n *notice.Notice) { n.Factor = "" }},
		} {
			n := letter(kind)
			tc.take(&n)
			if _, err := renderer(t).Render(n); (err != nil) != tc.needed {
				t.Errorf("%s without its %s: %v", kind, name, err)
			}
		}
	}
}

// A link may be good for longer than we say, never for less.
func TestKindsWithALinkAreKnown(t *testing.T) {
	for _, k := range notice.Kinds() {
		n := letter(k)
		n.Token = secret.New("canary")
		if has, said := strings.Contains(render(t, n).Text, "canary"), slices.Contains(notice.LinkKinds(), k); has != said {
			t.Errorf("a mail of kind %s has a link: %t, said to: %t", k, has, said)
		}
	}
}

func TestTheEndOfALinkIsRoundedDown(t *testing.T) {
	for valid, want := range map[time.Duration]string{
		24 * time.Hour:                "valid for 24 hours",
		2*time.Hour - time.Nanosecond: "valid for 1 hour ",
		time.Hour:                     "valid for 1 hour ",
		time.Hour - time.Nanosecond:   "valid for 59 minutes ",
		119 * time.Second:             "valid for 1 minute ",
	} {
		n := letter(notice.EmailVerification)
		n.Valid = valid
		if m := render(t, n); !strings.Contains(m.Text, want) || !strings.Contains(m.HTML, want) {
			t.Errorf("%v: no %q in\n%s", valid, want, m.Text)
		}
	}
}

func TestTheReadersLanguageIsMatched(t *testing.T) {
	for asked, want := range map[string]string{"de-AT": "de", "fr": "fr", "": "en", "zz": "en", "../../etc": "en"} {
		n := letter(notice.LoginAlert)
		n.Locale = asked
		if got := render(t, n).Locale; got != want {
			t.Errorf("%q got a mail in %s, want %s", asked, got, want)
		}
	}
}

// Whatever a stranger chose is text in the HTML, and in no header.
func TestStrangersWordsAreData(t *testing.T) {
	const evil = `<script>alert("x")</script>' onload='y` + "\r\nBcc: eve"
	for _, kind := range notice.Kinds() {
		n := letter(kind)
		n.Name = evil
		n.From.Device = client.Device{Browser: evil, OS: evil}
		n.From.Location = &client.Location{City: evil}
		m := render(t, n)
		if strings.Contains(m.HTML, "<script") || !strings.Contains(m.HTML, "&lt;script&gt;alert(&#34;x&#34;)") {
			t.Errorf("%s: the name is not escaped:\n%s", kind, m.HTML)
		}
		if !strings.Contains(m.Text, evil) {
			t.Errorf("%s: the text has not the name as it is:\n%s", kind, m.Text)
		}
		headers := fmt.Sprint(m.ID, m.MessageID, m.From.String(), m.To.String(), m.Subject, m.Headers)
		if strings.Contains(headers, "script") || strings.ContainsAny(headers, "\r\n") {
			t.Errorf("%s: a stranger's words are in %q", kind, headers)
		}
	}
}

// Whoever registers a stranger's address chooses the name in the greeting.
func TestNamesThatAdvertiseAreNotGreeted(t *testing.T) {
	for name, greeted := range map[string]bool{
		"Ada Lovelace": true, "Dr. Ada": true, "O'Neil": true, "J. R. R.": true, "李雷": true,
		"": false, "Win at evil.example now": false, "http://evil": false, "münchen.de": false,
	} {
		n := letter(notice.EmailVerification)
		n.Name = name
		m := render(t, n)
		if strings.Contains(m.Text, "Hello") != greeted || strings.Contains(m.HTML, "Hello") != greeted {
			t.Errorf("%q was greeted: %v, want %v", name, !greeted, greeted)
		}
	}
}

func TestUnknownDetailsAreLeftOut(t *testing.T) {
	n := letter(notice.PasswordChanged)
	n.Name, n.From = "", client.Info{}
	m := render(t, n)
	if !strings.Contains(m.Text, "Time: 2028-02-29 18:59 UTC") {
		t.Errorf("the time is missing:\n%s", m.Text)
	}
	for _, absent := range []string{"Browser", "Operating", "IP address", "location", "Hello", "\n\n\n"} {
		if strings.Contains(m.Text, absent) {
			t.Errorf("the text holds %q:\n%s", absent, m.Text)
		}
	}
	for _, tc := range []struct {
		l    client.Location
		want string
	}{{client.Location{City: "Paris"}, ": Paris\n"}, {client.Location{Country: "FR"}, ": FR\n"}} {
		n.From.Location = &tc.l
		if m := render(t, n); !strings.Contains(m.Text, "location"+tc.want) {
			t.Errorf("no %q in\n%s", tc.want, m.Text)
		}
	}
}

// Mail programs load nothing and run nothing for us.
func TestNoMailLoadsAnything(t *testing.T) {
	loads := regexp.MustCompile(`(?i)<(script|img|link|iframe|object|form)|\bsrc=|@import|url\(|javascript:`)
	for _, kind := range notice.Kinds() {
		if got := loads.FindString(render(t, letter(kind)).HTML); got != "" {
			t.Errorf("%s: the HTML holds %q", kind, got)
		}
	}
}

func TestConfigurationsNobodyCanUseAreRefused(t *testing.T) {
	for name, spoil := range map[string]func(*mail.Config){
		"no name":            func(c *mail.Config) { c.AppName = " " },
		"name of two lines":  func(c *mail.Config) { c.AppName = "Gate\r\nBcc: x" },
		"no sender":          func(c *mail.Config) { c.From = "" },
		"two senders":        func(c *mail.Config) { c.From = "a@example.com, b@example.com" },
		"sender of 2 lines":  func(c *mail.Config) { c.From = "a@example.com\r\nBcc: b@example.com" },
		"no base URL":        func(c *mail.Config) { c.BaseURL = "" },
		"relative base URL":  func(c *mail.Config) { c.BaseURL = "/id" },
		"opaque base URL":    func(c *mail.Config) { c.BaseURL = "https:id.example.com" },
		"other scheme":       func(c *mail.Config) { c.BaseURL = "javascript://id.example.com" },
		"base URL and query": func(c *mail.Config) { c.BaseURL = "https://id.example.com?x=y" },
		"base URL and user":  func(c *mail.Config) { c.BaseURL = "https://u:p@id.example.com" },
		"Unicode host":       func(c *mail.Config) { c.BaseURL = "https://münchen.example" },
		"no path":            func(c *mail.Config) { c.VerificationPath = "" },
		"relative path":      func(c *mail.Config) { c.VerificationPath = "verify" },
		"another host":       func(c *mail.Config) { c.VerificationPath = ".evil.example/" },
		"path and query":     func(c *mail.Config) { c.VerificationPath = "/verify?x=y" },
		"path and fragment":  func(c *mail.Config) { c.VerificationPath = "/#/verify" },
		"no reset path":      func(c *mail.Config) { c.ResetPath = "" },
	} {
		c := config
		spoil(&c)
		if _, err := mail.NewRenderer(catalogue(t), c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestTheSenderIsNamedAfterTheAppUnlessNamed(t *testing.T) {
	for from, want := range map[string]netmail.Address{
		"no-reply@example.com":                 {Name: `Müller "&" Söhne`, Address: "no-reply@example.com"},
		`"Team, <b>" <team@example.com>`:       {Name: "Team, <b>", Address: "team@example.com"},
		"=?utf-8?q?M=C3=BC?= <mu@example.com>": {Name: "Mü", Address: "mu@example.com"},
	} {
		c := config
		c.AppName, c.From = `Müller "&" Söhne`, from
		r, err := mail.NewRenderer(catalogue(t), c)
		if err != nil {
			t.Fatal(err)
		}
		m, err := r.Render(letter(notice.LoginAlert))
		if err != nil || m.From != want {
			t.Errorf("%s: sender %+v, %v, want %+v", from, m.From, err, want)
		}
	}
}

func TestMessageIDsBelongToUs(t *testing.T) {
	for base, want := range map[string]string{
		"https://id.example.com:8443/x": "id.example.com", "http://127.0.0.1:8080": "127.0.0.1", "http://[::1]": "[IPv6:::1]",
	} {
		c := config
		c.BaseURL = base
		r, err := mail.NewRenderer(catalogue(t), c)
		if err != nil {
			t.Fatal(err)
		}
		m, err := r.Render(letter(notice.LoginAlert))
		if err != nil || m.MessageID != m.ID+"@"+want {
			t.Errorf("%s: Message-ID %s, %v, want the domain %s", base, m.MessageID, err, want)
		}
	}
}

func TestAMailDoesNotPrint(t *testing.T) {
	n := letter(notice.EmailVerification)
	m := render(t, n)
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("mail", "mail", m)
	printed := fmt.Sprintf("%v %+v %#v %s %q %d", m, m, m, m, m, &m) + log.String()
	for _, s := range []string{"mYt0k3n", "xample.com", "Lovelace", "Firefox"} {
		if strings.Contains(printed, s) {
			t.Errorf("%s was printed: %s", s, printed)
		}
	}
}
