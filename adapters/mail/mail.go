// Package mail turns notices into mails and delivers them: over SMTP, or into
// the development mailbox, which also is a page.
//
// It owns what a mail looks like, its headers and links, and which failures of
// a server are worth another attempt. It does not own the sentences, which it
// asks [Words] for, nor when a notice is delivered or given up.
package mail

import (
	"fmt"
	"log/slog"
	"net/mail"
	"time"

	"gatehouse/domain/notice"
)

// Words knows the sentences of mails.
type Words interface {
	// Match returns the language that serves a reader of tag best.
	Match(tag string) string
	// Text returns the sentence for key in lang, with data in its
	// placeholders. The one int in data, if any, selects the plural form.
	Text(lang, key string, data map[string]any) (string, error)
}

// Message is a mail, ready to be sent. It holds the token of its link, so it
// does not print.
type Message struct {
	ID        string // of the notice
	MessageID string // RFC 5322 §3.6.4, without the brackets; the same in every attempt
	Kind      notice.Kind
	Locale    string // the language it is in
	From, To  mail.Address
	Subject   string
	Text      string
	HTML      string
	CreatedAt time.Time         // when it was promised, in UTC
	Headers   map[string]string // beyond those that come from the other fields
}

// Format prints nothing but the id.
func (m Message) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("mail " + m.ID)) }

// LogValue logs nothing but the id and the kind.
func (m Message) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", m.ID), slog.String("kind", string(m.Kind)))
}
