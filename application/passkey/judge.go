package passkey

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/domain/fault"
	"gatehouse/domain/passkey"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/ports/outbound"
)

// ErrOvertaken is another use of the same passkey that was stored while this
// one was judged: judge again, against its counter.
var ErrOvertaken = errors.New("the passkey was used or deleted meanwhile")

// JudgeDeps are what a [Judge] works with. All are required.
type JudgeDeps struct {
	Work           outbound.UnitOfWork
	Authenticators outbound.Authenticators
	Second         passkey.Verification // of who uses a passkey besides a password
	Now            func() time.Time
}

// Judge tells what answers of browsers prove. It is the only place that does.
type Judge struct{ d JudgeDeps }

// NewJudge returns a Judge.
func NewJudge(d JudgeDeps) *Judge { return &Judge{d} }

// Proof is the use of a passkey that was believed, and has no effect yet.
type Proof struct {
	Owner principal.ID

	challenge secret.Text
	before    passkey.Passkey
	use       passkey.Use
}

// Alone judges an answer that nothing else was proven with: its user is always
// verified. It refuses with PASSKEY_INVALID, PASSKEY_CHALLENGE_EXPIRED,
// PASSKEY_NOT_FOUND (nobody's, or not of the one who has to answer) or
// PASSKEY_CLONED, with which it tells whose.
func (j *Judge) Alone(ctx context.Context, answer passkey.Document, c Ceremony) (Proof, error) {
	return j.judge(ctx, answer, passkey.Required, c)
}

// Besides is as Alone, for who has proven a password already.
func (j *Judge) Besides(ctx context.Context, answer passkey.Document, c Ceremony) (Proof, error) {
	return j.judge(ctx, answer, j.d.Second, c)
}

func (j *Judge) judge(ctx context.Context, answer passkey.Document, v passkey.Verification, c Ceremony) (Proof, error) {
	claim, err := j.d.Authenticators.Claimed(answer)
	if err != nil {
		return Proof{}, invalid(err)
	}
	s := j.d.Work.Single()
	if err := c.pending(ctx, s, claim.Challenge, j.d.Now()); err != nil {
		return Proof{}, err
	}
	before, err := s.Passkeys.ByCredential(ctx, claim.Credential)
	switch {
	case errors.Is(err, outbound.ErrNotFound):
		return Proof{}, found(err)
	case err != nil:
		return Proof{}, fmt.Errorf("find passkey: %w", err)
	case c.of != "" && before.Principal != c.of:
		return Proof{}, fault.New(fault.PasskeyNotFound).Because(errors.New("the passkey is another person's"))
	case c.of == "" && !claim.Named: // by whoever answers, who has to say it (Level 3 §7.2, step 6)
		return Proof{}, fault.New(fault.PasskeyInvalid).Because(errors.New("it names no user"))
	}
	use, err := j.d.Authenticators.Used(answer, claim.Challenge, v, before)
	if err != nil {
		return Proof{}, invalid(err)
	}
	proof := Proof{before.Principal, claim.Challenge, before, use}
	if before.Cloned(use) {
		// What is sent twice is no copy of a key: the first one may just have
		// counted.
		if err := c.pending(ctx, s, claim.Challenge, j.d.Now()); err != nil {
			return Proof{}, err
		}
		return proof, fault.New(fault.PasskeyCloned).Because(fmt.Errorf("counter %d after %d", use.SignCount, before.SignCount))
	}
	return proof, nil
}

// Redeem uses the ceremony up and stores the use of the passkey, in the
// transaction of what the proof has for an effect. It refuses with
// PASSKEY_CHALLENGE_EXPIRED, and returns [ErrOvertaken].
func (p Proof) Redeem(ctx context.Context, s outbound.Stores, c Ceremony, now time.Time) error {
	if err := c.end(ctx, s, p.challenge, now); err != nil {
		return err
	}
	err := s.Passkeys.Use(ctx, p.before.Used(p.use, now), p.before.SignCount)
	switch {
	case errors.Is(err, outbound.ErrStale):
		return ErrOvertaken
	case err != nil:
		return fmt.Errorf("use passkey: %w", err)
	}
	return nil
}
