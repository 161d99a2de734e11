// Package transfer holds the use cases by which users move from one
// installation to another, or come from another system. What they are written
// in, and how that is protected, is decided by adapters.
package transfer

import (
	"context"
	"errors"
	"fmt"

	"gatehouse/domain/factor"
	"gatehouse/domain/principal"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var _ inbound.UseCase[inbound.ExportUsers, inbound.ExportedUsers] = (*Exporter)(nil)

// ExporterDeps are what an [Exporter] works with. All are required.
type ExporterDeps struct{ Work outbound.UnitOfWork }

// Exporter answers [inbound.ExportUsers].
type Exporter struct{ d ExporterDeps }

// NewExporter returns an Exporter.
func NewExporter(d ExporterDeps) *Exporter { return &Exporter{d} }

// Do implements [inbound.UseCase].
func (e *Exporter) Do(ctx context.Context, cmd inbound.ExportUsers) (out inbound.ExportedUsers, err error) {
	err = e.d.Work.View(ctx, func(ctx context.Context, s outbound.Stores) error {
		out = inbound.ExportedUsers{}
		all, err := s.Principals.Users(ctx, cmd.After, cmd.Limit)
		if err != nil {
			return fmt.Errorf("list users: %w", err)
		}
		for _, p := range all {
			u, err := portable(ctx, s, p.Snapshot())
			if err != nil {
				return err
			}
			out.Users = append(out.Users, u)
			if p.Factors().Passkey {
				out.Passkeys++
			}
		}
		return nil
	})
	return out, err
}

func portable(ctx context.Context, s outbound.Stores, p principal.Snapshot) (inbound.PortableUser, error) {
	factors := p.Factors
	if factors.Passkey {
		factors = factors.Without(factor.Passkey)
	}
	u := inbound.PortableUser{
		ID: string(p.ID), Email: p.Email.Typed(), Name: p.Name, EmailVerified: p.EmailVerified, Admin: p.Admin, Disabled: p.Disabled,
		Groups: p.Groups, CreatedAt: p.CreatedAt, PasswordHash: p.Hash, Identities: p.Identities,
		Factors: factors.Methods(), Preferred: factors.Preferred,
	}
	if !factors.Any() {
		return u, nil
	}
	if factors.TOTP {
		app, err := s.Apps.Of(ctx, p.ID)
		if err != nil {
			return u, fmt.Errorf("load authenticator app of %s: %w", p.ID, err)
		}
		u.TOTPSecret = app.Secret
	}
	codes, err := s.RecoveryCodes.Of(ctx, p.ID)
	if err != nil && !errors.Is(err, outbound.ErrNotFound) {
		return u, fmt.Errorf("load recovery codes of %s: %w", p.ID, err)
	}
	u.RecoveryCodes = codes
	return u, nil
}
