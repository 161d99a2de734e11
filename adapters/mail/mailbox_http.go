package mail

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Routes of the mailbox.
const (
	PagePath     = "/dev/mailbox"
	MessagesPath = "/dev/mailbox/messages"
)

// shown is how many mails the page shows; each one is a document of its own.
const shown = 50

var (
	page   = template.Must(template.ParseFS(templates, "templates/mailbox.html"))
	script = must(templates.ReadFile("templates/mailbox.js"))

	// The page runs its own script and nothing else. The frames with mails
	// inherit the policy, and their sandbox allows no script at all.
	policy = strings.Join([]string{
		"default-src 'none'", "style-src 'unsafe-inline'", "script-src '" + hashOf(script) + "'",
		"connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
	}, "; ")
)

func must(content []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return content
}

func hashOf(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// Handler serves the mailbox: [PagePath] for people, and [MessagesPath], which
// also can be deleted, for programs. It answers 404 for any other path.
func (b *Mailbox) Handler() http.Handler {
	mux := http.NewServeMux() // answers other methods with 405 and Allow
	mux.HandleFunc("GET "+PagePath, b.servePage)
	mux.HandleFunc("GET "+MessagesPath, b.serveMessages)
	mux.HandleFunc("DELETE "+MessagesPath, b.serveClear)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store") // mails hold tokens
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", policy)
		mux.ServeHTTP(w, r)
	})
}

func (b *Mailbox) serveMessages(w http.ResponseWriter, _ *http.Request) {
	all, err := b.encoded()
	if err != nil {
		failed(w)
		return
	}
	var body bytes.Buffer
	body.WriteByte('[')
	for i, k := range all {
		if i > 0 {
			body.WriteByte(',')
		}
		body.Write(k.encoded)
	}
	body.WriteString("]\n")
	send(w, "application/json", body.Bytes())
}

func (b *Mailbox) serveClear(w http.ResponseWriter, _ *http.Request) {
	if err := b.Clear(); err != nil {
		failed(w)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// shownMail is a mail as the page shows it.
type shownMail struct {
	Stored
	Time  string
	Link  string // "" when there is none
	Frame string // document of the frame
}

func (b *Mailbox) servePage(w http.ResponseWriter, _ *http.Request) {
	all, err := b.Messages()
	if err != nil {
		failed(w)
		return
	}
	mails := make([]shownMail, 0, shown)
	for _, s := range all[:min(shown, len(all))] {
		mails = append(mails, shownMail{
			Stored: s, Time: s.CreatedAt.UTC().Format(time.DateTime), Link: linkIn(s.Text),
			// Links of a mail open beside the mailbox.
			Frame: strings.Replace(s.HTML, "<head>", `<head><base target="_blank">`, 1),
		})
	}
	var body bytes.Buffer
	err = page.Execute(&body, map[string]any{
		"Mails": mails, "Total": len(all), "Hidden": len(all) - len(mails), "App": b.render.app,
		"Script":   template.JS(script), //nolint:gosec // our own file
		"Messages": MessagesPath,
	})
	if err != nil {
		failed(w)
		return
	}
	send(w, "text/html; charset=utf-8", body.Bytes())
}

var linkLine = regexp.MustCompile(`(?m)^https?://\S+$`)

func linkIn(text string) string { return linkLine.FindString(text) }

func send(w http.ResponseWriter, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // whoever asked has gone
}

func failed(w http.ResponseWriter) {
	http.Error(w, "the directory of the mailbox cannot be used",
		http.StatusInternalServerError)
}
