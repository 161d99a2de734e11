package mail

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"gatehouse/domain/notice"
	"gatehouse/ports/outbound"
)

var _ outbound.Mailer = (*Mailbox)(nil)

// capacity is how many mails the mailbox keeps.
const capacity = 1000

// Stored is a mail in the mailbox.
type Stored struct {
	ID        string    `json:"id"` // of the notice
	To        string    `json:"to"`
	Subject   string    `json:"subject"`
	Locale    string    `json:"locale"`
	Kind      string    `json:"kind"`
	Text      string    `json:"text"`
	HTML      string    `json:"html"`
	CreatedAt time.Time `json:"createdAt"` // of the notice
}

// MarshalJSON writes instants as the contract does: UTC, with microseconds.
func (s Stored) MarshalJSON() ([]byte, error) {
	type fields Stored
	return json.Marshal(struct {
		fields
		CreatedAt string `json:"createdAt"`
	}{fields(s), s.CreatedAt.UTC().Format("2006-01-02T15:04:05.000000Z")})
}

// Mailbox keeps the newest mails in files instead of sending them, for
// development: whoever can read the files can use the links in them. It
// survives a restart, though not a power failure, and does not keep a notice
// twice that is delivered twice. It is safe for concurrent use.
type Mailbox struct {
	render *Renderer
	dir    *os.Root
	size   int

	mu    sync.Mutex
	mails map[string]kept // by file name; what was read of dir so far
}

// kept is a mail as it is in its file.
type kept struct {
	createdAt time.Time
	id        string
	encoded   json.RawMessage
}

// OpenMailbox uses dir, which it creates with mode 0700, and nothing else.
func OpenMailbox(dir string, r *Renderer) (*Mailbox, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create mailbox: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open mailbox: %w", err)
	}
	b := &Mailbox{render: r, dir: root, size: capacity, mails: map[string]kept{}}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.sync(); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return b, nil
}

// Close gives the directory back. The mails stay.
func (b *Mailbox) Close() error { return b.dir.Close() }

// Deliver implements [outbound.Mailer].
func (b *Mailbox) Deliver(ctx context.Context, n notice.Notice) error {
	m, err := b.render.Render(n)
	if err != nil {
		return unrenderable(err)
	}
	if !fileSafe.MatchString(m.ID) {
		return unrenderable(errors.New("the id of the notice is no file name"))
	}
	if err := ctx.Err(); err != nil {
		return temporary("canceled")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.store(m); err != nil {
		return errors.Join(temporary("mailbox"), err)
	}
	return nil
}

var fileSafe = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)

const suffix = ".json"

func (b *Mailbox) store(m Message) error {
	name := m.ID + suffix
	if _, err := b.dir.Lstat(name); err == nil {
		return nil
	}
	encoded, err := json.Marshal(Stored{
		ID: m.ID, To: m.To.Address, Subject: m.Subject, Locale: m.Locale, Kind: string(m.Kind),
		Text: m.Text, HTML: m.HTML, CreatedAt: m.CreatedAt,
	})
	if err != nil {
		return fmt.Errorf("encode mail: %w", err)
	}
	if err := b.write(name, encoded); err != nil {
		return fmt.Errorf("store mail: %w", err)
	}
	b.mails[name] = kept{m.CreatedAt, m.ID, encoded}
	return b.trim()
}

// write makes a file appear at once and whole.
func (b *Mailbox) write(name string, content []byte) error {
	draft := rand.Text() + ".tmp"
	err := b.dir.WriteFile(draft, content, 0o600)
	if err == nil {
		err = b.dir.Rename(draft, name)
	}
	if err != nil {
		return errors.Join(err, ignoreMissing(b.dir.Remove(draft)))
	}
	return nil
}

// trim removes the oldest mails beyond the size.
func (b *Mailbox) trim() error {
	if len(b.mails) <= b.size {
		return nil
	}
	var errs []error
	for _, k := range b.newest()[b.size:] {
		errs = append(errs, b.remove(k.id+suffix))
	}
	return errors.Join(errs...)
}

func (b *Mailbox) remove(name string) error {
	delete(b.mails, name)
	return ignoreMissing(b.dir.Remove(name))
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// newest lists the mails, newest first, ties by id.
func (b *Mailbox) newest() []kept {
	all := make([]kept, 0, len(b.mails))
	for _, k := range b.mails {
		all = append(all, k)
	}
	slices.SortFunc(all, func(x, y kept) int {
		return cmp.Or(y.createdAt.Compare(x.createdAt), cmp.Compare(y.id, x.id))
	})
	return all
}

// sync reads what other processes have changed in the directory. A file that
// holds no mail is left alone.
func (b *Mailbox) sync() error {
	entries, err := fs.ReadDir(b.dir.FS(), ".")
	if err != nil {
		return fmt.Errorf("read mailbox: %w", err)
	}
	there := map[string]bool{}
	for _, e := range entries {
		name := e.Name()
		if !strings.HasSuffix(name, suffix) || !e.Type().IsRegular() {
			continue
		}
		there[name] = true
		if _, known := b.mails[name]; known {
			continue
		}
		if k, ok := b.read(name); ok {
			b.mails[name] = k
		}
	}
	for name := range b.mails {
		if !there[name] {
			delete(b.mails, name)
		}
	}
	return nil
}

func (b *Mailbox) read(name string) (kept, bool) {
	content, err := b.dir.ReadFile(name)
	if err != nil {
		return kept{}, false
	}
	var s Stored
	if err := json.Unmarshal(content, &s); err != nil || s.ID+suffix != name {
		return kept{}, false
	}
	return kept{s.CreatedAt, s.ID, content}, true
}

// Messages returns what is in the mailbox, newest first.
func (b *Mailbox) Messages() ([]Stored, error) {
	all, err := b.encoded()
	if err != nil {
		return nil, err
	}
	messages := make([]Stored, len(all))
	for i, k := range all {
		if err := json.Unmarshal(k.encoded, &messages[i]); err != nil {
			return nil, fmt.Errorf("decode mail: %w", err)
		}
	}
	return messages, nil
}

func (b *Mailbox) encoded() ([]kept, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.sync(); err != nil {
		return nil, err
	}
	return b.newest(), nil
}

// Clear empties the mailbox.
func (b *Mailbox) Clear() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.sync(); err != nil {
		return err
	}
	var errs []error
	for name := range b.mails {
		errs = append(errs, b.remove(name))
	}
	return errors.Join(errs...)
}
