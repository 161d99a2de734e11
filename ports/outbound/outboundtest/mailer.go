package outboundtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"gatehouse/domain/notice"
	"gatehouse/domain/secret"
	"gatehouse/ports/outbound"
)

// Mail is what arrived at the other end of a [outbound.Mailer].
type Mail struct {
	ID         string // the same for every delivery of a notice
	Recipients []string
	Subject    string
	Text, HTML string
}

// Mailer runs the suite of [outbound.Mailer]. open returns a mailer whose
// other end takes everything, and what has arrived there, fresh for each
// check.
func Mailer(t *testing.T, open func(*testing.T) (outbound.Mailer, func() []Mail)) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, outbound.Mailer, func() []Mail)
	}{
		{"EveryKindArrives", everyKindArrives},
		{"SecretsArriveWhereTheyBelong", secretsArriveWhereTheyBelong},
		{"CodesStayOutOfSubjects", codesStayOutOfSubjects},
		{"RedeliveryIsRecognisable", redeliveryIsRecognisable},
		{"UnknownKindIsPermanent", unknownKindIsPermanent},
		{"CanceledDeliversNothing", canceledDeliversNothing},
		{"StrangersWordsStayWords", strangersWordsStayWords},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, arrived := open(t)
			c.run(t, m, arrived)
		})
	}
}

// mailOf is a letter of a kind, to an address of its own.
func mailOf(kind notice.Kind, id string) notice.Notice {
	n := letter(id, "")
	n.Kind, n.To = kind, address(id+"@Example.com")
	return n
}

func everyKindArrives(t *testing.T, m outbound.Mailer, arrived func() []Mail) {
	for i, kind := range notice.Kinds() {
		n := mailOf(kind, fmt.Sprint("n", i))
		must(t, m.Deliver(t.Context(), n))
		var of []Mail
		for _, got := range arrived() {
			if strings.Join(got.Recipients, " ") == n.To.Typed() {
				of = append(of, got)
			}
		}
		if len(of) != 1 {
			t.Fatalf("%s: %d mails arrived at %s, want one", kind, len(of), n.To.Typed())
		}
		if of[0].ID == "" || of[0].Subject == "" || of[0].Text == "" || of[0].HTML == "" {
			t.Errorf("%s: something of id, subject, text and HTML is missing", kind)
		}
	}
	if got := len(arrived()); got != len(notice.Kinds()) {
		t.Errorf("%d mails arrived, want %d", got, len(notice.Kinds()))
	}
}

func secretsArriveWhereTheyBelong(t *testing.T, m outbound.Mailer, arrived func() []Mail) {
	token := func(i int) string { return fmt.Sprintf("token-%02d-of-somebody", i) }
	recipient := map[string]int{}
	for i := range crowd {
		recipient[fmt.Sprintf("r%d@Example.com", i)] = i
	}
	race(crowd, func(i int) {
		n := mailOf(notice.EmailVerification, fmt.Sprint("r", i))
		n.Token = secret.New(token(i))
		if err := m.Deliver(t.Context(), n); err != nil {
			t.Errorf("Deliver = %v", err)
		}
	})
	all := arrived()
	if len(all) != crowd {
		t.Fatalf("%d mails arrived, want %d", len(all), crowd)
	}
	for _, got := range all {
		i, known := recipient[strings.Join(got.Recipients, " ")]
		if !known || !strings.Contains(got.Text, token(i)) || !strings.Contains(got.HTML, token(i)) {
			t.Errorf("a mail to %v has not their token in both parts", got.Recipients)
		}
		if strings.Count(got.Text, "-of-somebody") != 1 || strings.Contains(got.Subject, "-of-somebody") {
			t.Errorf("a mail to %v holds more than their token, once", got.Recipients)
		}
	}
}

// Subjects are shown on locked screens (contract §8).
func codesStayOutOfSubjects(t *testing.T, m outbound.Mailer, arrived func() []Mail) {
	n := mailOf(notice.EmailAuthentication, "n1")
	n.Code = secret.New("407129")
	must(t, m.Deliver(t.Context(), n))
	for _, got := range arrived() {
		if !strings.Contains(got.Text, "407129") || !strings.Contains(got.HTML, "407129") || strings.Contains(got.Subject, "407129") {
			t.Errorf("the code is not in both parts, or in the subject %q", got.Subject)
		}
	}
}

// A crash between delivery and its record means another delivery (faults F21).
func redeliveryIsRecognisable(t *testing.T, m outbound.Mailer, arrived func() []Mail) {
	n := mailOf(notice.LoginAlert, "n1")
	for range 3 {
		must(t, m.Deliver(t.Context(), n))
	}
	must(t, m.Deliver(t.Context(), mailOf(notice.LoginAlert, "n2")))
	ids := map[string]bool{}
	for _, got := range arrived() {
		ids[got.ID] = true
	}
	if len(ids) != 2 {
		t.Errorf("two notices arrived under the ids %v", ids)
	}
}

func unknownKindIsPermanent(t *testing.T, m outbound.Mailer, arrived func() []Mail) {
	err := m.Deliver(t.Context(), mailOf("no_such_kind", "n1"))
	d, ok := errors.AsType[*outbound.DeliveryError](err)
	if !ok || !d.Permanent || d.Class == "" {
		t.Errorf("Deliver of an unknown kind = %v, want a permanent DeliveryError", err)
	}
	if len(arrived()) != 0 {
		t.Error("a mail of an unknown kind arrived")
	}
}

func canceledDeliversNothing(t *testing.T, m outbound.Mailer, arrived func() []Mail) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := m.Deliver(ctx, mailOf(notice.LoginAlert, "n1"))
	if d, ok := errors.AsType[*outbound.DeliveryError](err); err == nil || (ok && d.Permanent) {
		t.Errorf("Deliver, canceled, = %v, want an error that is not permanent", err)
	}
	if len(arrived()) != 0 {
		t.Error("a mail arrived although its delivery was canceled")
	}
}

// What the world has let through once must do no harm in a mail (faults F37,
// F89).
func strangersWordsStayWords(t *testing.T, m outbound.Mailer, arrived func() []Mail) {
	for i, name := range []string{
		"Ada\r\nBcc: eve@evil.example\r\n\r\nfree", "Ada\nSubject: gift", "Ada\x00\x1b[2J",
		`"><script>alert(1)</script>`, "{{.Token}} %s", "=?utf-8?q?Ada=0d=0aBcc:eve?=", strings.Repeat("Ada ", 2500),
	} {
		n := mailOf(notice.LoginAlert, fmt.Sprint("n", i))
		n.Name, n.From.Device.Browser, n.From.Location.City, n.Locale = name, name, name, name
		must(t, m.Deliver(t.Context(), n))
		all := arrived()
		if len(all) != i+1 {
			t.Fatalf("%.20q: %d mails arrived, want %d", name, len(all), i+1)
		}
	}
	for _, got := range arrived() {
		if len(got.Recipients) != 1 || !strings.HasSuffix(got.Recipients[0], "@Example.com") {
			t.Errorf("a mail went to %q", got.Recipients)
		}
		if strings.Contains(got.HTML, "<script") {
			t.Error("a script arrived")
		}
		for _, w := range []string{"gift", "eve", "Ada", "alert", "Token"} {
			if strings.Contains(got.Subject, w) {
				t.Errorf("a stranger's words are in the subject %q", got.Subject)
			}
		}
	}
}
