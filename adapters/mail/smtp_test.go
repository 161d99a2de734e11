package mail_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"gatehouse/adapters/mail"
	"gatehouse/domain/email"
	"gatehouse/domain/notice"
	"gatehouse/domain/secret"
	"gatehouse/ports/outbound"
	"gatehouse/ports/outbound/outboundtest"
)

// sender returns a mailer for a URL whose host is the server's, whatever it
// says.
func sender(t *testing.T, s *server, url string, ca authority) *mail.SMTP {
	t.Helper()
	m, err := mail.NewSMTP(secret.New(url), ca.pool, renderer(t))
	if err != nil {
		t.Fatal(err)
	}
	m.DialWith(s.dial)
	return m
}

func loopback(t *testing.T, s *server) *mail.SMTP {
	t.Helper()
	s.serve(t, nil, false)
	return sender(t, s, "smtp://127.0.0.1:"+s.port(), authority{})
}

func TestSMTP(t *testing.T) {
	outboundtest.Mailer(t, func(t *testing.T) (outbound.Mailer, func() []outboundtest.Mail) {
		s := &server{}
		return loopback(t, s), func() (all []outboundtest.Mail) {
			for _, r := range s.taken() {
				header, text, html := opened(t, r.data)
				subject, err := new(mime.WordDecoder).DecodeHeader(header.Get("Subject"))
				if err != nil {
					t.Error(err)
				}
				all = append(all, outboundtest.Mail{
					ID: header.Get("Message-ID"), Recipients: r.recipients, Subject: subject, Text: text, HTML: html,
				})
			}
			return all
		}
	})
}

// opened takes a mail apart into its header and its two parts.
func opened(t *testing.T, data []byte) (header netmail.Header, text, html string) {
	t.Helper()
	m, err := netmail.ReadMessage(strings.NewReader(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("Content-Type %s, %v, want multipart/alternative", m.Header.Get("Content-Type"), err)
	}
	parts := map[string]string{}
	for reader := multipart.NewReader(m.Body, params["boundary"]); ; {
		p, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil {
			t.Fatal(err)
		}
		parts[p.Header.Get("Content-Type")] = strings.ReplaceAll(string(content), "\r\n", "\n")
	}
	return m.Header, parts["text/plain; charset=UTF-8"], parts["text/html; charset=UTF-8"]
}

func TestAMailHasTheHeadersItNeedsAndNoOther(t *testing.T) {
	s := &server{}
	m := loopback(t, s)
	n := letter(notice.EmailVerification)
	if err := m.Deliver(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	got := s.taken()[0]
	if got.greeting != "id.example.com" || got.from != "no-reply@example.com" || !slices.Equal(got.recipients, []string{"Ada@Example.com"}) {
		t.Errorf("greeting %s, from %s, to %s", got.greeting, got.from, got.recipients)
	}
	want := map[string]string{
		"Message-ID": "<0197a3f2-7c1e-7b52-9c1d-3f5a6b7c8d9e@id.example.com>", "Date": "Tue, 29 Feb 2028 18:59:59 +0000",
		"From": `"Gatehouse" <no-reply@example.com>`, "To": "<Ada@Example.com>",
		"Subject":        "Confirm your e-mail address for Gatehouse",
		"Auto-Submitted": "auto-generated", "Content-Language": "en", "MIME-Version": "1.0",
	}
	for _, line := range headerOf(got.data) {
		name, value, _ := strings.Cut(string(line), ": ")
		if name == "Content-Type" {
			continue
		}
		if w, expected := want[name]; !expected || value != w {
			t.Errorf("header %q, want %q", line, w)
		}
		delete(want, name)
	}
	if len(want) != 0 {
		t.Errorf("missing headers: %v", want)
	}
	_, text, html := opened(t, got.data)
	rendered := render(t, n)
	if text != rendered.Text || html != rendered.HTML {
		t.Errorf("what arrived is not what was rendered:\n%s", got.data)
	}
}

func TestNamesAreEncodedInHeaders(t *testing.T) {
	c := config
	c.AppName = `Ünï "Corp", <x@evil.example>`
	r, err := mail.NewRenderer(catalogue(t), c)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{}
	s.serve(t, nil, false)
	m, err := mail.NewSMTP(secret.New("smtp://127.0.0.1:"+s.port()), nil, r)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Deliver(t.Context(), letter(notice.LoginAlert)); err != nil {
		t.Fatal(err)
	}
	header, _, _ := opened(t, s.taken()[0].data)
	from, err := header.AddressList("From")
	if err != nil || len(from) != 1 || *from[0] != (netmail.Address{Name: c.AppName, Address: "no-reply@example.com"}) {
		t.Errorf("From: %s, %v", header.Get("From"), err)
	}
	for _, line := range headerOf(s.taken()[0].data) {
		for _, b := range line {
			if b < ' ' && b != '\t' || b > '~' {
				t.Errorf("header %q is not printable ASCII", line)
				break
			}
		}
	}
}

// A mail that asks for SMTPUTF8 reaches fewer servers.
func TestSMTPUTF8IsAskedForOnlyWhenNeeded(t *testing.T) {
	s := &server{}
	m := loopback(t, s)
	for to, want := range map[string]bool{"ada@example.com": false, "ädä@example.com": true} {
		n := letter(notice.LoginAlert)
		n.To, _ = email.Parse(to)
		if err := m.Deliver(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		all := s.taken()
		if got := all[len(all)-1]; got.utf8 != want || got.recipients[0] != to {
			t.Errorf("%s: to %s, SMTPUTF8 %v, want %v", to, got.recipients, got.utf8, want)
		}
	}
}

func TestFailuresSayWhetherToTryAgain(t *testing.T) {
	for name, tc := range map[string]struct {
		server *server
		want   outbound.DeliveryError
	}{
		"busy for all":           {&server{onMail: answer(421)}, outbound.DeliveryError{Class: "smtp_421"}},
		"busy for the recipient": {&server{onRcpt: answer(450)}, outbound.DeliveryError{Class: "smtp_450"}},
		"busy for the mail":      {&server{onData: afterData(answer(451))}, outbound.DeliveryError{Class: "smtp_451"}},
		"sender refused":         {&server{onMail: answer(550)}, outbound.DeliveryError{Class: "smtp_550", Permanent: true}},
		"recipient refused":      {&server{onRcpt: answer(550)}, outbound.DeliveryError{Class: "smtp_550", Permanent: true, Rejected: true}},
		"mail refused":           {&server{onData: afterData(answer(554))}, outbound.DeliveryError{Class: "smtp_554", Permanent: true}},
		"drop before DATA":       {&server{onRcpt: func() error { panic("drop") }}, outbound.DeliveryError{Class: "smtp_421"}},
		"drop after DATA":        {&server{onData: hangUp}, outbound.DeliveryError{Class: "network"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := loopback(t, tc.server)
			refused(t, m.Deliver(t.Context(), letter(notice.LoginAlert)), tc.want)
			if got := len(tc.server.taken()); got != 0 {
				t.Errorf("the server has taken %d mails", got)
			}
		})
	}
}

func afterData(fn func() error) func(*smtp.Conn) error {
	return func(*smtp.Conn) error { return fn() }
}

// refused checks an error, and that it repeats nothing the server said.
func refused(t *testing.T, err error, want outbound.DeliveryError) {
	t.Helper()
	got, ok := errors.AsType[*outbound.DeliveryError](err)
	if !ok || *got != want {
		t.Errorf("Deliver = %#v, want %#v", err, want)
	}
	if err != nil && strings.Contains(err.Error(), "Example.com") {
		t.Errorf("the error holds the recipient: %v", err)
	}
}

func TestAServerThatIsNotThereIsTriedAgain(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "smtp://" + l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	m, err := mail.NewSMTP(secret.New(url), nil, renderer(t))
	if err != nil {
		t.Fatal(err)
	}
	refused(t, m.Deliver(t.Context(), letter(notice.LoginAlert)), outbound.DeliveryError{Class: "network"})
	m.DialWith(func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "mail.test", IsNotFound: true}}
	})
	refused(t, m.Deliver(t.Context(), letter(notice.LoginAlert)), outbound.DeliveryError{Class: "dns"})
}

// A server may hang at any step, TLS included, and holds nobody for longer
// than the context lasts.
func TestATarpitIsLeft(t *testing.T) {
	ca := newAuthority(t)
	hang := make(chan struct{})
	stuck := func() error {
		<-hang
		return errors.New("too late")
	}
	tarpits := map[string]*server{
		"at MAIL": {onMail: stuck}, "at RCPT": {onRcpt: stuck}, "at DATA": {onData: afterData(stuck)},
	}
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	mailers := map[string]*mail.SMTP{}
	for _, scheme := range []string{"smtp", "smtps"} { // nobody answers what the system has accepted
		mailers["at the greeting of "+scheme] = sender(t, &server{listener: mute}, scheme+"://127.0.0.1", ca)
	}
	for name, s := range tarpits {
		mailers[name] = loopback(t, s)
	}
	t.Cleanup(func() {
		close(hang)
		_ = mute.Close()
	})
	for name, m := range mailers {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			begun := time.Now()
			refused(t, m.Deliver(ctx, letter(notice.LoginAlert)), outbound.DeliveryError{Class: "timeout"})
			if took := time.Since(begun); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
			ctx, cancel = context.WithCancel(t.Context())
			time.AfterFunc(50*time.Millisecond, cancel)
			refused(t, m.Deliver(ctx, letter(notice.LoginAlert)), outbound.DeliveryError{Class: "canceled"})
		})
	}
}

// Once the server has taken the mail nothing that follows is a reason to send
// it again.
func TestATakenMailIsDeliveredEvenIfTheServerHangsUp(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { _ = c.Close() }()
		answers := map[string]string{"EHLO": "250 x", "MAIL": "250 x", "RCPT": "250 x", "DATA": "354 x", ".": "250 taken"}
		_, _ = io.WriteString(c, "220 x\r\n")
		buffer, rest := make([]byte, 4096), ""
		for {
			n, err := c.Read(buffer)
			if err != nil {
				return
			}
			lines := strings.Split(rest+string(buffer[:n]), "\r\n")
			for _, line := range lines[:len(lines)-1] {
				if a := answers[strings.SplitN(line, " ", 2)[0]]; a != "" {
					_, _ = io.WriteString(c, a+"\r\n")
				}
				if line == "." {
					return // instead of an answer to QUIT
				}
			}
			rest = lines[len(lines)-1]
		}
	}()
	m, err := mail.NewSMTP(secret.New("smtp://"+l.Addr().String()), nil, renderer(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Deliver(t.Context(), letter(notice.LoginAlert)); err != nil {
		t.Errorf("Deliver = %v", err)
	}
	_ = l.Close()
	<-done
}

func TestEncryptionIsWhatTheURLSays(t *testing.T) {
	ca, stranger := newAuthority(t), newAuthority(t)
	offered, foreign, misnamed := ca.config(t, "mail.test"), stranger.config(t, "mail.test"), ca.config(t, "other.test")
	for _, tc := range []struct {
		name     string
		url      string
		config   *tls.Config
		implicit bool
		class    string // "" when it is delivered
	}{
		{"STARTTLS", "smtp://mail.test", offered, false, ""},
		{"STARTTLS is not offered", "smtp://mail.test", nil, false, "protocol"},
		{"STARTTLS by a stranger", "smtp://mail.test", foreign, false, "certificate"},
		{"STARTTLS by another host", "smtp://mail.test", misnamed, false, "certificate"},
		{"TLS", "smtps://mail.test", offered, true, ""},
		{"TLS is not spoken", "smtps://mail.test", nil, false, "tls"},
		{"TLS by a stranger", "smtps://mail.test", foreign, true, "certificate"},
		{"TLS on loopback by a stranger", "smtps://localhost", foreign, true, "certificate"},
		{"loopback", "smtp://localhost", nil, false, ""},
		{"loopback with a certificate of its own", "smtp://[::1]", foreign, false, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &server{}
			s.serve(t, tc.config, tc.implicit)
			err := sender(t, s, tc.url, ca).Deliver(t.Context(), letter(notice.LoginAlert))
			if tc.class != "" {
				refused(t, err, outbound.DeliveryError{Class: tc.class})
				if len(s.taken()) != 0 {
					t.Error("the mail was sent all the same")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := s.taken(); len(got) != 1 || got[0].encrypted != (tc.config != nil) {
				t.Errorf("arrived: %d, encrypted: %v", len(got), got[0].encrypted)
			}
		})
	}
}

// A wrong password is ours to mend and says nothing about the mail.
func TestSigningInAtTheServer(t *testing.T) {
	ca := newAuthority(t)
	for _, tc := range []struct {
		name, url, class string
		implicit         bool
	}{
		{"STARTTLS", "smtp://me%40x:p%2Fw@mail.test", "", false},
		{"TLS", "smtps://me%40x:p%2Fw@mail.test", "", true},
		{"wrong password", "smtp://me%40x:no@mail.test", "smtp_535", false},
		{"none given", "smtps://mail.test", "smtp_502", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &server{password: "p/w"}
			s.serve(t, ca.config(t, "mail.test"), tc.implicit)
			err := sender(t, s, tc.url, ca).Deliver(t.Context(), letter(notice.LoginAlert))
			if tc.class != "" {
				refused(t, err, outbound.DeliveryError{Class: tc.class, Permanent: tc.name == "none given"})
				return
			}
			if got := s.taken(); err != nil || len(got) != 1 || got[0].user != "me@x" || !got[0].encrypted {
				t.Errorf("Deliver = %v, arrived: %+v", err, got)
			}
		})
	}
}

// Nothing is told to a server that anybody could be.
func TestNoPasswordIsSentUnencrypted(t *testing.T) {
	s := &server{password: "hunter2"}
	s.serve(t, nil, false)
	err := sender(t, s, "smtp://me:hunter2@mail.test", authority{}).Deliver(t.Context(), letter(notice.LoginAlert))
	refused(t, err, outbound.DeliveryError{Class: "protocol"})
}

func TestMailURLsNobodyCanUseAreRefusedWithoutBeingQuoted(t *testing.T) {
	for _, url := range []string{
		"", "hunter2", "http://me:hunter2@mail.test", "smtp:me:hunter2@mail.test", "smtp://me:hunter2@", "smtp://me@mail.test?hunter2",
		"smtp://:hunter2@mail.test", "smtp://me:hunter2@mail.test/x", "smtp://me:hunter2@mail.test?x=y", "smtp://me:hunter2@mail.test#x",
		"smtp://me:hunter2@mail.test:0", "smtp://me:hunter2@mail.test:99999", "smtp://me:hunter2%zz@mail.test", "smtp://hunter2@mail.test",
	} {
		_, err := mail.NewSMTP(secret.New(url), nil, renderer(t))
		if err == nil || strings.Contains(fmt.Sprint(err), "hunter2") {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func TestPortsHaveDefaults(t *testing.T) {
	for url, want := range map[string]string{
		"smtp://mail.test": "mail.test:587", "smtps://mail.test": "mail.test:465", "smtps://mail.test:2465/": "mail.test:2465",
		"smtp://[::1]": "[::1]:587",
	} {
		m, err := mail.NewSMTP(secret.New(url), nil, renderer(t))
		if err != nil {
			t.Fatal(err)
		}
		var got string
		m.DialWith(func(_ context.Context, _, address string) (net.Conn, error) {
			got = address
			return nil, io.EOF
		})
		_ = m.Deliver(t.Context(), letter(notice.LoginAlert))
		if got != want {
			t.Errorf("%s dials %s, want %s", url, got, want)
		}
	}
}
