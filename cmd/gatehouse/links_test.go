package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
)

const forged = "evil.example"

// forging adds whatever a client may claim about where a request was sent.
type forging struct{ http.RoundTripper }

func (f forging) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Host = forged
	r.Header.Set("Forwarded", "host="+forged+";proto=https")
	for name, value := range map[string]string{
		"X-Forwarded-Host": forged, "X-Forwarded-Server": forged, "X-Forwarded-Proto": "https", "X-Forwarded-Port": "444",
		"X-Forwarded-Prefix": "/evil", "X-Original-Url": "http://" + forged, "X-Host": forged, "Referer": "http://" + forged + "/",
	} {
		r.Header.Set(name, value)
	}
	return f.RoundTripper.RoundTrip(r)
}

// Every route that makes a mail is asked under a foreign name (faults F36).
func TestLinksComeFromTheBaseURLWhateverARequestSays(t *testing.T) {
	p := start(t, "GATEHOUSE_MAIL_COOLDOWN=0s", "GATEHOUSE_MAIL_INFO_COOLDOWN=0s")
	p.client.Transport = forging{p.client.Transport}
	ask := func(method, path, body string) { t.Helper(); p.must(method, p.public+path, body, http.StatusOK) }
	const ada, eve = "ada@example.com", "eve@example.com"
	ask("POST", "/api/auth/register", credentialsOf(ada, `,"name":"Ada"`))
	ask("POST", "/api/auth/register", credentialsOf(ada, `,"name":"Ada"`))
	ask("POST", "/api/auth/login", credentialsOf(ada, ""))
	ask("POST", "/api/auth/step-up", credentialsOf(ada, ""))
	ask("POST", "/api/auth/email/verification/send", "")
	ask("PUT", "/api/users/me/email", `{"newEmail":"ada@elsewhere.example"}`)
	ask("POST", "/api/auth/password/reset-request", `{"email":"`+eve+`"}`)
	ask("POST", "/api/auth/password/reset-request", `{"email":"`+ada+`"}`)
	p.absolute("/api/auth/password/reset-request", `{"email":"`+eve+`"}`)
	p.mail("password_reset")
	ask("PUT", "/api/users/me/password", `{"oldPassword":"`+first+`","newPassword":"`+second+`"}`)
	for _, kind := range []string{
		"email_verification", "registration_alert", "no_account_info", "security_alert.email_change_requested", "security_alert.password_changed",
	} {
		p.mail(kind)
	}
	mailbox := p.must("GET", p.public+"/dev/mailbox/messages", "", http.StatusOK)
	if strings.Contains(mailbox, "evil") || strings.Contains(mailbox, ":444") {
		t.Errorf("a mail repeats what a request said: %s", mailbox)
	}
	var all []letter
	must(t, json.Unmarshal([]byte(mailbox), &all))
	for _, m := range all {
		for word := range strings.FieldsSeq(m.Text) {
			if strings.Contains(word, "://") && !strings.HasPrefix(word, p.public+"/auth/") {
				t.Errorf("%s links to %s", m.Kind, word)
			}
		}
	}
}

// absolute posts with a target in absolute form (RFC 9112 §3.2.2).
func (p *program) absolute(path, body string) {
	p.t.Helper()
	c, err := (&net.Dialer{}).DialContext(p.t.Context(), "tcp", strings.TrimPrefix(p.public, "http://"))
	must(p.t, err)
	defer func() { _ = c.Close() }()
	_, err = fmt.Fprintf(c, "POST http://%s%s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		forged, path, forged, len(body), body)
	must(p.t, err)
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	must(p.t, err)
	must(p.t, res.Body.Close())
	if res.StatusCode != http.StatusOK {
		p.t.Errorf("status %d", res.StatusCode)
	}
}
