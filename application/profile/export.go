package profile

import (
	"context"
	"fmt"
	"time"

	"gatehouse/application/account"
	"gatehouse/domain/audit"
	"gatehouse/domain/principal"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var _ inbound.UseCase[inbound.ExportSelf, inbound.Export] = (*Exporter)(nil)

// ExporterDeps are what an [Exporter] works with. All are required.
type ExporterDeps struct {
	Work outbound.UnitOfWork
	Now  func() time.Time
}

// Exporter answers [inbound.ExportSelf].
type Exporter struct{ d ExporterDeps }

// NewExporter returns an Exporter.
func NewExporter(d ExporterDeps) *Exporter { return &Exporter{d} }

// Do implements [inbound.UseCase].
func (u *Exporter) Do(ctx context.Context, cmd inbound.ExportSelf) (out inbound.Export, err error) {
	if err := cmd.Caller.RequireStepUp(); err != nil {
		return inbound.Export{}, err
	}
	out.At = u.d.Now()
	err = u.d.Work.View(ctx, func(ctx context.Context, s outbound.Stores) error {
		return collect(ctx, s, cmd.Caller.PrincipalID, &out)
	})
	if err != nil {
		return inbound.Export{}, err
	}
	return out, nil
}

func collect(ctx context.Context, s outbound.Stores, who principal.ID, into *inbound.Export) (err error) {
	if into.Principal, err = account.Self(s.Principals.ByID(ctx, who)); err != nil {
		return err
	}
	if into.Dossier, err = s.Dossiers.Of(ctx, who); err != nil {
		return fmt.Errorf("read dossier: %w", err)
	}
	if into.Passkeys, err = s.Passkeys.Of(ctx, who); err != nil {
		return fmt.Errorf("list passkeys: %w", err)
	}
	into.Events, err = eventsOf(ctx, s.Trail, who)
	return err
}

// batch is how many entries of the trail are read at once.
const batch = 1000

func eventsOf(ctx context.Context, t outbound.Trail, who principal.ID) (all []audit.Entry, err error) {
	for after := 0; ; {
		some, err := t.Of(ctx, who, after, batch)
		if err != nil {
			return nil, fmt.Errorf("read trail: %w", err)
		}
		for _, e := range some {
			all, after = append(all, e.SeenBy(who)), e.Position
		}
		if len(some) < batch {
			return all, nil
		}
	}
}
