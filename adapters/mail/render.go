package mail

import (
	"embed"
	"errors"
	"fmt"
	htmltemplate "html/template"
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
	l, err := newLinks(c.BaseURL, c.VerificationPath)
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

// plan is what a mail of a kind consists of, after its heading and intro.
type plan struct {
	verifies bool     // it has a link to the verification page
	tells    bool     // it tells when and from where it was caused
	closing  []string // keys of the last paragraphs
	urgent   bool     // the last one of them stands out
}

var plans = map[notice.Kind]plan{
	notice.EmailVerification:  {verifies: true, closing: []string{"ignore"}},
	notice.RegistrationAlert:  {tells: true, closing: []string{"was_you", "not_you"}},
	notice.LoginAlert:         {tells: true, closing: []string{"was_you", "not_you"}, urgent: true},
	notice.PasswordChanged:    {tells: true, closing: []string{"was_you", "not_you"}, urgent: true},
	notice.RefreshTokenReused: {tells: true, closing: []string{"was_you", "not_you"}, urgent: true},
}

// content is what the templates show. Everything in it is text: only
// templates/message.html makes HTML, and it escapes.
type content struct {
	Lang, App, Subject         string
	Heading, Greeting, Intro   string
	Link                       *link
	Details                    []detail
	DetailsTitle               string
	Closing                    []string
	Warning                    string
	Urgent                     bool
	AutomaticNotice, FooterWhy string
}

type link struct{ URL, Label, Hint, Expires string }

type detail struct{ Label, Value string }

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
	p, ok := plans[n.Kind]
	if !ok {
		return content{}, errors.New("no such kind")
	}
	s := &speaker{words: r.words, lang: r.words.Match(n.Locale), kind: n.Kind, app: r.app}
	c := content{
		Lang: s.lang, App: r.app, Subject: s.own("subject"),
		Heading: s.own("heading"), Intro: s.own("intro"), Urgent: p.urgent,
		AutomaticNotice: s.shared("automatic"), FooterWhy: s.shared("footer"),
	}
	if greetable(n.Name) {
		c.Greeting = s.say("mail.shared.greeting", map[string]any{"Name": n.Name})
	}
	if p.verifies {
		if n.Token.Reveal() == "" {
			return content{}, errors.New("the token of the link is missing")
		}
		c.Link = &link{r.links.verify(n.Token), s.own("action"), s.shared("link_hint"), s.expires(n.Valid)}
	}
	if p.tells {
		c.DetailsTitle, c.Details = s.shared("label.details"), s.details(n)
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
	text, err := s.words.Text(s.lang, key, data)
	if err != nil && s.err == nil {
		s.err = err
	}
	return text
}

func (s *speaker) own(part string) string {
	return s.say("mail."+string(s.kind)+"."+part, map[string]any{"App": s.app})
}

func (s *speaker) shared(part string) string {
	return s.say("mail.shared."+part, map[string]any{"App": s.app})
}

// expires rounds down, so that a link never ends before we say.
func (s *speaker) expires(valid time.Duration) string {
	if valid < time.Hour {
		return s.own("expires_soon")
	}
	return s.say("mail."+string(s.kind)+".expires", map[string]any{"Hours": int(valid / time.Hour)})
}

func (s *speaker) details(n notice.Notice) []detail {
	all := []detail{
		{s.shared("label.time"), n.CreatedAt.UTC().Format("2006-01-02 15:04 UTC")},
		{s.shared("label.browser"), n.From.Device.Browser},
		{s.shared("label.os"), n.From.Device.OS},
		{s.shared("label.address"), n.From.Address.String()},
		{s.shared("label.location"), place(n.From.Location)},
	}
	known := all[:0]
	for _, d := range all {
		if d.Value != "" {
			known = append(known, d)
		}
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
