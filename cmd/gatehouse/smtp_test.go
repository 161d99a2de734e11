package main

import (
	"io"
	"log"
	"net"
	"net/mail"
	"path/filepath"
	"testing"

	"github.com/emersion/go-smtp"
)

// post is a mail server that keeps what it takes.
type post struct {
	taken chan parcel
	// answer, if set, is waited for once a mail was taken, before its sender is
	// told so.
	answer chan struct{}
}

type parcel struct{ to, id string }

// open takes mails at an address until the test ends.
func (p *post) open(t *testing.T, l net.Listener) {
	t.Helper()
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &delivery{post: p}, nil }))
	s.Domain, s.ErrorLog = "localhost", log.New(io.Discard, "", 0)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l)
	}()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
}

// next returns a mail once it was taken.
func (p *post) next(t *testing.T) parcel {
	t.Helper()
	select {
	case m := <-p.taken:
		return m
	case <-t.Context().Done():
		t.Fatal("no mail came")
		return parcel{}
	}
}

type delivery struct {
	post *post
	to   string
}

func (*delivery) Reset()                               {}
func (*delivery) Logout() error                        { return nil }
func (*delivery) Mail(string, *smtp.MailOptions) error { return nil }

func (d *delivery) Rcpt(to string, _ *smtp.RcptOptions) error {
	d.to = to
	return nil
}

func (d *delivery) Data(r io.Reader) error {
	m, err := mail.ReadMessage(r)
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, m.Body); err != nil {
		return err
	}
	d.post.taken <- parcel{d.to, m.Header.Get("Message-Id")}
	if d.post.answer != nil {
		<-d.post.answer
	}
	return nil
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
	back := &post{taken: make(chan parcel, 9)}
	back.open(t, listen(t, address))
	if got := back.next(t); got.to != "ada@example.com" {
		t.Errorf("a mail went to %q", got.to)
	}
}

// F21, Q4: a mail the server took, but of which nobody could write down that it
// did, comes once more, with the same Message-ID, and never again.
func TestAKillAfterTheServerTookAMailCausesOneDuplicateAtMost(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	server := &post{taken: make(chan parcel, 9), answer: make(chan struct{})}
	l := listen(t, "127.0.0.1:0")
	server.open(t, l)
	environ := "GATEHOUSE_MAIL_URL=smtp://" + l.Addr().String()

	c := spawn(t, data, environ)
	c.device().must("POST", "/api/auth/register", credentialsOf("ada@example.com", `,"name":"Ada"`))
	original := server.next(t)
	c.kill() // it waits for the answer
	close(server.answer)

	c = spawn(t, data, environ)
	if again := server.next(t); again != original || original.id == "" {
		t.Errorf("%v came as %v", original, again)
	}
	c.terminate()
	if code := c.exit(); code != 0 {
		t.Fatalf("exit code %d", code)
	}

	c = spawn(t, data, environ)
	c.device().must("POST", "/api/auth/register", credentialsOf("bob@example.com", `,"name":"Bob"`))
	if other := server.next(t); other.to != "bob@example.com" { // what is older leaves first
		t.Errorf("%v came once more", other)
	}
	c.terminate()
	if code := c.exit(); code != 0 || len(server.taken) > 0 {
		t.Errorf("exit code %d, and %d mails too many", code, len(server.taken))
	}
}
