package main

import (
	"net"
	"path/filepath"
	"testing"

	"gatehouse/adapters/mail/mailtest"
)

// post takes mails at an address until the test ends.
func post(t *testing.T, l net.Listener) *mailtest.Server {
	t.Helper()
	s, stop := mailtest.Start(l)
	t.Cleanup(stop)
	return s
}

// came returns the first n mails, once there are as many.
func came(t *testing.T, s *mailtest.Server, n int) []mailtest.Mail {
	t.Helper()
	for {
		news := s.News()
		if all := s.Seen(); len(all) >= n {
			return all[:n]
		}
		select {
		case <-news:
		case <-t.Context().Done():
			t.Fatalf("%d mails came, not %d", len(s.Seen()), n)
		}
	}
}

func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
	must(t, err)
	return l
}

// F24, Q6: nobody notices that the mail server is away, and what was owed
// leaves when it is back.
func TestMailWaitsForAServerThatIsDown(t *testing.T) {
	l := listen(t, "127.0.0.1:0")
	address := l.Addr().String()
	must(t, l.Close())
	p := start(t, "GATEHOUSE_MAIL_URL=smtp://"+address)
	p.must("POST", p.public+"/api/auth/register", credentialsOf("ada@example.com", `,"name":"Ada"`), 200)
	<-p.log.says("mail not delivered, will try again")
	p.must("POST", p.public+"/api/auth/login", credentialsOf("ada@example.com", ""), 200)
	back := post(t, listen(t, address))
	if got := came(t, back, 1)[0]; got.To != "ada@example.com" {
		t.Errorf("a mail went to %q", got.To)
	}
}

// F21, Q4: a mail the server took, but of which nobody could write down that it
// did, comes once more, with the same Message-ID, and never again.
func TestAKillAfterTheServerTookAMailCausesOneDuplicateAtMost(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	l := listen(t, "127.0.0.1:0")
	server, answer := post(t, l), make(chan struct{})
	server.Judge(nil, func(mailtest.Mail) error { <-answer; return nil })
	environ := "GATEHOUSE_MAIL_URL=smtp://" + l.Addr().String()

	c := spawn(t, data, environ)
	c.device().must("POST", "/api/auth/register", credentialsOf("ada@example.com", `,"name":"Ada"`))
	original := came(t, server, 1)[0]
	c.kill() // it waits for the answer
	close(answer)

	c = spawn(t, data, environ)
	if again := came(t, server, 2)[1]; again != original || original.ID == "" {
		t.Errorf("%v came as %v", original, again)
	}
	c.terminate()
	if code := c.exit(); code != 0 {
		t.Fatalf("exit code %d", code)
	}

	c = spawn(t, data, environ)
	c.device().must("POST", "/api/auth/register", credentialsOf("bob@example.com", `,"name":"Bob"`))
	if other := came(t, server, 3)[2]; other.To != "bob@example.com" { // what is older leaves first
		t.Errorf("%v came once more", other)
	}
	c.terminate()
	if code := c.exit(); code != 0 || len(server.Seen()) > 3 {
		t.Errorf("exit code %d, and %d mails", code, len(server.Seen()))
	}
}
