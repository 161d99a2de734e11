package mail

import (
	"embed"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"maps"
	"net/mail"
	"regexp"
	"strings"
	texttemplate "text/template"
	"time"
	"unicode"

	"gatehouse/domain/client"
	"gatehouse/domain/notice"
)

//go:embed templates
var templates embed.FS

// Config is what mails need to know about the service.
type Config struct {
	AppName          string // how the service calls itself
	BaseURL          string // public URL, the only source of links
	VerificationPath string // of the page that takes the token of a verification link
	ResetPath        string // of the page that takes the token of a link for a new password
	From             string // sender (RFC 5322 §3.4); named after the app unless it has a name
}

// Renderer writes mails. It is safe for concurrent use.
type Renderer struct {
	words Words
	app   string
	from  mail.Address
	links links
	text  *texttemplate.Template
	html  *htmltemplate.Template
}

// NewRenderer fails when c would make mails nobody can send or use.
func NewRenderer(w Words, c Config) (*Renderer, error) {
	if strings.TrimSpace(c.AppName) == "" || strings.ContainsFunc(c.AppName, unicode.IsControl) {
		return nil, errors.New("app name: want a name without control characters")
	}
	from, err := mail.ParseAddress(c.From)
	if err != nil {
		return nil, fmt.Errorf("sender %q: %w", c.From, err)
	}
	if from.Name == "" {
		from.Name = c.AppName
	}
	l, err := newLinks(c.BaseURL, map[notice.Page]string{
		notice.VerificationPage: c.VerificationPath, notice.ResetPage: c.ResetPath,
	})
	if err != nil {
		return nil, err
	}
	text, err := texttemplate.ParseFS(templates, "templates/message.txt")
	if err != nil {
		return nil, fmt.Errorf("parse text template: %w", err)
	}
	html, err := htmltemplate.ParseFS(templates, "templates/message.html")
	if err != nil {
		return nil, fmt.Errorf("parse HTML template: %w", err)
	}
	return &Renderer{words: w, app: c.AppName, from: *from, links: l, text: text, html: html}, nil
}

// plan is how a mail of a kind ends.
type plan struct {
	closing []string // keys of the last paragraphs
	urgent  bool     // the last one of them stands out
}

var (
	ignorable = plan{closing: []string{"ignore"}}
	calm      = plan{closing: []string{"was_you", "not_you"}}
	alarm     = plan{closing: []string{"was_you", "not_you"}, urgent: true}

	plans = map[notice.Kind]plan{
		notice.EmailVerification:    ignorable,
		notice.PasswordReset:        ignorable,
		notice.NoAccountInfo:        calm,
		notice.EmailAuthentication:  {closing: []string{"keep", "not_you"}, urgent: true},
		notice.IdentityProviderInfo: calm,
		notice.RegistrationAlert:    calm,
	}
)

// planOf returns how mails of a kind end: alerts with an alarm, unless they say
// otherwise.
func planOf(kind notice.Kind) plan {
	if p, ok := plans[kind]; ok {
		return p
	}
	return alarm
}

// content is what the templates show. Everything in it is text: only
// templates/message.html makes HTML, and it escapes.
type content struct {
	Lang, App, Subject         string
	Heading, Greeting, Intro   string
	Link                       *link
	Code                       *code
	Details                    []detail
	DetailsTitle               string
	Closing                    []string
	Warning                    string
	Urgent                     bool
	AutomaticNotice, FooterWhy string
}

type link struct{ URL, Label, Lead, Hint, Expires string }

type code struct{ Digits, Expires string }

type detail struct{ Label, Value, Line string }

// Render returns the mail for n. It is the same for the same notice.
func (r *Renderer) Render(n notice.Notice) (Message, error) {
	c, err := r.fill(n)
	if err != nil {
		return Message{}, fmt.Errorf("render %s: %w", n.Kind, err)
	}
	var text, html strings.Builder
	if err := errors.Join(r.text.Execute(&text, c), r.html.Execute(&html, c)); err != nil {
		return Message{}, fmt.Errorf("render %s: %w", n.Kind, err)
	}
	return Message{
		ID: n.ID, MessageID: n.ID + "@" + r.links.domain, Kind: n.Kind, Locale: c.Lang,
		// The recipient's name is a stranger's choice at registration: it stays out of headers.
		From: r.from, To: mail.Address{Name: "", Address: n.To.Typed()},
		Subject: c.Subject, Text: text.String(), HTML: html.String(), CreatedAt: n.CreatedAt.UTC(),
		Headers: map[string]string{"Auto-Submitted": "auto-generated", "Content-Language": c.Lang},
	}, nil
}

func (r *Renderer) fill(n notice.Notice) (content, error) {
	of, ok := n.Kind.Contents()
	if !ok {
		return content{}, errors.New("no such kind")
	}
	p, s := planOf(n.Kind), &speaker{words: r.words, lang: r.words.Match(n.Locale), kind: n.Kind, app: r.app}
	c := content{
		Lang: s.lang, App: r.app, Subject: s.own("subject"),
		Heading: s.own("heading"), Intro: s.own("intro"), Urgent: p.urgent,
		AutomaticNotice: s.shared("automatic"), FooterWhy: s.shared("footer"),
	}
	if greetable(n.Name) {
		c.Greeting = s.say("mail.shared.greeting", map[string]any{"Name": n.Name})
	}
	if of.Link != notice.NoPage {
		if n.Token.Reveal() == "" {
			return content{}, errors.New("the token of the link is missing")
		}
		c.Link = s.link(r.links.to(of.Link, n.Token), n.Valid)
	}
	if of.Code {
		if n.Code.Reveal() == "" {
			return content{}, errors.New("the code is missing")
		}
		c.Code = &code{n.Code.Reveal(), s.minutes("code_minutes", n.Valid)}
	}
	if c.Details = s.details(n, of); len(c.Details) > 0 {
		c.DetailsTitle = s.shared("label.details")
	}
	for _, key := range p.closing {
		c.Closing = append(c.Closing, s.own(key))
	}
	if last := len(c.Closing) - 1; p.urgent {
		c.Closing, c.Warning = c.Closing[:last], c.Closing[last]
	}
	return c, s.err
}

// speaker says the sentences of one mail and remembers the first failure.
type speaker struct {
	words Words
	lang  string
	kind  notice.Kind
	app   string
	err   error
}

func (s *speaker) say(key string, data map[string]any) string {
	all := map[string]any{"App": s.app}
	maps.Copy(all, data)
	text, err := s.words.Text(s.lang, key, all)
	if err != nil && s.err == nil {
		s.err = err
	}
	return text
}

func (s *speaker) own(part string) string { return s.say("mail."+string(s.kind)+"."+part, nil) }

func (s *speaker) shared(part string) string { return s.say("mail.shared."+part, nil) }

func (s *speaker) link(url string, valid time.Duration) *link {
	l := &link{URL: url, Label: s.own("action"), Hint: s.shared("link_hint")}
	l.Lead = s.say("mail.shared.lead", map[string]any{"Label": l.Label})
	if valid < time.Hour {
		l.Expires = s.minutes("link_minutes", valid)
	} else {
		l.Expires = s.say("mail.shared.link_hours", map[string]any{"Hours": int(valid / time.Hour)})
	}
	return l
}

// minutes rounds down, as do hours, so that nothing ends before we say.
func (s *speaker) minutes(part string, valid time.Duration) string {
	return s.say("mail.shared."+part, map[string]any{"Minutes": int(valid / time.Minute)})
}

func (s *speaker) details(n notice.Notice, of notice.Contents) (known []detail) {
	add := func(part, value string) {
		if value == "" {
			return
		}
		d := detail{Label: s.shared("label." + part), Value: value}
		d.Line = s.say("mail.shared.pair", map[string]any{"Label": d.Label, "Value": d.Value})
		known = append(known, d)
	}
	if of.Provider {
		add("provider", n.Provider)
	}
	if of.Factor {
		add("factor", s.shared("factor."+string(n.Factor)))
	}
	if of.Origin {
		add("time", n.CreatedAt.UTC().Format("2006-01-02 15:04 UTC"))
		add("browser", n.From.Device.Browser)
		add("os", n.From.Device.OS)
		add("address", n.From.Address.String())
		add("location", place(n.From.Location))
	}
	return known
}

func place(l *client.Location) string {
	switch {
	case l == nil:
		return ""
	case l.City == "" || l.Country == "":
		return l.City + l.Country
	default:
		return l.City + ", " + l.Country
	}
}

// webAddress finds what a mail program might turn into a link.
var webAddress = regexp.MustCompile(`://|[\pL\pN]\.\pL{2}`)

// greetable reports whether a mail may say a name. Whoever registers a
// stranger's address chooses the name, and must not advertise with our mail.
func greetable(name string) bool { return name != "" && !webAddress.MatchString(name) }
