package passwordtest

import (
	"context"
	"time"

	"gatehouse/domain/factor"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/recovery"
	"gatehouse/ports/outbound"
)

type apps struct {
	outbound.Apps
	w *Work
}

func (a apps) Of(ctx context.Context, of principal.ID) (factor.App, error) {
	if err := a.w.call(); err != nil {
		return factor.App{}, err
	}
	return a.Apps.Of(ctx, of)
}

func (a apps) Put(ctx context.Context, of principal.ID, n factor.App) error {
	if err := a.w.call(); err != nil {
		return err
	}
	return a.Apps.Put(ctx, of, n)
}

func (a apps) Accept(ctx context.Context, of principal.ID, step int64) error {
	if err := a.w.call(); err != nil {
		return err
	}
	return a.Apps.Accept(ctx, of, step)
}

func (a apps) Erase(ctx context.Context, of principal.ID) error {
	if err := a.w.call(); err != nil {
		return err
	}
	return a.Apps.Erase(ctx, of)
}

type setups struct {
	outbound.Setups
	w *Work
}

func (s setups) Of(ctx context.Context, of principal.ID) (factor.Setup, error) {
	if err := s.w.call(); err != nil {
		return factor.Setup{}, err
	}
	return s.Setups.Of(ctx, of)
}

func (s setups) Put(ctx context.Context, of principal.ID, n factor.Setup) error {
	if err := s.w.call(); err != nil {
		return err
	}
	return s.Setups.Put(ctx, of, n)
}

func (s setups) Try(ctx context.Context, of principal.ID, id string, now time.Time) error {
	if err := s.w.call(); err != nil {
		return err
	}
	return s.Setups.Try(ctx, of, id, now)
}

func (s setups) Use(ctx context.Context, of principal.ID, id string, now time.Time) error {
	if err := s.w.call(); err != nil {
		return err
	}
	return s.Setups.Use(ctx, of, id, now)
}

func (s setups) Void(ctx context.Context, of principal.ID) error {
	if err := s.w.call(); err != nil {
		return err
	}
	return s.Setups.Void(ctx, of)
}

type recoveryCodes struct {
	outbound.RecoveryCodes
	w *Work
}

func (r recoveryCodes) Of(ctx context.Context, of principal.ID) (recovery.Set, error) {
	if err := r.w.call(); err != nil {
		return nil, err
	}
	return r.RecoveryCodes.Of(ctx, of)
}

func (r recoveryCodes) Replace(ctx context.Context, of principal.ID, s recovery.Set) error {
	if err := r.w.call(); err != nil {
		return err
	}
	return r.RecoveryCodes.Replace(ctx, of, s)
}

func (r recoveryCodes) Use(ctx context.Context, of principal.ID, h password.Hash) error {
	if err := r.w.call(); err != nil {
		return err
	}
	return r.RecoveryCodes.Use(ctx, of, h)
}

type mailedCodes struct {
	outbound.MailedCodes
	w *Work
}

func (m mailedCodes) Put(ctx context.Context, of principal.ID, c factor.MailedCode) error {
	if err := m.w.call(); err != nil {
		return err
	}
	return m.MailedCodes.Put(ctx, of, c)
}

func (m mailedCodes) Try(ctx context.Context, of principal.ID, now time.Time) error {
	if err := m.w.call(); err != nil {
		return err
	}
	return m.MailedCodes.Try(ctx, of, now)
}

func (m mailedCodes) Use(ctx context.Context, of principal.ID, c factor.Code, now time.Time) error {
	if err := m.w.call(); err != nil {
		return err
	}
	return m.MailedCodes.Use(ctx, of, c, now)
}

func (m mailedCodes) Void(ctx context.Context, of principal.ID) error {
	if err := m.w.call(); err != nil {
		return err
	}
	return m.MailedCodes.Void(ctx, of)
}
