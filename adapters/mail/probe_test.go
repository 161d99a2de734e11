package mail_test

import (
	"context"
	"net"
	"strings"
	"testing"

	"gatehouse/adapters/mail"
	"gatehouse/domain/secret"
)

func TestAProbeFindsOutAsMuchAsAMailWould(t *testing.T) {
	ca := newAuthority(t)
	for name, tc := range map[string]struct {
		url, certified, password string
		implicit                 bool
		want                     mail.Welcome
		fails                    string
	}{
		"STARTTLS": {url: "smtp://mx.example.com", certified: "mx.example.com", want: mail.Welcome{Server: "mx.example.com:587", TLS: "TLS 1.3"}},
		"TLS": {
			url: "smtps://u:pass@mx.example.com:4465", certified: "mx.example.com", implicit: true, password: "pass",
			want: mail.Welcome{Server: "mx.example.com:4465", TLS: "TLS 1.3", Known: true},
		},
		"loopback":              {url: "smtp://127.0.0.1:25", want: mail.Welcome{Server: "127.0.0.1:25"}},
		"loopback, certified":   {url: "smtp://localhost:25", certified: "snakeoil", want: mail.Welcome{Server: "localhost:25", TLS: "TLS 1.3", Unverified: true}},
		"no STARTTLS":           {url: "smtp://mx.example.com", fails: "protocol"},
		"another's certificate": {url: "smtp://mx.example.com", certified: "other.example.com", fails: "certificate: tls: failed to verify certificate: x509: certificate is valid for other.example.com"},
		"no TLS where expected": {url: "smtps://mx.example.com", certified: "mx.example.com", fails: "tls"},
		"wrong password":        {url: "smtp://u:wrong@mx.example.com", certified: "mx.example.com", password: "pass", fails: "smtp_535"},
		"no way to sign in":     {url: "smtp://u:wrong@mx.example.com", certified: "mx.example.com", fails: "protocol"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &server{password: tc.password}
			if config := ca.config(t, tc.certified); tc.certified == "" {
				s.serve(t, nil, false)
			} else {
				s.serve(t, config, tc.implicit)
			}
			got, err := sender(t, s, tc.url, ca).Probe(t.Context())
			if tc.fails != "" {
				if err == nil || !strings.HasPrefix(err.Error(), "mail not delivered: "+tc.fails) {
					t.Errorf("got %+v, %v, want %s", got, err, tc.fails)
				}
				return
			}
			if tc.want.TLS != "" {
				tc.want.Until = got.Until
			}
			if err != nil || got != tc.want || got.Until.IsZero() != (tc.want.TLS == "") {
				t.Errorf("got %+v, %v, want %+v", got, err, tc.want)
			}
			if len(s.taken()) > 0 {
				t.Error("it sent a mail")
			}
		})
	}
}

func TestAProbeEndsWithItsContextAndWhereNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		conn, err := l.Accept()
		if err == nil {
			t.Cleanup(func() { _ = conn.Close() })
		}
		cancel() // it never says a word
	}()
	m, err := mail.NewSMTP(secret.New("smtp://user:hunter2@"+l.Addr().String()), nil, renderer(t))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := m.Probe(ctx); err == nil || err.Error() != "mail not delivered: canceled" {
		t.Errorf("silence: %+v, %v", got, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := m.Probe(t.Context()); err == nil || !strings.Contains(err.Error(), "network: dial tcp") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("nobody: %+v, %v", got, err)
	}
}
