package mail_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/adapters/mail"
	"gatehouse/domain/notice"
	"gatehouse/ports/outbound"
	"gatehouse/ports/outbound/outboundtest"
)

func mailbox(t *testing.T, dir string) *mail.Mailbox {
	t.Helper()
	b, err := mail.OpenMailbox(dir, renderer(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func TestMailbox(t *testing.T) {
	outboundtest.Mailer(t, func(t *testing.T) (outbound.Mailer, func() []outboundtest.Mail) {
		b := mailbox(t, t.TempDir())
		return b, func() (all []outboundtest.Mail) {
			for _, s := range messages(t, b) {
				all = append(all, outboundtest.Mail{
					ID: s.ID, Recipients: []string{s.To}, Subject: s.Subject, Text: s.Text, HTML: s.HTML,
				})
			}
			return all
		}
	})
}

func messages(t *testing.T, b *mail.Mailbox) []mail.Stored {
	t.Helper()
	all, err := b.Messages()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func ids(all []mail.Stored) string {
	var s []string
	for _, m := range all {
		s = append(s, m.ID)
	}
	return strings.Join(s, " ")
}

// deliver puts notices into b, each a second younger than the one before.
func deliver(t *testing.T, b *mail.Mailbox, names ...string) {
	t.Helper()
	for i, id := range names {
		n := letter(notice.EmailVerification)
		n.ID, n.CreatedAt = id, n.CreatedAt.Add(time.Duration(i)*time.Second)
		if err := b.Deliver(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
}

func contains(t *testing.T, b *mail.Mailbox, want string) {
	t.Helper()
	if got := ids(messages(t, b)); got != want {
		t.Errorf("the mailbox holds %q, want %q", got, want)
	}
}

func TestTheNewestMailIsFirst(t *testing.T) {
	b := mailbox(t, t.TempDir())
	deliver(t, b, "a", "b", "c")
	deliver(t, b, "z", "a") // as old as a; delivered once more
	contains(t, b, "c b z a")
}

func TestMailsSurviveARestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data", "mailbox")
	b, err := mail.OpenMailbox(dir, renderer(t))
	if err != nil {
		t.Fatal(err)
	}
	deliver(t, b, "a", "b")
	before := messages(t, b)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"x.json": "{", "y.json": `{"id":"a"}`, "draft.tmp": "", "notes.txt": "keep"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b = mailbox(t, dir)
	after := messages(t, b)
	if len(after) != 2 || after[0] != before[0] || after[1] != before[1] {
		t.Errorf("after the restart:\n%+v\nbefore:\n%+v", after, before)
	}
}

func TestMailsAreForTheirOwnerOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mailbox")
	deliver(t, mailbox(t, dir), "a")
	for path, want := range map[string]os.FileMode{dir: 0o700 | os.ModeDir, filepath.Join(dir, "a.json"): 0o600} {
		info, err := os.Stat(path)
		if err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v, want %v", path, info.Mode(), err, want)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Errorf("%d files are there, %v, want nothing but the mail", len(files), err)
	}
}

func TestTheOldestMailsMakeRoom(t *testing.T) {
	dir := t.TempDir()
	b := mailbox(t, dir)
	b.Keep(3)
	deliver(t, b, "a", "b", "c", "d", "e")
	contains(t, b, "e d c")
	if files, err := os.ReadDir(dir); err != nil || len(files) != 3 {
		t.Errorf("%d files are left, %v", len(files), err)
	}
}

func TestTwoProcessesShareAMailbox(t *testing.T) {
	dir := t.TempDir()
	one, two := mailbox(t, dir), mailbox(t, dir)
	deliver(t, one, "a")
	contains(t, two, "a")
	deliver(t, two, "a", "b")
	contains(t, one, "b a")
	if err := two.Clear(); err != nil {
		t.Fatal(err)
	}
	contains(t, one, "")
}

func TestAnIDIsNeverAPath(t *testing.T) {
	dir := t.TempDir()
	b := mailbox(t, filepath.Join(dir, "mailbox"))
	for _, id := range []string{"", "../a", "a/b", `a\b`, ".", "a\x00b", strings.Repeat("a", 300)} {
		n := letter(notice.LoginAlert)
		n.ID = id
		if err := b.Deliver(t.Context(), n); err == nil {
			t.Errorf("%q was stored", id)
		}
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("there are %d files, %v", len(files), err)
	}
}

func TestADirectoryThatIsGoneIsTriedAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mailbox")
	b := mailbox(t, dir)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	refused(t, b.Deliver(t.Context(), letter(notice.LoginAlert)), outbound.DeliveryError{Class: "mailbox"})
}

func ask(t *testing.T, h http.Handler, method, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, nil))
	return w
}

func TestTheMailboxAsJSON(t *testing.T) {
	b := mailbox(t, t.TempDir())
	h := b.Handler()
	if w := ask(t, h, "GET", mail.MessagesPath); strings.TrimSpace(w.Body.String()) != "[]" || w.Code != 200 {
		t.Errorf("an empty mailbox: %d %s", w.Code, w.Body)
	}
	deliver(t, b, "a", "b")
	w := ask(t, h, "GET", mail.MessagesPath)
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type %s", got)
	}
	var all []map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &all); err != nil || len(all) != 2 {
		t.Fatalf("%v in %s", err, w.Body)
	}
	m := render(t, letter(notice.EmailVerification))
	want := map[string]any{
		"id": "b", "to": "Ada@Example.com", "subject": m.Subject, "locale": "en", "kind": "email_verification",
		"text": m.Text, "html": m.HTML, "createdAt": "2028-02-29T19:00:00.123456Z",
	}
	if fmt.Sprint(all[0]) != fmt.Sprint(want) {
		t.Errorf("got\n%v\nwant\n%v", all[0], want)
	}
	if w := ask(t, h, "DELETE", mail.MessagesPath); w.Code != 204 || w.Body.Len() != 0 {
		t.Errorf("DELETE: %d %s", w.Code, w.Body)
	}
	contains(t, b, "")
}

func TestTheMailboxAsAPage(t *testing.T) {
	b := mailbox(t, t.TempDir())
	h := b.Handler()
	if w := ask(t, h, "GET", mail.PagePath); w.Code != 200 || !strings.Contains(w.Body.String(), "No mail yet") {
		t.Errorf("an empty mailbox: %d %s", w.Code, w.Body)
	}
	n := letter(notice.EmailVerification)
	n.Name = "<script>alert(1)</script>"
	if err := b.Deliver(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	w := ask(t, h, "GET", mail.PagePath)
	page := w.Body.String()
	for _, want := range []string{
		"to Ada@Example.com", "email_verification", "Confirm your e-mail address for Gatehouse", "2028-02-29 18:59:59",
		`<a href="https://id.example.com/auth/verify-email?token=mYt0k3n-_with%2B%2F%3D%26signs"`,
		`sandbox="allow-popups allow-popups-to-escape-sandbox"`,
		`srcdoc="&lt;!DOCTYPE html&gt;`, "&amp;lt;script&amp;gt;alert(1)", // in the document, and once more in the attribute
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Count(page, "<script") != 1 || strings.Contains(page, "ZgotmplZ") {
		t.Error("the page has more than its one script")
	}
	for name, want := range map[string]string{
		"Content-Security-Policy": mail.Policy, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
		"Referrer-Policy": "no-referrer", "Content-Type": "text/html; charset=utf-8",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestThePageShowsTheNewestOnly(t *testing.T) {
	b := mailbox(t, t.TempDir())
	for i := range 60 {
		n := letter(notice.LoginAlert)
		n.ID = fmt.Sprint("n", i)
		if err := b.Deliver(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	page := ask(t, b.Handler(), "GET", mail.PagePath).Body.String()
	if got := strings.Count(page, "<iframe"); got != 50 || !strings.Contains(page, "10 older ones") || !strings.Contains(page, "60 mails") {
		t.Errorf("the page shows %d mails", got)
	}
}

func TestTheMailboxRefusesOtherMethodsAndPaths(t *testing.T) {
	h := mailbox(t, t.TempDir()).Handler()
	for _, tc := range []struct {
		method, path, allow string
		status              int
	}{
		{"HEAD", mail.PagePath, "", 200},
		{"HEAD", mail.MessagesPath, "", 200},
		{"POST", mail.PagePath, "GET, HEAD", 405},
		{"DELETE", mail.PagePath, "GET, HEAD", 405},
		{"PUT", mail.MessagesPath, "DELETE, GET, HEAD", 405},
		{"GET", mail.PagePath + "/", "", 404},
		{"GET", mail.MessagesPath + "/a", "", 404},
		{"GET", "/", "", 404},
	} {
		w := ask(t, h, tc.method, tc.path)
		if w.Code != tc.status || w.Header().Get("Allow") != tc.allow {
			t.Errorf("%s %s: %d, Allow %q, want %d, %q", tc.method, tc.path, w.Code, w.Header().Get("Allow"), tc.status, tc.allow)
		}
	}
}

func TestAMailboxThatCannotBeReadSaysSo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mailbox")
	b, err := mail.OpenMailbox(dir, renderer(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	for _, ask := range []func() int{
		func() int { return ask(t, b.Handler(), "GET", mail.PagePath).Code },
		func() int { return ask(t, b.Handler(), "GET", mail.MessagesPath).Code },
		func() int { return ask(t, b.Handler(), "DELETE", mail.MessagesPath).Code },
	} {
		if got := ask(); got != 500 {
			t.Errorf("status %d, want 500", got)
		}
	}
	if _, err := mail.OpenMailbox(filepath.Join(dir, "\x00"), renderer(t)); err == nil {
		t.Error("a directory nobody can make was opened")
	}
}
