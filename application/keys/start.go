package keys

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/domain/fault"
	"gatehouse/domain/key"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var (
	_ inbound.UseCase[inbound.RotateKeys, inbound.Done]               = (*Starter)(nil)
	_ inbound.UseCase[inbound.RotationStatus, inbound.RotationReport] = (*Reporter)(nil)
	_ inbound.UseCase[inbound.KillKey, inbound.Done]                  = (*Killer)(nil)
)

// StarterDeps are what a [Starter] works with. All are required.
type StarterDeps struct {
	Work  outbound.UnitOfWork
	Wake  func() // tells the worker of this process; the others find out
	Now   func() time.Time
	NewID func() string
}

// Starter answers [inbound.RotateKeys].
type Starter struct{ d StarterDeps }

// NewStarter returns a Starter.
func NewStarter(d StarterDeps) *Starter { return &Starter{d} }

// Do implements [inbound.UseCase].
func (st *Starter) Do(ctx context.Context, _ inbound.RotateKeys) (inbound.Done, error) {
	err := start(ctx, st.d.Work, st.d.NewID(), st.d.Now())
	if errors.Is(err, outbound.ErrTaken) {
		return inbound.Done{}, fault.New(fault.SecretRotationOngoing)
	}
	if err != nil {
		return inbound.Done{}, err
	}
	st.d.Wake()
	return inbound.Done{}, nil
}

func start(ctx context.Context, w outbound.UnitOfWork, id string, now time.Time) error {
	if err := w.Single().Rotations.Start(ctx, key.NewRotation(id, now)); err != nil {
		return fmt.Errorf("start rotation: %w", err)
	}
	return nil
}

// ReporterDeps are what a [Reporter] works with. All are required.
type ReporterDeps struct{ Work outbound.UnitOfWork }

// Reporter answers [inbound.RotationStatus].
type Reporter struct{ d ReporterDeps }

// NewReporter returns a Reporter.
func NewReporter(d ReporterDeps) *Reporter { return &Reporter{d} }

// Do implements [inbound.UseCase].
func (r *Reporter) Do(ctx context.Context, _ inbound.RotationStatus) (inbound.RotationReport, error) {
	latest, err := r.d.Work.Single().Rotations.Latest(ctx)
	switch {
	case errors.Is(err, outbound.ErrNotFound):
		return inbound.RotationReport{}, nil
	case err != nil:
		return inbound.RotationReport{}, fmt.Errorf("load rotation: %w", err)
	}
	return inbound.RotationReport{Rotation: latest}, nil
}

// ErrNoSigningKey says that a key to be killed is no signing key. Other keys
// hold data, which would be lost with them.
var ErrNoSigningKey = errors.New("there is no such signing key")

// KillerDeps are what a [Killer] works with. All are required.
type KillerDeps struct {
	Work   outbound.UnitOfWork
	Keeper *Keeper
	Now    func() time.Time
}

// Killer answers [inbound.KillKey].
type Killer struct{ d KillerDeps }

// NewKiller returns a Killer.
func NewKiller(d KillerDeps) *Killer { return &Killer{d} }

// Do implements [inbound.UseCase].
func (k *Killer) Do(ctx context.Context, cmd inbound.KillKey) (inbound.Done, error) {
	now := k.d.Now()
	fresh, err := k.d.Keeper.make(ctx, key.Key{Purpose: key.Signing, State: key.Next}, now)
	if err != nil {
		return inbound.Done{}, err
	}
	return inbound.Done{}, k.d.Work.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
		ring, err := stored(ctx, s)
		if err != nil {
			return err
		}
		return kill(ctx, s, ring, cmd.ID, fresh)
	})
}

func stored(ctx context.Context, s outbound.Stores) (key.Ring, error) {
	all, err := s.Keys.All(ctx)
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	return ringOf(all), nil
}

func kill(ctx context.Context, s outbound.Stores, ring key.Ring, id string, fresh key.Wrapped) error {
	victim, ok := ring.Find(id)
	if !ok || victim.Purpose != key.Signing {
		return ErrNoSigningKey
	}
	if err := s.Keys.Remove(ctx, id); err != nil {
		return fmt.Errorf("remove key: %w", err)
	}
	switch victim.State {
	case key.Current:
		next, ok := ring.In(key.Signing, key.Next)
		if !ok {
			return errors.New("no next signing key is there to take over")
		}
		return succeed(ctx, s, next, fresh)
	case key.Next:
		return add(ctx, s, fresh)
	case key.Retired:
	}
	return nil
}

// succeed makes next the current key, which there is none of, and fresh the
// next one.
func succeed(ctx context.Context, s outbound.Stores, next key.Key, fresh key.Wrapped) error {
	if err := s.Keys.Change(ctx, next.Promoted(), key.Next); err != nil {
		return fmt.Errorf("make %s key current: %w", next.Purpose, err)
	}
	return add(ctx, s, fresh)
}

func add(ctx context.Context, s outbound.Stores, k key.Wrapped) error {
	if err := s.Keys.Add(ctx, k); err != nil {
		return fmt.Errorf("add %s key: %w", k.Purpose, err)
	}
	return nil
}
