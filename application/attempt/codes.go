package attempt

import (
	"context"
	"fmt"

	"gatehouse/domain/fault"
	"gatehouse/domain/throttle"
	"gatehouse/ports/outbound"
)

// Code is one attempt at a code: of a second factor, or of one that is to be
// switched on.
type Code struct {
	Subject throttle.Subject
	// Try counts the guess where the code is tried, besides the account. What it
	// refuses with is passed on, and then nothing is counted.
	Try func(ctx context.Context, s outbound.Stores) error
	// Right judges, after the count was committed.
	Right func() (bool, error)
	// Wrong is what a wrong code is refused with.
	Wrong fault.Code
}

// JudgeCode counts the guess and judges it. It refuses with TOO_MANY_ATTEMPTS,
// with what Try and Right refuse with, or with Wrong. A right code resets
// nothing: that is up to what it achieves. Never call it inside a transaction.
func (t *Taker) JudgeCode(ctx context.Context, c Code) error {
	if err := t.countCode(ctx, c); err != nil {
		return err
	}
	right, err := c.Right()
	switch {
	case err != nil:
		return err
	case !right:
		return fault.New(c.Wrong)
	}
	return nil
}

// countCode locks what is tried before the counters, as whoever uses it up does.
func (t *Taker) countCode(ctx context.Context, c Code) error {
	return t.d.Work.Within(ctx, func(ctx context.Context, s outbound.Stores) error {
		if err := c.Try(ctx, s); err != nil {
			return err
		}
		if t.d.Policy.Off {
			return nil // that does not switch off the limit of what is tried
		}
		st, err := t.Allowed(ctx, s, c.Subject)
		if err != nil {
			return err
		}
		if err := s.Attempts.Save(ctx, c.Subject, st.Count(t.d.Now())); err != nil {
			return fmt.Errorf("count attempt: %w", err)
		}
		return nil
	})
}
