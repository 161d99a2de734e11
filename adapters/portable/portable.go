// Package portable writes and reads users as lines of JSON, encrypted with age
// (age-encryption.org/v1). It owns the names in the lines, and what a line must
// be like to be one; who may be created, and what becomes of them, is not its
// business. docs/moving.md is the format for people.
package portable

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"gatehouse/domain/email"
	"gatehouse/domain/factor"
	"gatehouse/domain/fault"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/ports/inbound"
)

// line is a user. S is what secrets are: they can be printed while they are
// written, and never once they were read.
type line[S any] struct {
	ID            string     `json:"id,omitempty"`
	Email         string     `json:"email"`
	EmailVerified bool       `json:"emailVerified"`
	Name          string     `json:"name"`
	Roles         []string   `json:"roles,omitempty"`
	Groups        []string   `json:"groups,omitempty"`
	Disabled      bool       `json:"disabled"`
	CreatedAt     string     `json:"createdAt,omitempty"`
	PasswordHash  S          `json:"passwordHash,omitempty"`
	Firebase      *firebase  `json:"firebaseScrypt,omitempty"`
	Identities    []identity `json:"identities,omitempty"`

	TwoFactorMethods   []factor.Method `json:"twoFactorMethods,omitempty"`
	PreferredMethod    factor.Method   `json:"preferredTwoFactorMethod,omitempty"`
	TOTPSecret         S               `json:"totpSecret,omitempty"`
	RecoveryCodeHashes []S             `json:"recoveryCodeHashes,omitempty"`
}

type identity struct {
	Provider string `json:"provider"`
	Subject  string `json:"subject"`
}

// firebase is what passwordHash is of, in what Firebase exports: salt with each
// user, the rest for the project.
type firebase struct {
	Salt          secret.Text `json:"salt"`
	SaltSeparator secret.Text `json:"saltSeparator"`
	SignerKey     secret.Text `json:"signerKey"`
	Rounds        int         `json:"rounds"`
	MemoryCost    int         `json:"memoryCost"`
}

// hash is the hash in the form that a hasher reads. Some of what Firebase
// exports is in the base64 of URLs.
func (f firebase) hash(text secret.Text) password.Hash {
	standard := func(t secret.Text) string { return strings.NewReplacer("-", "+", "_", "/").Replace(t.Reveal()) }
	return password.NewHash(fmt.Sprintf("$fbscrypt$v=1,n=%d,r=%d,p=1,ss=%s,sk=%s$%s$%s",
		f.MemoryCost, f.Rounds, standard(f.SaltSeparator), standard(f.SignerKey), standard(f.Salt), standard(text)))
}

// Writer writes users.
type Writer struct{ to *json.Encoder }

// NewWriter returns a Writer.
func NewWriter(to io.Writer) *Writer {
	e := json.NewEncoder(to)
	e.SetEscapeHTML(false)
	return &Writer{e}
}

// Write writes a line. Its errors do not quote it.
func (w *Writer) Write(u inbound.PortableUser) error {
	l := line[string]{
		ID: u.ID, Email: u.Email, EmailVerified: u.EmailVerified, Name: u.Name, Roles: []string{string(principal.RoleUser)},
		Groups: u.Groups, Disabled: u.Disabled, CreatedAt: u.CreatedAt.UTC().Format(time.RFC3339Nano),
		PasswordHash:     u.PasswordHash.Encoded(),
		TwoFactorMethods: u.Factors, PreferredMethod: u.Preferred, TOTPSecret: u.TOTPSecret.Reveal(),
	}
	if u.Admin {
		l.Roles = append(l.Roles, string(principal.RoleAdmin))
	}
	for _, i := range u.Identities {
		l.Identities = append(l.Identities, identity(i))
	}
	for _, h := range u.RecoveryCodes {
		l.RecoveryCodeHashes = append(l.RecoveryCodeHashes, h.Encoded())
	}
	if err := w.to.Encode(l); err != nil {
		return fmt.Errorf("write user: %w", err)
	}
	return nil
}

const (
	longest     = 64 << 10 // bytes of a line
	longestName = 64       // bytes of a name that is not known, to repeat
)

// Reader reads users. Lines that are empty do not count, but have a number.
type Reader struct {
	lines  *bufio.Scanner
	number int
	seen   map[string]bool // ids and addresses in normal form
}

// NewReader returns a Reader.
func NewReader(from io.Reader) *Reader {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, longest)
	return &Reader{lines: lines, seen: map[string]bool{}}
}

// Line is the number of the line that was read last.
func (r *Reader) Line() int { return r.number }

// Next returns the next user, or [io.EOF]. An INVALID_REQUEST names what is
// wrong with a line, or that a line before has its id or address, and reading
// can go on; after any other error it cannot.
func (r *Reader) Next() (inbound.PortableUser, error) {
	for r.lines.Scan() {
		r.number++
		if text := bytes.TrimSpace(r.lines.Bytes()); len(text) > 0 {
			return r.read(text)
		}
	}
	if err := r.lines.Err(); err != nil {
		return inbound.PortableUser{}, fmt.Errorf("line %d: %w", r.number+1, err)
	}
	return inbound.PortableUser{}, io.EOF
}

func (r *Reader) read(text []byte) (u inbound.PortableUser, err error) {
	var l line[secret.Text]
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&l); err != nil {
		return u, because(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return u, fault.Invalid("line", fault.RuleJSON)
	}
	if u, err = userOf(l); err != nil {
		return u, err
	}
	for field, key := range map[string]string{"id": strings.ToLower(u.ID), "email": email.Normal(u.Email)} {
		if key == "" {
			continue
		}
		if r.seen[key] {
			return u, fault.Invalid(field, fault.RuleExclusive)
		}
		r.seen[key] = true
	}
	return u, nil
}

// because names the member that is wrong, and leaves out what the decoder
// quotes.
func because(err error) *fault.Error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
		return fault.Invalid(wrong.Field, fault.RuleType)
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return fault.Invalid(strings.Trim(name[:min(len(name), longestName)], `"`), fault.RuleEnum)
	}
	return fault.Invalid("line", fault.RuleJSON)
}

func (l line[S]) isAdmin() (admin, ok bool) {
	for _, r := range l.Roles {
		switch principal.Role(r) {
		case principal.RoleAdmin:
			admin = true
		case principal.RoleUser:
		case principal.RoleGuest:
			return false, false
		default:
			return false, false
		}
	}
	return admin, true
}

func hashesOf(all []secret.Text) []password.Hash {
	var out []password.Hash
	for _, t := range all {
		out = append(out, password.NewHash(t.Reveal()))
	}
	return out
}

func userOf(l line[secret.Text]) (u inbound.PortableUser, err error) {
	admin, known := l.isAdmin()
	if !known {
		return u, fault.Invalid("roles", fault.RuleEnum)
	}
	u = inbound.PortableUser{
		ID: l.ID, Email: l.Email, Name: l.Name, EmailVerified: l.EmailVerified, Admin: admin, Disabled: l.Disabled, Groups: l.Groups,
		PasswordHash: password.NewHash(l.PasswordHash.Reveal()), TOTPSecret: l.TOTPSecret, RecoveryCodes: hashesOf(l.RecoveryCodeHashes),
		Factors: l.TwoFactorMethods, Preferred: l.PreferredMethod,
	}
	if l.Firebase != nil {
		u.PasswordHash = l.Firebase.hash(l.PasswordHash)
	}
	for _, i := range l.Identities {
		u.Identities = append(u.Identities, principal.Identity(i))
	}
	if l.CreatedAt != "" {
		if u.CreatedAt, err = time.Parse(time.RFC3339Nano, l.CreatedAt); err != nil {
			return u, fault.Invalid("createdAt", fault.RuleInstant)
		}
	}
	return u, nil
}
