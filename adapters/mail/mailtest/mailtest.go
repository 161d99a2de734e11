// Package mailtest gives tests a mail server, which takes what it is sent or
// does to it what a test wants.
package mailtest

import (
	"io"
	"log"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"slices"
	"sync"

	"github.com/emersion/go-smtp"
)

// Mail is one that came completely over the wire.
type Mail struct {
	ID      string // Message-ID
	To      string
	Subject string
	Text    string // the part without markup
}

// Server takes mails. It is safe for concurrent use.
type Server struct {
	mu    sync.Mutex
	rcpt  func(to string) error
	data  func(Mail) error
	seen  []Mail
	taken []Mail
	news  chan struct{} // closed when there is more in seen or taken
}

// Start takes mails at l until stop is called.
func Start(l net.Listener) (s *Server, stop func()) {
	s = &Server{news: make(chan struct{})}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{server: s}, nil }))
	server.Domain, server.EnableSMTPUTF8, server.ErrorLog = "localhost", true, log.New(io.Discard, "", 0)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l)
	}()
	return s, func() {
		// A server closed before it began to serve knows of no listener to close.
		_, _ = server.Close(), l.Close()
		<-done
	}
}

// Judge sets what is asked about each recipient, and about each mail that has
// come; an error refuses it. Either may be nil.
func (s *Server) Judge(rcpt func(to string) error, data func(Mail) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rcpt, s.data = rcpt, data
}

// Seen returns all mails that came, in order, whatever became of them.
func (s *Server) Seen() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

// Taken returns the mails of which the sender was told that they were taken.
func (s *Server) Taken() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.taken)
}

// News returns what is closed when another mail has come or has been taken.
// Ask for it before you look.
func (s *Server) News() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.news
}

func (s *Server) keep(in *[]Mail, m Mail) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*in = append(*in, m)
	close(s.news)
	s.news = make(chan struct{})
}

func (s *Server) judges() (rcpt func(string) error, data func(Mail) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rcpt, s.data
}

type session struct {
	server *Server
	to     string
}

func (*session) Reset()                               {}
func (*session) Logout() error                        { return nil }
func (*session) Mail(string, *smtp.MailOptions) error { return nil }

func (n *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	n.to = to
	if judge, _ := n.server.judges(); judge != nil {
		return judge(to)
	}
	return nil
}

func (n *session) Data(r io.Reader) error {
	m, err := read(r)
	if err != nil {
		return err
	}
	m.To = n.to
	n.server.keep(&n.server.seen, m)
	if _, judge := n.server.judges(); judge != nil {
		if err := judge(m); err != nil {
			return err
		}
	}
	n.server.keep(&n.server.taken, m)
	return nil
}

func read(r io.Reader) (Mail, error) {
	raw, err := mail.ReadMessage(r)
	if err != nil {
		return Mail{}, err
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(raw.Header.Get("Subject"))
	if err != nil {
		return Mail{}, err
	}
	_, params, err := mime.ParseMediaType(raw.Header.Get("Content-Type"))
	if err != nil {
		return Mail{}, err
	}
	part, err := multipart.NewReader(raw.Body, params["boundary"]).NextRawPart()
	if err != nil {
		return Mail{}, err
	}
	text, err := io.ReadAll(quotedprintable.NewReader(part))
	if err != nil {
		return Mail{}, err
	}
	if _, err := io.Copy(io.Discard, raw.Body); err != nil {
		return Mail{}, err
	}
	return Mail{ID: raw.Header.Get("Message-Id"), Subject: subject, Text: string(text)}, nil
}
