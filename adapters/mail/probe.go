package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"
)

// Welcome is what a server offers to somebody who has no mail for it.
type Welcome struct {
	Server     string    // host and port
	TLS        string    // its version, "" when the line is not encrypted
	Until      time.Time // end of the server's certificate
	Unverified bool      // its certificate was not looked at, see [NewSMTP]
	Known      bool      // user and password were taken
}

// Probe reaches the server as Deliver does, with encryption and credentials, and
// hangs up where a mail would begin. An error says what failed, and nothing that
// the server said.
func (s *SMTP) Probe(ctx context.Context) (Welcome, error) {
	w := Welcome{Server: net.JoinHostPort(s.host, strconv.Itoa(s.port))}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var l line
	defer l.close()
	client, err := s.client(Message{}, s.dialer(ctx, &l))
	if err != nil {
		return w, fmt.Errorf("prepare SMTP: %w", err)
	}
	server, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return w, plainly(ctx, err)
	}
	if state, err := server.GetTLSConnectionState(); err == nil {
		w.TLS, w.Until = tls.VersionName(state.Version), state.PeerCertificates[0].NotAfter
	}
	w.Unverified, w.Known = s.security == loopbackOnly && w.TLS != "", s.user != ""
	_ = server.Quit() // we have seen enough
	return w, nil
}

// plainly adds the cause to the class of a failure where it is our own words.
func plainly(ctx context.Context, err error) error {
	class := refusal(ctx, err)
	if ctx.Err() != nil {
		return class
	}
	if cause, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fmt.Errorf("%w: %w", class, cause)
	}
	if cause, ok := errors.AsType[net.Error](err); ok {
		return fmt.Errorf("%w: %w", class, cause)
	}
	return class
}
