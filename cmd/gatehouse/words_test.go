package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A language of one's own need not be complete: each text says in which
// language it is.
func TestOwnTextsAreInProblemsAndMails(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "active.sv.toml"), []byte(`INVALID_CREDENTIALS = "Fel e-postadress eller lösenord."
mail.email_verification.subject = "Bekräfta din e-postadress"`), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "active.de.toml"), []byte(`INVALID_CREDENTIALS = "Das passt nicht zusammen."`), 0o600))
	p := start(t, "GATEHOUSE_LOCALES_DIR="+dir)
	for _, tc := range []struct{ lang, path, body, detail, in string }{
		{"sv", "/api/auth/login", credentialsOf("eve@example.com", ""), "Fel e-postadress eller lösenord.", "sv"},
		{"sv", "/api/users/me", "", "Please sign in first.", "en"},
		{"de-AT", "/api/auth/login", credentialsOf("eve@example.com", ""), "Das passt nicht zusammen.", "de"},
	} {
		detail, in := p.problem(tc.path, tc.body, tc.lang)
		if detail != tc.detail || in != tc.in {
			t.Errorf("%s in %s: %q in %s", tc.path, tc.lang, detail, in)
		}
	}
	p.must("POST", p.public+"/api/auth/register?locale=sv-FI", credentialsOf("ada@example.com", `,"name":"Ada"`), 200)
	if m := p.mail("email_verification"); m.Locale != "sv" || m.Subject != "Bekräfta din e-postadress" || !strings.Contains(m.Text, "Hello Ada,") {
		t.Errorf("mail in %s: %s\n%s", m.Locale, m.Subject, m.Text)
	}
}

// problem returns what is said to a reader of lang, and in which language.
func (p *program) problem(path, body, lang string) (detail, in string) {
	p.t.Helper()
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.public+path, strings.NewReader(body))
	must(p.t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept-Language", lang)
	res, err := p.client.Do(req)
	must(p.t, err)
	defer func() { _ = res.Body.Close() }()
	var said struct{ Detail string }
	must(p.t, json.NewDecoder(res.Body).Decode(&said))
	return said.Detail, res.Header.Get("Content-Language")
}
