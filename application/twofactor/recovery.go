package twofactor

import (
	"context"
	"fmt"

	"gatehouse/application/letter"
	"gatehouse/domain/factor"
	"gatehouse/domain/fault"
	"gatehouse/domain/notice"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/recovery"
	"gatehouse/ports/inbound"
	"gatehouse/ports/outbound"
)

var _ inbound.UseCase[inbound.ReplaceRecoveryCodes, inbound.RecoveryCodes] = (*CodesReplacer)(nil)

// CodesReplacerDeps are what a [CodesReplacer] works with. All are required.
type CodesReplacerDeps struct {
	Deps

	Hasher   outbound.Hasher
	NewCodes NewCodes
}

// CodesReplacer answers [inbound.ReplaceRecoveryCodes].
type CodesReplacer struct{ d CodesReplacerDeps }

// NewCodesReplacer returns a CodesReplacer.
func NewCodesReplacer(d CodesReplacerDeps) *CodesReplacer { return &CodesReplacer{d} }

// Do implements [inbound.UseCase]. Nobody hashes for who may not.
func (r *CodesReplacer) Do(ctx context.Context, cmd inbound.ReplaceRecoveryCodes) (inbound.RecoveryCodes, error) {
	if err := cmd.Caller.RequireStepUp(); err != nil {
		return nil, err
	}
	err := r.d.Work.View(ctx, func(ctx context.Context, s outbound.Stores) error {
		_, err := r.owner(ctx, s, cmd)
		return err
	})
	if err != nil {
		return nil, err
	}
	codes := r.d.NewCodes()
	hashes, err := r.hash(ctx, cmd, codes)
	if err != nil {
		return nil, err
	}
	if err := r.store(ctx, cmd, hashes); err != nil {
		return nil, err
	}
	return codes, nil
}

func (r *CodesReplacer) owner(ctx context.Context, s outbound.Stores, cmd inbound.ReplaceRecoveryCodes) (*principal.Principal, error) {
	p, err := caller(ctx, s, cmd.Caller, r.d.Now())
	switch {
	case err != nil:
		return nil, err
	case !p.Factors().Has(factor.TOTP):
		return nil, fault.New(fault.TwoFactorMethodDisabled)
	}
	return p, nil
}

func (r *CodesReplacer) hash(ctx context.Context, cmd inbound.ReplaceRecoveryCodes, codes []recovery.Code) (recovery.Set, error) {
	turn, err := r.d.Hasher.Admit(ctx, cmd.From.Address.Network())
	if err != nil {
		return nil, fmt.Errorf("wait to hash: %w", err)
	}
	defer turn.Done()
	return hashAll(turn, codes)
}

func (r *CodesReplacer) store(ctx context.Context, cmd inbound.ReplaceRecoveryCodes, hashes recovery.Set) error {
	now, noticeID := r.d.Now(), r.d.NewID()
	return r.d.Work.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
		p, err := r.owner(ctx, s, cmd)
		if err != nil {
			return err
		}
		if err := s.RecoveryCodes.Replace(ctx, p.ID(), hashes); err != nil {
			return fmt.Errorf("store recovery codes: %w", err)
		}
		if !r.d.Alerts.Codes {
			return nil
		}
		return letter.Queue(ctx, s, notice.To(p, notice.RecoveryCodesReplaced, noticeID, cmd.Locale, now).CausedBy(cmd.From))
	})
}

// hashAll hashes codes with one salt (faults §9.5).
func hashAll(turn outbound.Turn, codes []recovery.Code) (hashes recovery.Set, err error) {
	for _, c := range codes {
		var h password.Hash
		if len(hashes) == 0 {
			h, err = turn.Hash(c.Plain())
		} else {
			h, err = turn.HashLike(c.Plain(), hashes[0])
		}
		if err != nil {
			return nil, fmt.Errorf("hash recovery code: %w", err)
		}
		hashes = append(hashes, h)
	}
	return hashes, nil
}
