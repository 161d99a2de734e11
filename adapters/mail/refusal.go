package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"

	gomail "github.com/wneessen/go-mail"

	"gatehouse/ports/outbound"
)

// refusal says what a failed attempt means: of err, which may quote the server
// and the recipient, only a class remains.
//
// Only an answer to the mail itself can be final. Whatever goes wrong before,
// a wrong password of ours included, would lose every mail until somebody
// mends it.
func refusal(ctx context.Context, err error) error {
	sent, answered := errors.AsType[*gomail.SendError](err)
	switch {
	case answered && sent.ErrorCode() >= 500:
		return &outbound.DeliveryError{
			Class:     smtpClass(sent.ErrorCode()),
			Permanent: true,
			Rejected:  sent.Reason == gomail.ErrSMTPRcptTo,
		}
	case answered && sent.ErrorCode() >= 400:
		return temporary(smtpClass(sent.ErrorCode()))
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return temporary("timeout")
	case ctx.Err() != nil:
		return temporary("canceled")
	case answered:
		return temporary("network")
	default:
		return temporary(beforeTheMail(err))
	}
}

func beforeTheMail(err error) string {
	if e, ok := errors.AsType[*textproto.Error](err); ok {
		return smtpClass(e.Code)
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "certificate"
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "dns"
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "tls"
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return "tls"
	}
	if _, ok := errors.AsType[net.Error](err); ok || errors.Is(err, io.EOF) {
		return "network"
	}
	return "protocol" // no STARTTLS, say, or nothing we can sign in with
}

func temporary(class string) error {
	return &outbound.DeliveryError{Class: class, Permanent: false, Rejected: false}
}

func smtpClass(code int) string { return fmt.Sprintf("smtp_%d", code) }

// unrenderable is a notice no mail can be made of, whatever one does. The
// cause stays in the chain: it names keys and templates, no values.
func unrenderable(cause error) error {
	return errors.Join(&outbound.DeliveryError{Class: "unrenderable", Permanent: true, Rejected: false}, cause)
}
