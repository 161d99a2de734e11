package mail_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// received is what the server has taken, as it came over the wire.
type received struct {
	greeting   string
	encrypted  bool
	user       string
	from       string
	recipients []string
	utf8       bool
	data       []byte
}

// server is a mail server that fails as told.
type server struct {
	*smtp.Server
	listener net.Listener

	mu    sync.Mutex
	mails []received
	calls int // connections that came as far as EHLO

	onMail, onRcpt func() error
	onData         func(c *smtp.Conn) error // after the mail was read
	password       string                   // asked for unless empty
}

// serve starts s. It ends with the test.
func (s *server) serve(t *testing.T, config *tls.Config, implicit bool) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Server = smtp.NewServer(smtp.BackendFunc(s.session))
	s.Domain, s.AllowInsecureAuth, s.EnableSMTPUTF8 = "localhost", true, true
	s.ErrorLog = log.New(io.Discard, "", 0)
	s.MaxMessageBytes, s.MaxRecipients = 1<<20, 10
	if s.listener = l; implicit {
		s.listener = tls.NewListener(l, config)
	} else {
		s.TLSConfig = config
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(s.listener)
	}()
	t.Cleanup(func() {
		// A server closed before it began to serve knows of no listener to close.
		_, _ = s.Close(), l.Close()
		<-done
	})
}

func (s *server) port() string {
	_, port, _ := net.SplitHostPort(s.listener.Addr().String())
	return port
}

// dial takes every address for the server's.
func (s *server) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, network, s.listener.Addr().String())
}

func (s *server) taken() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]received(nil), s.mails...)
}

func (s *server) session(c *smtp.Conn) (smtp.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	return &session{s: s, c: c}, nil
}

type session struct {
	s    *server
	c    *smtp.Conn
	user string
	mail received
}

func (n *session) Reset()        { n.mail = received{} }
func (n *session) Logout() error { return nil }

func (n *session) Mail(from string, o *smtp.MailOptions) error {
	if n.s.password != "" && n.user == "" {
		return smtp.ErrAuthRequired
	}
	_, encrypted := n.c.TLSConnectionState()
	n.mail = received{greeting: n.c.Hostname(), encrypted: encrypted, user: n.user, from: from, utf8: o.UTF8}
	return call(n.s.onMail)
}

func (n *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	n.mail.recipients = append(n.mail.recipients, to)
	return call(n.s.onRcpt)
}

func call(fn func() error) error {
	if fn == nil {
		return nil
	}
	return fn()
}

func (n *session) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	n.mail.data = data
	if n.s.onData != nil {
		if err := n.s.onData(n.c); err != nil {
			return err
		}
	}
	n.s.mu.Lock()
	defer n.s.mu.Unlock()
	n.s.mails = append(n.s.mails, n.mail)
	return nil
}

func (n *session) AuthMechanisms() []string {
	if n.s.password == "" {
		return nil
	}
	return []string{sasl.Plain}
}

func (n *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if password != n.s.password {
			return smtp.ErrAuthFailed
		}
		n.user = user
		return nil
	}), nil
}

// answer makes a step of the server fail.
func answer(code int) func() error {
	return func() error {
		return &smtp.SMTPError{Code: code, EnhancedCode: smtp.NoEnhancedCode, Message: "no, <Ada@Example.com>, no"}
	}
}

// authority is a certificate authority made for one test.
type authority struct {
	pool *x509.CertPool
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return authority{pool, cert, key}
}

// config returns the TLS side of a server called host.
func (a authority) config(t *testing.T, host string) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{host}, NotBefore: a.cert.NotBefore, NotAfter: a.cert.NotAfter,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// hangUp drops the connection without another word.
func hangUp(c *smtp.Conn) error {
	_ = c.Conn().Close()
	return errors.New("gone")
}

var crlf = []byte("\r\n")

// headerOf returns the header fields of a mail as lines, unfolded.
func headerOf(data []byte) [][]byte {
	head, _, _ := bytes.Cut(data, []byte("\r\n\r\n"))
	return bytes.Split(bytes.ReplaceAll(head, []byte("\r\n "), []byte(" ")), crlf)
}
