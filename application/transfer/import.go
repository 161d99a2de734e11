package transfer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gatehouse/domain/email"
	"gatehouse/domain/factor"
	"gatehouse/domain/fault"
	"gatehouse/domain/group"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/recovery"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var _ inbound.UseCase[inbound.ImportUsers, inbound.Imported] = (*Importer)(nil)

// ImporterDeps are what an [Importer] works with. All are required.
type ImporterDeps struct {
	Work   outbound.UnitOfWork
	Hashes outbound.HashChecker
	Now    func() time.Time
	NewID  func() string
}

// Importer answers [inbound.ImportUsers].
type Importer struct{ d ImporterDeps }

// NewImporter returns an Importer.
func NewImporter(d ImporterDeps) *Importer { return &Importer{d} }

// newcomer is a user who may be created, and what is stored with them.
type newcomer struct {
	index int
	named bool // has an id of their own
	user  *principal.Principal
	app   *factor.App
	codes recovery.Set
}

// rounds bounds how often somebody may be faster with an address.
const rounds = 3

var errOvertaken = errors.New("somebody took an address or an id, every time until we came")

// Do implements [inbound.UseCase]. Rules come first, then what is there already;
// what is left is created in one transaction.
func (i *Importer) Do(ctx context.Context, cmd inbound.ImportUsers) (inbound.Imported, error) {
	now := i.d.Now()
	var valid []newcomer
	var broken []inbound.Refused
	for n, u := range cmd.Users {
		c, f := i.read(u, now)
		if f != nil {
			broken = append(broken, inbound.Refused{Index: n, Why: f})
			continue
		}
		c.index = n
		valid = append(valid, c)
	}
	for range rounds {
		out, err := i.settle(ctx, valid, cmd.DryRun)
		if errors.Is(err, outbound.ErrTaken) || errors.Is(err, outbound.ErrNotFound) { // or a group has gone
			continue
		}
		out.Refused = append(out.Refused, broken...)
		slices.SortFunc(out.Refused, func(a, b inbound.Refused) int { return a.Index - b.Index })
		return out, err
	}
	return inbound.Imported{}, errOvertaken
}

func (i *Importer) settle(ctx context.Context, valid []newcomer, dry bool) (out inbound.Imported, err error) {
	var fresh []newcomer
	err = i.d.Work.View(ctx, func(ctx context.Context, s outbound.Stores) error {
		out, fresh = inbound.Imported{}, nil
		b := batch{Stores: s, ids: map[principal.ID]bool{}, owners: map[string]principal.ID{}, groups: map[string]bool{}}
		for _, c := range valid {
			known, f, err := b.judge(ctx, c)
			switch {
			case err != nil:
				return err
			case f != nil:
				out.Refused = append(out.Refused, inbound.Refused{Index: c.index, Why: f})
			case known:
				out.Known++
			default:
				fresh = append(fresh, c)
			}
		}
		return nil
	})
	if err != nil {
		return inbound.Imported{}, err
	}
	out.Created = len(fresh)
	if dry || len(fresh) == 0 {
		return out, nil
	}
	err = i.d.Work.Within(ctx, func(ctx context.Context, s outbound.Stores) error { return create(ctx, s, fresh) })
	if err != nil {
		return inbound.Imported{}, fmt.Errorf("create users: %w", err)
	}
	return out, nil
}

// create holds the groups first, and in order, as those do who join one.
func create(ctx context.Context, s outbound.Stores, all []newcomer) error {
	groups := map[string]bool{}
	for _, c := range all {
		for _, key := range c.user.Groups() {
			groups[key] = true
		}
	}
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		if err := s.Groups.Hold(ctx, key); err != nil {
			return fmt.Errorf("hold group: %w", err)
		}
	}
	for _, c := range all {
		if err := add(ctx, s, c); err != nil {
			return err
		}
	}
	return nil
}

func add(ctx context.Context, s outbound.Stores, c newcomer) error {
	if err := s.Principals.Add(ctx, c.user); err != nil {
		return fmt.Errorf("add user: %w", err)
	}
	if c.app != nil {
		if err := s.Apps.Put(ctx, c.user.ID(), *c.app); err != nil {
			return fmt.Errorf("store authenticator app: %w", err)
		}
	}
	if len(c.codes) > 0 {
		if err := s.RecoveryCodes.Replace(ctx, c.user.ID(), c.codes); err != nil {
			return fmt.Errorf("store recovery codes: %w", err)
		}
	}
	return nil
}

// batch judges users against what is stored, and against those before them.
type batch struct {
	outbound.Stores

	ids    map[principal.ID]bool
	owners map[string]principal.ID // of addresses in normal form
	groups map[string]bool         // which are there, as far as they were asked for
}

func (b batch) judge(ctx context.Context, c newcomer) (known bool, f *fault.Error, err error) {
	id, normal := c.user.ID(), c.user.Email().Normal()
	if c.named {
		if known, err = b.hasID(ctx, id); known || err != nil {
			return known, nil, err
		}
		erased, err := b.Erasures.Has(ctx, id)
		if err != nil {
			return false, nil, fmt.Errorf("look for erasure: %w", err)
		}
		if erased {
			return false, fault.New(fault.UserNotFound), nil
		}
	}
	owned, err := b.hasAddress(ctx, normal)
	switch {
	case err != nil:
		return false, nil, err
	case owned && c.named:
		return false, fault.New(fault.EmailTaken), nil
	case owned:
		return true, nil, nil
	}
	for _, key := range c.user.Groups() {
		there, err := b.hasGroup(ctx, key)
		if err != nil {
			return false, nil, err
		}
		if !there {
			return false, fault.Invalid("groups", fault.RuleEnum), nil
		}
	}
	b.ids[id], b.owners[normal] = true, id
	return false, nil, nil
}

func (b batch) hasID(ctx context.Context, id principal.ID) (bool, error) {
	if b.ids[id] {
		return true, nil
	}
	_, err := b.Principals.ByID(ctx, id)
	return found("look for id", err)
}

func (b batch) hasAddress(ctx context.Context, normal string) (bool, error) {
	if b.owners[normal] != "" {
		return true, nil
	}
	_, err := b.Principals.ByEmail(ctx, normal)
	return found("look for address", err)
}

func (b batch) hasGroup(ctx context.Context, key string) (bool, error) {
	if there, asked := b.groups[key]; asked {
		return there, nil
	}
	_, err := b.Groups.ByKey(ctx, key)
	there, err := found("look for group", err)
	if err == nil {
		b.groups[key] = there
	}
	return there, err
}

func found(what string, err error) (bool, error) {
	switch {
	case errors.Is(err, outbound.ErrNotFound):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("%s: %w", what, err)
	}
	return true, nil
}

// read makes a principal of a user, or names every rule that is broken.
func (i *Importer) read(u inbound.PortableUser, now time.Time) (c newcomer, _ *fault.Error) {
	f := fault.New(fault.InvalidRequest)
	broke := func(field string, rule fault.Rule, ok bool) {
		if !ok {
			f = f.On(field, rule)
		}
	}
	id, isID := principal.ParseID(u.ID)
	if c.named = u.ID != ""; !c.named {
		id, isID = principal.ID(i.d.NewID()), true
	}
	broke("id", fault.RuleUUID, isID)
	address, brokenAddress := email.Parse(u.Email)
	name, brokenName := principal.ParseName(u.Name)
	f = f.On("email", brokenAddress...).On("name", brokenName...)
	created := u.CreatedAt
	if created.IsZero() {
		created = now
	}
	broke("createdAt", fault.RuleRange, created.Year() >= 1970 && !created.After(now))
	groups := slices.Compact(slices.Sorted(slices.Values(u.Groups)))
	broke("groups", fault.RulePattern, !slices.ContainsFunc(groups, func(key string) bool { return !group.ValidKey(key) }))
	broke("passwordHash", fault.RuleRequired, !u.PasswordHash.IsZero() || len(u.Identities) > 0)
	if !u.PasswordHash.IsZero() {
		f = i.checkHash(f, "passwordHash", u.PasswordHash)
	}
	broke("identities", fault.RulePattern, areIdentities(u.Identities))
	factors := i.factors(&f, u)
	if len(f.Broken()) > 0 {
		return c, f
	}
	created = created.UTC().Truncate(time.Microsecond)
	user, err := principal.Restore(principal.Snapshot{
		ID: id, Kind: principal.User, Name: name, Email: address, EmailVerified: u.EmailVerified, Admin: u.Admin, Disabled: u.Disabled,
		Hash: u.PasswordHash, Identities: u.Identities, Groups: groups, Factors: factors, CreatedAt: created, LastActive: created,
	})
	if err != nil {
		return c, fault.New(fault.InvalidUserDocument).Because(err)
	}
	c.user, c.codes = user, u.RecoveryCodes
	if factors.TOTP {
		secret, _ := factor.ParseSecret(u.TOTPSecret)
		c.app = &factor.App{Secret: secret, LastStep: 0}
	}
	return c, nil
}

func (i *Importer) checkHash(f *fault.Error, field string, h password.Hash) *fault.Error {
	switch err := i.d.Hashes.Check(h); {
	case errors.Is(err, outbound.ErrHashTooCostly):
		return f.On(field, fault.RuleRange)
	case err != nil:
		return f.On(field, fault.RulePattern)
	}
	return f
}

func areIdentities(all []principal.Identity) bool {
	seen := map[string]bool{}
	for _, i := range all {
		if i.Provider == "" || i.Provider == principal.PasswordProvider || i.Subject == "" || len(i.Provider) > 64 || len(i.Subject) > 255 || seen[i.Provider] {
			return false
		}
		seen[i.Provider] = true
	}
	return true
}

// mostCodes is more recovery codes than anybody has.
const mostCodes = 32

// factors returns what is on. An authenticator app needs its secret, mailed
// codes a verified address, and both a password, without which nobody could
// answer with them (contract §7.4); a passkey belongs to the installation it was
// made in.
func (i *Importer) factors(f **fault.Error, u inbound.PortableUser) (set factor.Set) {
	broke := func(field string, rule fault.Rule, ok bool) {
		if !ok {
			*f = (*f).On(field, rule)
		}
	}
	methods := u.Factors
	if !u.TOTPSecret.Missing() && !slices.Contains(methods, factor.TOTP) {
		methods = append(slices.Clone(methods), factor.TOTP)
	}
	for _, m := range methods {
		if m != factor.TOTP && m != factor.Email {
			broke("twoFactorMethods", fault.RuleEnum, false)
			return factor.Set{}
		}
		set = set.With(m)
	}
	if u.Preferred != "" {
		broke("preferredTwoFactorMethod", fault.RuleEnum, set.Has(u.Preferred))
		set.Preferred = u.Preferred
	}
	if set.TOTP {
		_, isSecret := factor.ParseSecret(u.TOTPSecret)
		broke("totpSecret", fault.RuleRequired, !u.TOTPSecret.Missing())
		broke("totpSecret", fault.RulePattern, u.TOTPSecret.Missing() || isSecret)
	}
	broke("passwordHash", fault.RuleRequired, !set.Any() || !u.PasswordHash.IsZero() || len(u.Identities) == 0)
	broke("emailVerified", fault.RuleRequired, !set.Email || u.EmailVerified)
	broke("recoveryCodeHashes", fault.RuleMaxLength, len(u.RecoveryCodes) <= mostCodes)
	broke("recoveryCodeHashes", fault.RulePattern, len(u.RecoveryCodes) == 0 || set.TOTP && shareSalt(u.RecoveryCodes))
	for _, h := range u.RecoveryCodes {
		if before := len((*f).Broken()); before == 0 {
			*f = i.checkHash(*f, "recoveryCodeHashes", h)
		}
	}
	return set
}

// shareSalt says whether these are hashes of ours that differ in their output
// alone, as those of one set do.
func shareSalt(all []password.Hash) bool {
	upToOutput := func(h password.Hash) string {
		s := h.Encoded()
		return s[:strings.LastIndexByte(s, '$')+1]
	}
	first := upToOutput(all[0])
	return strings.HasPrefix(first, "$argon2id$") &&
		!slices.ContainsFunc(all, func(h password.Hash) bool { return upToOutput(h) != first })
}
