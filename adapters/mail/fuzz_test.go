package mail_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"gatehouse/adapters/mail"
	"gatehouse/domain/client"
	"gatehouse/domain/notice"
)

// Whatever strangers are called, a mail keeps its headers, and its HTML keeps
// its shape.
func FuzzStrangersWords(f *testing.F) {
	r, err := mail.NewRenderer(catalogue(f), config)
	if err != nil {
		f.Fatal(err)
	}
	tags := func(name, browser, city string) (headers string, count int) {
		n := letter(notice.LoginAlert)
		n.Name, n.From.Device.Browser, n.From.Location = name, browser, &client.Location{City: city}
		m, err := r.Render(n)
		if err != nil {
			f.Fatal(err)
		}
		return m.From.String() + m.To.String() + m.Subject + m.MessageID, strings.Count(m.HTML, "<")
	}
	wantHeaders, wantTags := tags("Ada", "Firefox", "Paris")
	f.Add("<script>", "\r\nBcc: eve@evil.example", "' onload=x")
	f.Add("{{.}}", "=?utf-8?q?=0d=0a?=", "\x00\u202e")
	f.Fuzz(func(t *testing.T, name, browser, city string) {
		if name == "" || browser == "" || city == "" || !utf8.ValidString(name) || strings.ContainsAny(name, ".:") {
			t.Skip("left out of a mail, or never let in")
		}
		headers, count := tags(name, browser, city)
		if headers != wantHeaders {
			t.Errorf("headers %q, want %q", headers, wantHeaders)
		}
		if count != wantTags {
			t.Errorf("the HTML has %d tags, want %d", count, wantTags)
		}
	})
}
