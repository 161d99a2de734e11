package passwordtest

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"gatehouse/domain/avatar"
	"gatehouse/domain/group"
	"gatehouse/domain/key"
	"gatehouse/domain/notice"
	"gatehouse/domain/onetime"
	"gatehouse/domain/page"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/domain/throttle"
	"gatehouse/ports/outbound"
)

var _ outbound.UnitOfWork = (*Work)(nil)

// Work is a unit of work around another one. It counts, and it breaks.
type Work struct {
	outbound.UnitOfWork

	FailAt int   // the number of the store call that fails, 0 for none
	Err    error // what it fails with
	Twice  bool  // transactions are rolled back and run again, as after a serialization failure

	calls, units, open atomic.Int32
}

// Calls is how many store calls there were.
func (w *Work) Calls() int { return int(w.calls.Load()) }

// Units is how many transactions were begun.
func (w *Work) Units() int { return int(w.units.Load()) }

// Inside reports whether a transaction runs.
func (w *Work) Inside() bool { return w.open.Load() > 0 }

var errAgain = errors.New("run again")

// Within implements [outbound.UnitOfWork].
func (w *Work) Within(ctx context.Context, fn func(context.Context, outbound.Stores) error) error {
	w.units.Add(1)
	w.open.Add(1)
	defer w.open.Add(-1)
	inner := func(ctx context.Context, s outbound.Stores) error { return fn(ctx, w.stores(s)) }
	if w.Twice {
		err := w.UnitOfWork.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
			if err := inner(ctx, s); err != nil {
				return err
			}
			return errAgain
		})
		if !errors.Is(err, errAgain) {
			return err
		}
	}
	return w.UnitOfWork.Within(ctx, inner)
}

// View implements [outbound.UnitOfWork].
func (w *Work) View(ctx context.Context, fn func(context.Context, outbound.Stores) error) error {
	w.open.Add(1)
	defer w.open.Add(-1)
	return w.UnitOfWork.View(ctx, func(ctx context.Context, s outbound.Stores) error { return fn(ctx, w.stores(s)) })
}

// Single implements [outbound.UnitOfWork].
func (w *Work) Single() outbound.Stores { return w.stores(w.UnitOfWork.Single()) }

func (w *Work) call() error {
	if int(w.calls.Add(1)) == w.FailAt {
		return w.Err
	}
	return nil
}

func (w *Work) stores(s outbound.Stores) outbound.Stores {
	return outbound.Stores{
		Principals: principals{s.Principals, w}, Groups: groups{s.Groups, w}, Sessions: sessions{s.Sessions, w}, OneTime: oneTime{s.OneTime, w},
		Outbox: outbox{s.Outbox, w}, Attempts: attempts{s.Attempts, w}, Cooldowns: cooldowns{s.Cooldowns, w},
		Devices: s.Devices, Keys: keys{s.Keys, w}, Rotations: rotations{s.Rotations, w}, Rekeying: rekeying{s.Rekeying, w},
		Restores: restores{s.Restores, w}, Erasures: s.Erasures, Files: files{s.Files, w}, Entry: entry{s.Entry, w},
		Apps: apps{s.Apps, w}, Setups: setups{s.Setups, w}, RecoveryCodes: recoveryCodes{s.RecoveryCodes, w}, MailedCodes: mailedCodes{s.MailedCodes, w},
	}
}

type files struct {
	outbound.Files
	w *Work
}

func (f files) ByKey(ctx context.Context, key string) (found avatar.File, err error) {
	if err := f.w.call(); err != nil {
		return found, err
	}
	return f.Files.ByKey(ctx, key)
}

func (f files) Stage(ctx context.Context, until time.Time, all ...avatar.File) error {
	if err := f.w.call(); err != nil {
		return err
	}
	return f.Files.Stage(ctx, until, all...)
}

type principals struct {
	outbound.Principals
	w *Work
}

func (p principals) ByID(ctx context.Context, id principal.ID) (*principal.Principal, error) {
	if err := p.w.call(); err != nil {
		return nil, err
	}
	return p.Principals.ByID(ctx, id)
}

func (p principals) ByEmail(ctx context.Context, normal string) (*principal.Principal, error) {
	if err := p.w.call(); err != nil {
		return nil, err
	}
	return p.Principals.ByEmail(ctx, normal)
}

func (p principals) Add(ctx context.Context, n *principal.Principal) error {
	if err := p.w.call(); err != nil {
		return err
	}
	return p.Principals.Add(ctx, n)
}

func (p principals) Save(ctx context.Context, n *principal.Principal) error {
	if err := p.w.call(); err != nil {
		return err
	}
	return p.Principals.Save(ctx, n)
}

func (p principals) Users(ctx context.Context, after principal.ID, limit int) ([]*principal.Principal, error) {
	if err := p.w.call(); err != nil {
		return nil, err
	}
	return p.Principals.Users(ctx, after, limit)
}

func (p principals) EnabledAdmins(ctx context.Context) ([]principal.ID, error) {
	if err := p.w.call(); err != nil {
		return nil, err
	}
	return p.Principals.EnabledAdmins(ctx)
}

type groups struct {
	outbound.Groups
	w *Work
}

func (g groups) Add(ctx context.Context, n group.Group) error {
	if err := g.w.call(); err != nil {
		return err
	}
	return g.Groups.Add(ctx, n)
}

func (g groups) ByKey(ctx context.Context, key string) (group.Group, error) {
	if err := g.w.call(); err != nil {
		return group.Group{}, err
	}
	return g.Groups.ByKey(ctx, key)
}

func (g groups) Save(ctx context.Context, n group.Group) error {
	if err := g.w.call(); err != nil {
		return err
	}
	return g.Groups.Save(ctx, n)
}

func (g groups) Hold(ctx context.Context, key string) error {
	if err := g.w.call(); err != nil {
		return err
	}
	return g.Groups.Hold(ctx, key)
}

func (g groups) Empty(ctx context.Context, key string) (int, error) {
	if err := g.w.call(); err != nil {
		return 0, err
	}
	return g.Groups.Empty(ctx, key)
}

func (g groups) Delete(ctx context.Context, key string) error {
	if err := g.w.call(); err != nil {
		return err
	}
	return g.Groups.Delete(ctx, key)
}

func (g groups) Page(ctx context.Context, wanted, service string, r page.Request) (page.Page[group.Delivered], error) {
	if err := g.w.call(); err != nil {
		return page.Page[group.Delivered]{}, err
	}
	return g.Groups.Page(ctx, wanted, service, r)
}

type sessions struct {
	outbound.Sessions
	w *Work
}

func (s sessions) EndAll(ctx context.Context, of principal.ID, keep session.ID, why session.EndReason, now time.Time) error {
	if err := s.w.call(); err != nil {
		return err
	}
	return s.Sessions.EndAll(ctx, of, keep, why, now)
}

func (s sessions) EndEvery(ctx context.Context, why session.EndReason, now time.Time) (int, error) {
	if err := s.w.call(); err != nil {
		return 0, err
	}
	return s.Sessions.EndEvery(ctx, why, now)
}

func (s sessions) Purge(ctx context.Context, now, before time.Time, limit int) (int, error) {
	if err := s.w.call(); err != nil {
		return 0, err
	}
	return s.Sessions.Purge(ctx, now, before, limit)
}

type oneTime struct {
	outbound.OneTime
	w *Work
}

func (o oneTime) Add(ctx context.Context, i onetime.Item) error {
	if err := o.w.call(); err != nil {
		return err
	}
	return o.OneTime.Add(ctx, i)
}

func (o oneTime) Find(ctx context.Context, k onetime.Kind, h onetime.Hash) (onetime.Item, error) {
	if err := o.w.call(); err != nil {
		return onetime.Item{}, err
	}
	return o.OneTime.Find(ctx, k, h)
}

func (o oneTime) Use(ctx context.Context, k onetime.Kind, h onetime.Hash, now time.Time) error {
	if err := o.w.call(); err != nil {
		return err
	}
	return o.OneTime.Use(ctx, k, h, now)
}

func (o oneTime) Void(ctx context.Context, of principal.ID, k onetime.Kind, keep string, now time.Time) error {
	if err := o.w.call(); err != nil {
		return err
	}
	return o.OneTime.Void(ctx, of, k, keep, now)
}

func (o oneTime) VoidEvery(ctx context.Context, now time.Time) (int, error) {
	if err := o.w.call(); err != nil {
		return 0, err
	}
	return o.OneTime.VoidEvery(ctx, now)
}

func (o oneTime) Purge(ctx context.Context, before time.Time, limit int) (int, error) {
	if err := o.w.call(); err != nil {
		return 0, err
	}
	return o.OneTime.Purge(ctx, before, limit)
}

type outbox struct {
	outbound.Outbox
	w *Work
}

func (o outbox) Add(ctx context.Context, n notice.Notice) error {
	if err := o.w.call(); err != nil {
		return err
	}
	return o.Outbox.Add(ctx, n)
}

func (o outbox) Drop(ctx context.Context, kinds []notice.Kind, why string, now time.Time) (int, error) {
	if err := o.w.call(); err != nil {
		return 0, err
	}
	return o.Outbox.Drop(ctx, kinds, why, now)
}

func (o outbox) Purge(ctx context.Context, deliveredBefore, deadBefore time.Time, limit int) (int, error) {
	if err := o.w.call(); err != nil {
		return 0, err
	}
	return o.Outbox.Purge(ctx, deliveredBefore, deadBefore, limit)
}

type attempts struct {
	outbound.Attempts
	w *Work
}

func (a attempts) State(ctx context.Context, of throttle.Subject) (throttle.State, error) {
	if err := a.w.call(); err != nil {
		return throttle.State{}, err
	}
	return a.Attempts.State(ctx, of)
}

func (a attempts) Swap(ctx context.Context, of throttle.Subject, old, next throttle.State) (bool, error) {
	if err := a.w.call(); err != nil {
		return false, err
	}
	return a.Attempts.Swap(ctx, of, old, next)
}

func (a attempts) Save(ctx context.Context, of throttle.Subject, s throttle.State) error {
	if err := a.w.call(); err != nil {
		return err
	}
	return a.Attempts.Save(ctx, of, s)
}

func (a attempts) Purge(ctx context.Context, before time.Time, limit int) (int, error) {
	if err := a.w.call(); err != nil {
		return 0, err
	}
	return a.Attempts.Purge(ctx, before, limit)
}

type cooldowns struct {
	outbound.Cooldowns
	w *Work
}

func (c cooldowns) Start(ctx context.Context, k notice.Kind, normal string, now time.Time, ttl time.Duration) (time.Duration, error) {
	if err := c.w.call(); err != nil {
		return 0, err
	}
	return c.Cooldowns.Start(ctx, k, normal, now, ttl)
}

func (c cooldowns) Left(ctx context.Context, k notice.Kind, normal string, now time.Time) (time.Duration, error) {
	if err := c.w.call(); err != nil {
		return 0, err
	}
	return c.Cooldowns.Left(ctx, k, normal, now)
}

func (c cooldowns) Purge(ctx context.Context, now time.Time, limit int) (int, error) {
	if err := c.w.call(); err != nil {
		return 0, err
	}
	return c.Cooldowns.Purge(ctx, now, limit)
}

type keys struct {
	outbound.Keys
	w *Work
}

func (k keys) All(ctx context.Context) ([]key.Wrapped, error) {
	if err := k.w.call(); err != nil {
		return nil, err
	}
	return k.Keys.All(ctx)
}

func (k keys) Add(ctx context.Context, n key.Wrapped) error {
	if err := k.w.call(); err != nil {
		return err
	}
	return k.Keys.Add(ctx, n)
}

type restores struct {
	outbound.Restores
	w *Work
}

func (r restores) Epoch(ctx context.Context) (int, error) {
	if err := r.w.call(); err != nil {
		return 0, err
	}
	return r.Restores.Epoch(ctx)
}

func (r restores) Raise(ctx context.Context, to int) (bool, error) {
	if err := r.w.call(); err != nil {
		return false, err
	}
	return r.Restores.Raise(ctx, to)
}

type entry struct {
	outbound.Entry
	w *Work
}

func (e entry) Look(ctx context.Context, of throttle.Subject) (throttle.State, *principal.Principal, error) {
	if err := e.w.call(); err != nil {
		return throttle.State{}, nil, err
	}
	return e.Entry.Look(ctx, of)
}

func (e entry) SignIn(ctx context.Context, in outbound.SignIn) (outbound.Effect, error) {
	if err := e.w.call(); err != nil {
		return outbound.Effect{}, err
	}
	return e.Entry.SignIn(ctx, in)
}

func (e entry) Register(ctx context.Context, r outbound.Registration) (outbound.Effect, error) {
	if err := e.w.call(); err != nil {
		return outbound.Effect{}, err
	}
	return e.Entry.Register(ctx, r)
}

func (e entry) TurnAway(ctx context.Context, c outbound.Collision) (outbound.Effect, error) {
	if err := e.w.call(); err != nil {
		return outbound.Effect{}, err
	}
	return e.Entry.TurnAway(ctx, c)
}

func (k keys) Change(ctx context.Context, n key.Key, from key.State) error {
	if err := k.w.call(); err != nil {
		return err
	}
	return k.Keys.Change(ctx, n, from)
}

func (k keys) Rewrap(ctx context.Context, old, anew key.Wrapped) error {
	if err := k.w.call(); err != nil {
		return err
	}
	return k.Keys.Rewrap(ctx, old, anew)
}

func (k keys) Remove(ctx context.Context, id string) error {
	if err := k.w.call(); err != nil {
		return err
	}
	return k.Keys.Remove(ctx, id)
}

type rotations struct {
	outbound.Rotations
	w *Work
}

func (r rotations) Latest(ctx context.Context) (key.Rotation, error) {
	if err := r.w.call(); err != nil {
		return key.Rotation{}, err
	}
	return r.Rotations.Latest(ctx)
}

func (r rotations) Start(ctx context.Context, n key.Rotation) error {
	if err := r.w.call(); err != nil {
		return err
	}
	return r.Rotations.Start(ctx, n)
}

func (r rotations) Claim(ctx context.Context, owner string, now, until time.Time) (outbound.RotationClaim, error) {
	if err := r.w.call(); err != nil {
		return outbound.RotationClaim{}, err
	}
	return r.Rotations.Claim(ctx, owner, now, until)
}

func (r rotations) Save(ctx context.Context, c outbound.RotationClaim, until time.Time) error {
	if err := r.w.call(); err != nil {
		return err
	}
	return r.Rotations.Save(ctx, c, until)
}

type rekeying struct {
	outbound.Rekeying
	w *Work
}

func (r rekeying) Count(ctx context.Context) (dataKeys, addresses int, err error) {
	if err := r.w.call(); err != nil {
		return 0, 0, err
	}
	return r.Rekeying.Count(ctx)
}

func (r rekeying) Rewrap(ctx context.Context, after principal.ID, limit int) (outbound.Batch, error) {
	if err := r.w.call(); err != nil {
		return outbound.Batch{}, err
	}
	return r.Rekeying.Rewrap(ctx, after, limit)
}

func (r rekeying) Reindex(ctx context.Context, after principal.ID, limit int) (outbound.Batch, error) {
	if err := r.w.call(); err != nil {
		return outbound.Batch{}, err
	}
	return r.Rekeying.Reindex(ctx, after, limit)
}

func (r rekeying) Clear(ctx context.Context, after principal.ID, limit int) (outbound.Batch, error) {
	if err := r.w.call(); err != nil {
		return outbound.Batch{}, err
	}
	return r.Rekeying.Clear(ctx, after, limit)
}
