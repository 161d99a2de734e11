package outbox

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"gatehouse/domain/notice"
	"gatehouse/domain/onetime"
	"gatehouse/ports/outbound"
)

const (
	firstDelay = 2 * time.Second
	maxDelay   = 10 * time.Minute
	// keep is how long any notice is tried; most end sooner by themselves.
	keep = 24 * time.Hour
	// strikes is how often a mail must be refused for good before we believe it.
	strikes = 3
)

// Classes of failures that are not the mailer's.
const (
	classBroken  = "broken"  // cannot be opened
	classExpired = "expired" // nobody wants it any more
	classPanic   = "panic"
	classSlow    = "slow_domain" // not tried, because others wait
	classUnknown = "unknown"
	classVoid    = "void" // its link is good for nothing any more
)

// handle delivers a claimed notice, if it is worth it, and settles the claim.
func (r *Relay) handle(ctx context.Context, c outbound.Claim) {
	switch {
	case c.Broken != nil:
		r.d.Log.ErrorContext(ctx, "mail cannot be opened", about(c, classBroken, "err", c.Broken)...)
		r.giveUp(ctx, c, classBroken)
		return
	case !r.d.Now().Before(end(c.Notice)):
		r.giveUp(ctx, c, classExpired)
		return
	}
	switch void, err := r.void(ctx, c.Notice); {
	case err != nil: // it is not known what such a mail would be good for
		r.d.Log.WarnContext(ctx, "link of a mail not looked up", about(c, classUnknown, "err", err)...)
		r.later(ctx, c, classUnknown)
		return
	case void:
		r.drop(ctx, c, classVoid)
		return
	}
	domain := domainOf(c.Notice.To)
	if !r.domains.enter(domain) {
		r.later(ctx, c, classSlow)
		return
	}
	begun := r.d.Now()
	err := r.deliver(ctx, c)
	r.domains.leave(domain, r.d.Now().Sub(begun))
	r.conclude(ctx, c, err)
}

// void reports whether a mail carries a link that was used or voided since, or
// whose account has gone (faults F86).
func (r *Relay) void(ctx context.Context, n notice.Notice) (bool, error) {
	var kind onetime.Kind
	switch carries, _ := n.Kind.Contents(); carries.Link {
	case notice.VerificationPage:
		kind = onetime.EmailVerification
	case notice.ResetPage:
		kind = onetime.PasswordReset
	case notice.NoPage:
		return false, nil
	}
	i, err := r.d.Work.Single().OneTime.Find(ctx, kind, onetime.HashOf(n.Token))
	if errors.Is(err, outbound.ErrNotFound) {
		return true, nil
	}
	return i.State(r.d.Now()) != onetime.Usable, err
}

// end is when a notice stops being worth an attempt.
func end(n notice.Notice) time.Time {
	last := n.CreatedAt.Add(keep)
	if !n.ExpiresAt.IsZero() && n.ExpiresAt.Before(last) {
		return n.ExpiresAt
	}
	return last
}

// deliver makes one attempt. A panic ends nothing but the attempt.
func (r *Relay) deliver(ctx context.Context, c outbound.Claim) (err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	defer func() {
		if v := recover(); v != nil { // its value may hold the mail
			r.d.Log.ErrorContext(ctx, "mailer panicked", about(c, classPanic,
				"type", fmt.Sprintf("%T", v), "stack", string(debug.Stack()))...)
			err = &outbound.DeliveryError{Class: classPanic, Permanent: true, Rejected: false}
		}
	}()
	return r.d.Mail.Deliver(ctx, c.Notice)
}

func (r *Relay) conclude(ctx context.Context, c outbound.Claim, err error) {
	if err == nil {
		r.d.Tried("delivered")
		r.settle(ctx, c, outbound.Outcome{At: r.d.Now(), Dead: false, RetryAt: time.Time{}, Error: ""})
		r.d.Log.DebugContext(ctx, "mail delivered", about(c, "")...)
		return
	}
	failure, ok := errors.AsType[*outbound.DeliveryError](err)
	if !ok {
		failure = &outbound.DeliveryError{Class: classUnknown, Permanent: false, Rejected: false}
	}
	if failure.Rejected || (failure.Permanent && c.Attempts >= strikes) {
		r.giveUp(ctx, c, failure.Class)
		return
	}
	r.later(ctx, c, failure.Class)
}

func (r *Relay) giveUp(ctx context.Context, c outbound.Claim, class string) {
	r.d.Tried("given_up")
	r.settle(ctx, c, outbound.Outcome{At: r.d.Now(), Dead: true, RetryAt: time.Time{}, Error: class})
	r.d.Log.ErrorContext(ctx, "mail given up", about(c, class)...)
}

// drop finishes a mail that nobody will miss, and that is no dead one therefore.
func (r *Relay) drop(ctx context.Context, c outbound.Claim, class string) {
	r.d.Tried("dropped")
	r.settle(ctx, c, outbound.Outcome{At: r.d.Now(), Dead: false, RetryAt: time.Time{}, Error: class})
	r.d.Log.InfoContext(ctx, "mail dropped", about(c, class)...)
}

func (r *Relay) later(ctx context.Context, c outbound.Claim, class string) {
	r.d.Tried("deferred")
	now := r.d.Now()
	wait := r.d.Jitter(delay(c.Attempts))
	r.settle(ctx, c, outbound.Outcome{At: now, Dead: false, RetryAt: now.Add(wait), Error: class})
	r.d.Log.WarnContext(ctx, "mail not delivered, will try again", about(c, class, "in", wait)...)
}

// delay is the longest wait after a number of attempts.
func delay(attempts int) time.Duration {
	d := firstDelay
	for i := 1; i < attempts && d < maxDelay; i++ {
		d *= 2
	}
	return min(d, maxDelay)
}

func (r *Relay) settle(ctx context.Context, c outbound.Claim, o outbound.Outcome) {
	ctx, cancel := context.WithTimeout(ctx, settling)
	defer cancel()
	switch err := r.d.Work.Single().Outbox.Settle(ctx, c, o); {
	case errors.Is(err, outbound.ErrStale):
		r.d.Log.WarnContext(ctx, "mail was taken over by another relay", about(c, o.Error)...)
	case err != nil: // the lease runs out, and the mail is delivered again
		r.d.Log.ErrorContext(ctx, "outcome of a mail not stored", about(c, o.Error, "err", err)...)
	}
}

// about is all that a log may know of a mail.
func about(c outbound.Claim, class string, more ...any) []any {
	return append([]any{"notice", c.Notice.ID, "kind", c.Notice.Kind, "attempt", c.Attempts, "class", class}, more...)
}
