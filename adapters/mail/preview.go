package mail

import (
	"errors"
	"fmt"
	htmltemplate "html/template"
	"os"
	"strings"
	"time"

	"gatehouse/domain/client"
	"gatehouse/domain/email"
	"gatehouse/domain/notice"
	"gatehouse/domain/secret"
)

// ErrNotEmpty is a folder that holds something already.
var ErrNotEmpty = errors.New("the folder is not empty")

// index is the page that leads to the mails of a preview.
type index struct {
	App       string
	Languages []string
	Rows      []row
}

type row struct {
	Kind  notice.Kind
	Cells []cell
}

type cell struct{ Lang, Subject, HTML, Text string }

// Preview writes [Sample] mails of every kind in each of langs to dir, as
// <language>/<kind>.html and .txt, and index.html, which leads to them. It makes
// the folder with mode 0700 if there is none, and returns [ErrNotEmpty] when
// there is something in it.
func (r *Renderer) Preview(dir string, langs []string, now time.Time) (err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	if some, err := os.ReadDir(dir); err != nil || len(some) > 0 {
		return errors.Join(err, ErrNotEmpty)
	}
	page := index{App: r.app, Languages: langs}
	for _, lang := range langs {
		if err := root.Mkdir(lang, 0o700); err != nil {
			return err
		}
	}
	for _, kind := range notice.Kinds() {
		cells, err := r.previewKind(root, kind, langs, now)
		if err != nil {
			return err
		}
		page.Rows = append(page.Rows, row{kind, cells})
	}
	t, err := htmltemplate.ParseFS(templates, "templates/preview.html")
	if err != nil {
		return fmt.Errorf("parse preview template: %w", err)
	}
	var html strings.Builder
	if err := t.Execute(&html, page); err != nil {
		return fmt.Errorf("write index: %w", err)
	}
	return root.WriteFile("index.html", []byte(html.String()), 0o600)
}

func (r *Renderer) previewKind(root *os.Root, kind notice.Kind, langs []string, now time.Time) (cells []cell, _ error) {
	for _, lang := range langs {
		m, err := r.Render(Sample(kind, lang, now))
		if err != nil {
			return nil, err
		}
		c := cell{Lang: lang, Subject: m.Subject, HTML: lang + "/" + string(kind) + ".html", Text: lang + "/" + string(kind) + ".txt"}
		if err := errors.Join(root.WriteFile(c.HTML, []byte(m.HTML), 0o600), root.WriteFile(c.Text, []byte(m.Text), 0o600)); err != nil {
			return nil, err
		}
		cells = append(cells, c)
	}
	return cells, nil
}

// Sample returns a notice that leaves nothing out and reaches nobody.
func Sample(kind notice.Kind, lang string, now time.Time) notice.Notice {
	to, _ := email.Parse("ada@example.com")
	address, _ := client.ParseAddress("192.0.2.7")
	n := notice.Notice{
		ID: "sample", Kind: kind, To: to, Name: "Ada Lovelace", Locale: lang, CreatedAt: now, ExpiresAt: now,
		Provider: "Example Login", Factor: notice.TOTP,
		From: client.Info{
			Address: address, Device: client.Device{Browser: "Firefox 151", OS: "Linux"},
			Location: &client.Location{City: "Paris", Country: "FR"},
		},
	}
	if of, _ := kind.Contents(); of.Code {
		n.Code, n.Valid = secret.New("407129"), 10*time.Minute
	} else if of.Link != notice.NoPage {
		n.Token, n.Valid = secret.New("sample-token"), 24*time.Hour
	}
	return n
}
