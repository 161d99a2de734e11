package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/net/publicsuffix"

	i18nadapter "gatehouse/adapters/i18n"
	mailadapter "gatehouse/adapters/mail"
	"gatehouse/domain/notice"
)

type mailCmd struct {
	Preview mailPreviewCmd `cmd:"" help:"Write every mail in every language to an empty folder, with an index.html."`
	Doctor  mailDoctorCmd  `cmd:"" help:"Check what can be checked of mails before going live: exit 1 when something would fail."`
}

type mailPreviewCmd struct {
	Dir string `arg:"" help:"Folder that is empty or does not exist yet." type:"path"`
}

// Run implements the command.
func (c mailPreviewCmd) Run(p *process) error {
	_, words, render, err := p.post()
	if err != nil {
		return err
	}
	if err := render.Preview(c.Dir, words.Languages(), now()); errors.Is(err, mailadapter.ErrNotEmpty) {
		return usageError{fmt.Errorf("preview: %s: %w", c.Dir, err)}
	} else if err != nil {
		return fmt.Errorf("preview: %w", err)
	}
	_, err = fmt.Fprintln(p.out, filepath.Join(c.Dir, "index.html"))
	return err
}

// post is what is needed to write mails, whether or not they are sent.
func (p *process) post() (cfg settings, words *i18nadapter.Catalogue, render *mailadapter.Renderer, err error) {
	if cfg, err = p.settings(); err != nil {
		return cfg, nil, nil, err
	}
	if words, err = newWords(cfg); err != nil {
		return cfg, nil, nil, err
	}
	render, err = newRenderer(cfg, cfg.baseURL(cfg.HTTP.Address), words)
	return cfg, words, render, err
}

type mailDoctorCmd struct{}

// Run implements the command.
func (mailDoctorCmd) Run(ctx context.Context, p *process) error {
	cfg, words, render, err := p.post()
	if err != nil {
		return err
	}
	d := doctor{cfg: cfg, base: cfg.baseURL(cfg.HTTP.Address), words: words, render: render, now: now()}
	return d.examine(ctx, p.out)
}

// grade is how a check ended.
type grade string

const (
	fine   grade = "ok"
	warned grade = "warn" // works, but look at it
	failed grade = "fail" // mails would not arrive, or be of no use
)

// finding is the line of a check.
type finding struct {
	grade grade
	says  string
}

func is(g grade, format string, args ...any) finding { return finding{g, fmt.Sprintf(format, args...)} }

// doctor checks what mails need, from the settings to the server.
type doctor struct {
	cfg    settings
	base   string
	words  *i18nadapter.Catalogue
	render *mailadapter.Renderer
	now    time.Time
}

// examine prints a line for each check, and fails when one of them does.
func (d doctor) examine(ctx context.Context, out io.Writer) error {
	failures := 0
	for _, check := range []struct {
		name string
		do   func() finding
	}{
		{"base URL", d.checkBase},
		{"sender", d.checkSender},
		{"languages", d.checkLanguages},
		{"parts", d.checkParts},
		{"links", d.checkLinks},
		{"server", func() finding { return d.checkServer(ctx) }},
	} {
		f := check.do()
		if f.grade == failed {
			failures++
		}
		if _, err := fmt.Fprintf(out, "%-5s %-10s %s\n", f.grade, check.name, oneLine(f.says)); err != nil {
			return err
		}
	}
	if failures > 0 {
		return fmt.Errorf("mail: failed checks: %d", failures)
	}
	return nil
}

// oneLine keeps what a server's certificate says from moving the cursor.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}

func (d doctor) checkBase() finding {
	u, err := url.Parse(d.base)
	switch {
	case err != nil:
		return is(failed, "app.base_url is no URL")
	case isLoopback(u.Hostname()):
		return is(failed, "links lead to %s, which only this machine can open: set app.base_url", d.base)
	case u.Scheme != "https":
		return is(failed, "links lead to %s, which is not https", d.base)
	}
	return is(fine, "links lead to %s", d.base)
}

func (d doctor) checkSender() finding {
	from, err := mail.ParseAddress(d.cfg.mailFrom())
	if err != nil {
		return is(failed, "mail.from is no address")
	}
	host := from.Address[strings.LastIndex(from.Address, "@")+1:]
	u, _ := url.Parse(d.base)
	switch {
	case isLoopback(host):
		return is(failed, "%s is at no domain: set mail.from", from.Address)
	case u != nil && !sameOwner(host, u.Hostname()):
		return is(warned, "%s is not of the domain of the links, %s: readers and filters may distrust it", from.Address, u.Hostname())
	}
	return is(fine, "%s (ask the DNS yourself for SPF, DKIM and DMARC of %s)", from.Address, host)
}

// sameOwner reports whether two hosts belong to one registered domain.
func sameOwner(a, b string) bool {
	one, err := publicsuffix.EffectiveTLDPlusOne(strings.ToLower(a))
	if err != nil {
		return strings.EqualFold(a, b)
	}
	other, err := publicsuffix.EffectiveTLDPlusOne(strings.ToLower(b))
	return err == nil && one == other
}

func (d doctor) checkLanguages() finding {
	var lacking []string
	for _, lang := range d.words.Languages() {
		if keys := d.words.Missing(lang); len(keys) > 0 {
			lacking = append(lacking, fmt.Sprintf("%s lacks %d texts (%s)", lang, len(keys), someOf(keys)))
		}
	}
	if len(lacking) > 0 {
		return is(warned, "%s; they are said in another language", strings.Join(lacking, "; "))
	}
	return is(fine, "%s, all complete", strings.Join(d.words.Languages(), ", "))
}

// someOf names the first three.
func someOf(all []string) string {
	if len(all) <= 3 {
		return strings.Join(all, ", ")
	}
	return strings.Join(all[:3], ", ") + ", …"
}

// everyMail yields a mail of each kind in each language.
func (d doctor) everyMail(yield func(mailadapter.Message, error) bool) {
	for _, lang := range d.words.Languages() {
		for _, kind := range notice.Kinds() {
			if !yield(d.render.Render(mailadapter.Sample(kind, lang, d.now))) {
				return
			}
		}
	}
}

func (d doctor) checkParts() finding {
	n := 0
	for m, err := range d.everyMail {
		if err != nil {
			return is(failed, "%v", err)
		}
		if slices.ContainsFunc([]string{m.Subject, m.Text, m.HTML}, func(s string) bool { return strings.TrimSpace(s) == "" }) {
			return is(failed, "%s in %s lacks its subject, text or HTML", m.Kind, m.Locale)
		}
		n++
	}
	return is(fine, "%d mails have a subject, a text and an HTML part", n)
}

// address finds what a mail program turns into a link.
var address = regexp.MustCompile(`(?i)(?:[a-z][a-z0-9+.-]*://|www\.)[^\s"<>]+`)

func (d doctor) checkLinks() finding {
	own, foreign := 0, []string{}
	for m, err := range d.everyMail {
		if err != nil {
			return is(failed, "%v", err)
		}
		for _, link := range address.FindAllString(m.Text+" "+m.HTML, -1) {
			if strings.HasPrefix(link, d.base+"/") {
				own++
			} else if !slices.Contains(foreign, link) {
				foreign = append(foreign, link)
			}
		}
	}
	switch {
	case own == 0:
		return is(failed, "no mail leads to %s", d.base)
	case len(foreign) > 0:
		return is(warned, "texts of locales.dir lead elsewhere: %s", someOf(foreign))
	}
	return is(fine, "all lead to pages at %s: see that %s and %s are there", d.base, d.cfg.Mail.VerificationPath, d.cfg.Mail.ResetPath)
}

const (
	probing = 5 * time.Second // the server may take to answer
	soon    = 14 * day        // a certificate that ends by then is worth a warning
)

// reasons are what the classes of failures mean that say it least.
var reasons = map[string]string{
	"protocol": "it offers no STARTTLS, or no way to sign in that we know",
	"smtp_535": "it refuses the user or the password",
	"timeout":  "no answer",
	"tls":      "it does not speak TLS there; smtp:// is for STARTTLS, smtps:// for TLS from the start",
}

func (d doctor) checkServer(ctx context.Context) finding {
	mailbox, on, _ := d.cfg.mailKind()
	switch {
	case !on:
		return is(warned, "mail.url is %s, so that no mail is sent", mailDisabled)
	case mailbox:
		return is(failed, "mail.url is empty: mails go into the development mailbox and to nobody")
	}
	smtp, err := mailadapter.NewSMTP(d.cfg.Mail.URL.Text, nil, d.render)
	if err != nil {
		return is(failed, "%v", err)
	}
	ctx, cancel := context.WithTimeout(ctx, probing)
	defer cancel()
	w, err := smtp.Probe(ctx)
	if err != nil {
		return is(failed, "%s: %s", w.Server, why(err))
	}
	return d.judge(w)
}

func why(err error) string {
	text := strings.TrimPrefix(err.Error(), "mail not delivered: ")
	if reason := reasons[text]; reason != "" {
		return text + ", " + reason
	}
	return text
}

func (d doctor) judge(w mailadapter.Welcome) finding {
	says := w.Server + ", " + cmp.Or(w.TLS, "not encrypted, on this machine")
	if w.Known {
		says += ", signed in"
	}
	switch left := w.Until.Sub(d.now); {
	case w.TLS == "":
	case w.Unverified:
		says += ", certificate not checked, on this machine"
	case left < soon:
		return is(warned, "%s, certificate ends on %s", says, w.Until.UTC().Format(time.DateOnly))
	}
	return is(fine, "%s", says)
}
