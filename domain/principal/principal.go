// Package principal holds who can have a session: users, who own an account,
// and guests, who only have a name.
package principal

import (
	"errors"
	"slices"
	"time"

	"gatehouse/domain/avatar"
	"gatehouse/domain/email"
	"gatehouse/domain/factor"
	"gatehouse/domain/fault"
	"gatehouse/domain/password"
)

// ID identifies a principal (UUIDv7).
type ID string

// Kind tells users from guests.
type Kind string

// The kinds.
const (
	User  Kind = "user"
	Guest Kind = "guest"
)

// Role is what an access token says about its principal (contract §1.1).
type Role string

// The roles.
const (
	RoleUser  Role = "USER"
	RoleAdmin Role = "ADMIN"
	RoleGuest Role = "GUEST"
)

// PasswordProvider is the name of the password among a user's identities.
const PasswordProvider = "password"

// Identity is an account at a provider, by which its owner can sign in. It is
// provider plus subject, never the address.
type Identity struct{ Provider, Subject string }

// Principal is a user or a guest. Change it through its methods, which keep it
// valid.
type Principal struct{ s Snapshot }

// Snapshot is the full state of a principal: what stores save and restore.
type Snapshot struct {
	ID            ID
	Kind          Kind
	Name          string
	Email         email.Address // zero for guests
	EmailVerified bool
	Admin         bool
	Disabled      bool
	Hash          password.Hash // empty when there is no password identity
	Identities    []Identity
	Factors       factor.Set // second factors that are on
	Groups        []string   // keys, in alphabetical order
	Avatar        avatar.Avatar
	CredVersion   int // raised by every change of a way to sign in
	TokenGen      int // access tokens of another generation are stale
	CreatedAt     time.Time
	LastActive    time.Time // last sign-in or refresh
	Version       int       // of the stored row; stores raise it on every save
}

// ErrInvalid is what [Restore] answers to a state that no principal can have.
var ErrInvalid = errors.New("not a valid principal")

// Restore rebuilds a principal that was saved earlier, and refuses with
// [ErrInvalid] what cannot have been one.
func Restore(s Snapshot) (*Principal, error) {
	_, broken := ParseName(s.Name)
	ok := s.ID != "" && len(broken) == 0 && s.Factors.Valid()
	switch s.Kind {
	case User:
		ok = ok && !s.Email.IsZero() && (!s.Hash.IsZero() || len(s.Identities) > 0)
	case Guest:
		ok = ok && s.Email.IsZero() && s.Hash.IsZero() && len(s.Identities) == 0 &&
			len(s.Groups) == 0 && s.Avatar.IsZero() && !s.Factors.Any() && !s.Admin && !s.EmailVerified && !s.Disabled
	default:
		ok = false
	}
	if !ok || s.Avatar.Check() != nil {
		return nil, ErrInvalid
	}
	return &Principal{s}, nil
}

// NewUser returns a user who signs in with a password and whose address is
// not verified yet.
func NewUser(id ID, name string, address email.Address, hash password.Hash, now time.Time) *Principal {
	return &Principal{Snapshot{
		ID: id, Kind: User, Name: name, Email: address, Hash: hash, CreatedAt: now, LastActive: now,
	}}
}

// NewGuest returns a guest.
func NewGuest(id ID, name string, now time.Time) *Principal {
	return &Principal{Snapshot{ID: id, Kind: Guest, Name: name, CreatedAt: now, LastActive: now}}
}

// Snapshot returns the state; its slices are the caller's own.
func (p *Principal) Snapshot() Snapshot {
	s := p.s
	s.Identities, s.Groups = slices.Clone(s.Identities), slices.Clone(s.Groups)
	return s
}

func (p *Principal) ID() ID                      { return p.s.ID }
func (p *Principal) Name() string                { return p.s.Name }
func (p *Principal) Email() email.Address        { return p.s.Email }
func (p *Principal) EmailVerified() bool         { return p.s.EmailVerified }
func (p *Principal) PasswordHash() password.Hash { return p.s.Hash }
func (p *Principal) IsGuest() bool               { return p.s.Kind == Guest }
func (p *Principal) IsAdmin() bool               { return p.s.Admin }
func (p *Principal) IsDisabled() bool            { return p.s.Disabled }
func (p *Principal) CredVersion() int            { return p.s.CredVersion }
func (p *Principal) TokenGen() int               { return p.s.TokenGen }
func (p *Principal) Avatar() avatar.Avatar       { return p.s.Avatar }
func (p *Principal) CreatedAt() time.Time        { return p.s.CreatedAt }
func (p *Principal) LastActive() time.Time       { return p.s.LastActive }

// HasPassword reports whether a password is among the ways to sign in.
func (p *Principal) HasPassword() bool { return !p.s.Hash.IsZero() }

// Groups returns the keys of the groups, in alphabetical order.
func (p *Principal) Groups() []string { return slices.Sorted(slices.Values(p.s.Groups)) }

// Roles returns [USER], [USER ADMIN] or [GUEST].
func (p *Principal) Roles() []Role {
	switch {
	case p.IsGuest():
		return []Role{RoleGuest}
	case p.s.Admin:
		return []Role{RoleUser, RoleAdmin}
	}
	return []Role{RoleUser}
}

// IdentityProviders returns the provider ids in alphabetical order, then
// "password" if there is one.
func (p *Principal) IdentityProviders() []string {
	names := make([]string, 0, len(p.s.Identities)+1)
	for _, i := range p.s.Identities {
		names = append(names, i.Provider)
	}
	slices.Sort(names)
	if p.HasPassword() {
		names = append(names, PasswordProvider)
	}
	return names
}

// Factors returns which second factors are on.
func (p *Principal) Factors() factor.Set { return p.s.Factors }

// PasswordSubject is what password rules need to know about the account.
func (p *Principal) PasswordSubject() password.Subject {
	return password.Subject{Name: p.s.Name, LocalPart: p.s.Email.LocalPart(), SecondFactor: p.s.Factors.Any()}
}

// RequireUser refuses guests with USER_NOT_FOUND, as if they did not exist.
func (p *Principal) RequireUser() error {
	if p.IsGuest() {
		return fault.New(fault.UserNotFound)
	}
	return nil
}

// Rename takes a name that [ParseName] accepted.
func (p *Principal) Rename(name string) { p.s.Name = name }

// SetAvatar takes an avatar, the zero one for none.
func (p *Principal) SetAvatar(a avatar.Avatar) { p.s.Avatar = a }

// ChangePassword replaces the hash. Whoever verified the old one is overtaken.
func (p *Principal) ChangePassword(h password.Hash) {
	p.s.Hash = h
	p.s.CredVersion++
}

// RenewHash takes the hash of the same password under newer parameters, which
// changes no way to sign in.
func (p *Principal) RenewHash(h password.Hash) { p.s.Hash = h }

// ResetPassword replaces the hash, or adds the first one, for who got a mail
// at the address of the account, which that verifies. Whoever verified the old
// password is overtaken.
func (p *Principal) ResetPassword(h password.Hash) {
	p.ChangePassword(h)
	p.s.EmailVerified = true
}

// VerifyEmail notes that address, which the caller proved to own, is the
// principal's. If it is another one than before it returns true, and whoever
// verified a password for the old one is overtaken.
func (p *Principal) VerifyEmail(address email.Address) (moved bool) {
	if moved = p.s.Email.Normal() != address.Normal(); moved {
		p.s.CredVersion++
	}
	p.s.Email = address
	p.s.EmailVerified = true
	return moved
}

// ChangeEmail takes an address that nobody has proven to own. Whoever verified
// a password for the old one is overtaken.
func (p *Principal) ChangeEmail(address email.Address) {
	p.s.Email = address
	p.s.EmailVerified = false
	p.s.CredVersion++
}

// BecomeUser makes a guest a user, with an address that nobody has proven to
// own. Access tokens issued so far go stale.
func (p *Principal) BecomeUser(address email.Address, h password.Hash) {
	p.s.Kind, p.s.Email, p.s.Hash = User, address, h
	p.s.CredVersion++
	p.s.TokenGen++
}

// EnableFactor switches a second factor on, as [factor.Set.With] says. Whoever
// has proven something before is overtaken. It returns false, and changes
// nothing, if it was on.
func (p *Principal) EnableFactor(m factor.Method) (changed bool) {
	return p.setFactors(p.s.Factors.With(m), !p.s.Factors.Has(m))
}

// DisableFactor switches a second factor off, with the effect of
// [Principal.EnableFactor].
func (p *Principal) DisableFactor(m factor.Method) (changed bool) {
	return p.setFactors(p.s.Factors.Without(m), p.s.Factors.Has(m))
}

func (p *Principal) setFactors(s factor.Set, changed bool) bool {
	if changed {
		p.s.Factors = s
		p.s.CredVersion++
	}
	return changed
}

// PreferFactor takes a second factor as the preferred one, which changes no way
// to sign in. It refuses with 2FA_DISABLED unless that is on.
func (p *Principal) PreferFactor(m factor.Method) error {
	if !p.s.Factors.Has(m) {
		return fault.New(fault.TwoFactorDisabled)
	}
	p.s.Factors.Preferred = m
	return nil
}

// MarkActive notes a sign-in or refresh.
func (p *Principal) MarkActive(now time.Time) { p.s.LastActive = now }

// SetAdmin grants or takes the role ADMIN. If that changes anything, access
// tokens issued so far go stale (contract §5.8), and it returns true.
func (p *Principal) SetAdmin(admin bool) (changed bool) {
	if p.s.Admin == admin {
		return false
	}
	p.s.Admin = admin
	p.s.TokenGen++
	return true
}

// Disable shuts the account and makes its access tokens stale. It returns
// false if it was shut already.
func (p *Principal) Disable() (changed bool) {
	if p.s.Disabled {
		return false
	}
	p.s.Disabled = true
	p.s.TokenGen++
	return true
}

// Enable opens the account again; what was revoked stays so. It returns false
// if it was open.
func (p *Principal) Enable() (changed bool) {
	changed = p.s.Disabled
	p.s.Disabled = false
	return changed
}

// Join puts a user into a group. If that changes anything, access tokens issued
// so far go stale (contract §5.8), and it returns true.
func (p *Principal) Join(group string) (changed bool) {
	groups := p.Groups()
	at, there := slices.BinarySearch(groups, group)
	if there {
		return false
	}
	p.s.Groups = slices.Insert(groups, at, group)
	p.s.TokenGen++
	return true
}

// Leave takes a user out of a group, with the effect of [Principal.Join].
func (p *Principal) Leave(group string) (changed bool) {
	i := slices.Index(p.s.Groups, group)
	if i < 0 {
		return false
	}
	p.s.Groups = slices.Delete(slices.Clone(p.s.Groups), i, i+1)
	p.s.TokenGen++
	return true
}
