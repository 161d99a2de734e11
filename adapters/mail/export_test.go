package mail

import (
	"context"
	"net"
)

// DialWith replaces how s reaches its server.
func (s *SMTP) DialWith(dial func(ctx context.Context, network, address string) (net.Conn, error)) {
	s.dial = dial
}

// Keep replaces how many mails b keeps.
func (b *Mailbox) Keep(n int) { b.size = n }

// Policy is the content security policy of the mailbox page.
var Policy = policy
