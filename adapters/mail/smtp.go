package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	gomail "github.com/wneessen/go-mail"

	"gatehouse/domain/notice"
	"gatehouse/domain/secret"
	"gatehouse/ports/outbound"
)

var _ outbound.Mailer = (*SMTP)(nil)

// patience is the longest one mail may take, shorter than the lease of its
// notice (faults §8).
const patience = 12 * time.Second

// SMTP hands mails to a mail server, each over a connection of its own. It is
// safe for concurrent use.
type SMTP struct {
	render   *Renderer
	host     string
	port     int
	security security
	roots    *x509.CertPool
	user     string
	password secret.Text
	dial     func(ctx context.Context, network, address string) (net.Conn, error)
}

type security int

const (
	startTLS     security = iota // or nothing is sent
	implicitTLS                  // from the first byte
	loopbackOnly                 // STARTTLS if offered
)

// NewSMTP takes smtp://user:password@host:port or smtps://…: the first asks
// for STARTTLS, which only a loopback host need not offer, the second speaks
// TLS from the start (RFC 8314). Credentials may be left out, and the port,
// which is 587 or 465. roots are the authorities to trust, nil for those of
// the system. An error never holds any of the URL.
func NewSMTP(server secret.Text, roots *x509.CertPool, r *Renderer) (*SMTP, error) {
	u, err := url.Parse(server.Reveal())
	if err != nil {
		return nil, errors.New("mail URL: not a URL; user and password must be percent-encoded")
	}
	s := &SMTP{render: r, host: u.Hostname(), roots: roots, dial: (&net.Dialer{}).DialContext}
	switch u.Scheme {
	case "smtp":
		s.port = 587
		if isLoopback(s.host) {
			s.security = loopbackOnly
		}
	case "smtps":
		s.port, s.security = 465, implicitTLS
	default:
		return nil, errors.New("mail URL: want smtp:// or smtps://")
	}
	if s.host == "" || !plain(u) || (u.Path != "" && u.Path != "/") {
		return nil, errors.New("mail URL: want a host and nothing behind it")
	}
	if p := u.Port(); p != "" {
		if s.port, err = strconv.Atoi(p); err != nil || s.port < 1 || s.port > 65535 {
			return nil, errors.New("mail URL: no such port")
		}
	}
	if u.User == nil {
		return s, nil
	}
	password, ok := u.User.Password()
	if s.user, s.password = u.User.Username(), secret.New(password); s.user == "" || !ok {
		return nil, errors.New("mail URL: want a user with a password, or neither")
	}
	return s, nil
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || (err == nil && ip.Unmap().IsLoopback())
}

// Deliver implements [outbound.Mailer].
func (s *SMTP) Deliver(ctx context.Context, n notice.Notice) error {
	m, err := s.render.Render(n)
	if err != nil {
		return unrenderable(err)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var l line
	defer l.close()
	client, err := s.client(m, s.dialer(ctx, &l))
	if err != nil {
		return fmt.Errorf("prepare SMTP: %w", err)
	}
	msg := compose(m)
	err = client.DialAndSendWithContext(ctx, msg)
	if msg.IsDelivered() { // what goes wrong while saying goodbye is no reason to send it again
		return nil
	}
	return refusal(ctx, err)
}

// dialer reaches the server over l, which ends with ctx.
func (s *SMTP) dialer(ctx context.Context, l *line) gomail.DialContextFunc {
	return func(dialing context.Context, network, _ string) (net.Conn, error) {
		// The client's own address lacks the brackets of IPv6.
		conn, err := s.dial(dialing, network, net.JoinHostPort(s.host, strconv.Itoa(s.port)))
		if err != nil {
			return nil, err
		}
		l.watch(ctx, conn)
		return s.encrypted(dialing, conn)
	}
}

func compose(m Message) *gomail.Msg {
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(&m.From)
	msg.ToMailAddress(&m.To)
	msg.Subject(m.Subject)
	msg.SetMessageIDWithValue(m.MessageID)
	msg.SetDateWithValue(m.CreatedAt)
	for name, value := range m.Headers {
		msg.SetGenHeader(gomail.Header(name), value)
	}
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	return msg
}

// client returns a new client for one mail.
func (s *SMTP) client(m Message, dial gomail.DialContextFunc) (*gomail.Client, error) {
	opts := []gomail.Option{
		gomail.WithPort(s.port),
		gomail.WithHELO(s.render.links.greeting),
		// The context ends every call, see line; the client's own timeout would
		// start again with every step.
		gomail.WithTimeout(2 * patience),
		gomail.WithDialContextFunc(dial),
		gomail.WithTLSConfig(s.tls()),
		gomail.WithTLSPolicy(gomail.TLSMandatory),
		gomail.WithoutNoop(), gomail.WithoutRset(),
	}
	if s.security != startTLS {
		// The client need not ask for STARTTLS on a connection we encrypted. It
		// ignores WithSSL beside a dialer, and would take the connection for plain.
		opts = append(opts, gomail.WithTLSPolicy(gomail.TLSOpportunistic))
	}
	if s.user != "" {
		opts = append(opts, gomail.WithUsername(s.user), gomail.WithPassword(s.password.Reveal()),
			gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin))
	}
	if ascii(m.From) && ascii(m.To) { // else a server behind the next one would have to know SMTPUTF8
		opts = append(opts, gomail.WithoutSMTPUTF8())
	}
	return gomail.NewClient(s.host, opts...)
}

func ascii(a mail.Address) bool {
	for _, r := range a.Address {
		if notASCII(r) {
			return false
		}
	}
	return true
}

func (s *SMTP) encrypted(ctx context.Context, conn net.Conn) (net.Conn, error) {
	if s.security != implicitTLS {
		return conn, nil
	}
	c := tls.Client(conn, s.tls())
	if err := c.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

func (s *SMTP) tls() *tls.Config {
	return &tls.Config{
		ServerName: s.host, RootCAs: s.roots, MinVersion: tls.VersionTLS12,
		// There, the mail would go unencrypted otherwise, and the certificate is
		// one that the distribution made up.
		InsecureSkipVerify: s.security == loopbackOnly, //nolint:gosec // never beyond loopback
	}
}

// line is the connection of one delivery. The client heeds a context only
// while it dials, and leaves the connection open when the server refuses us
// before the mail; line closes it in both cases.
type line struct {
	conn    net.Conn
	unwatch func() bool
}

func (l *line) watch(ctx context.Context, conn net.Conn) {
	l.conn, l.unwatch = conn, context.AfterFunc(ctx, func() { _ = conn.Close() })
}

func (l *line) close() {
	if l.conn != nil {
		l.unwatch()
		_ = l.conn.Close() // closed already, as a rule
	}
}
