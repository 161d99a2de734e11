package twofactor

import (
	"context"
	"time"

	"gatehouse/application/account"
	"gatehouse/domain/factor"
	"gatehouse/domain/fault"
	"gatehouse/domain/principal"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var _ inbound.UseCase[inbound.PreferFactor, inbound.Self] = (*Preferrer)(nil)

// PreferrerDeps are what a [Preferrer] works with. All are required.
type PreferrerDeps struct {
	Work outbound.UnitOfWork
	Now  func() time.Time
}

// Preferrer answers [inbound.PreferFactor].
type Preferrer struct{ d PreferrerDeps }

// NewPreferrer returns a Preferrer.
func NewPreferrer(d PreferrerDeps) *Preferrer { return &Preferrer{d} }

// Do implements [inbound.UseCase].
func (r *Preferrer) Do(ctx context.Context, cmd inbound.PreferFactor) (inbound.Self, error) {
	if err := cmd.Caller.RequireStepUp(); err != nil {
		return nil, err
	}
	m, known := factor.ParseMethod(cmd.Method)
	if !known {
		return nil, fault.Invalid("method", fault.RuleEnum)
	}
	var p *principal.Principal
	err := r.d.Work.Within(ctx, func(ctx context.Context, s outbound.Stores) (err error) {
		if p, err = caller(ctx, s, cmd.Caller, r.d.Now()); err != nil {
			return err
		}
		if !p.HasPassword() {
			return fault.New(fault.NoPasswordProvider)
		}
		if err := p.PreferFactor(m); err != nil {
			return err
		}
		return account.Save(ctx, s, p)
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}
