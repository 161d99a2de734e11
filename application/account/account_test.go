package account_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"gatehouse/application/account"
	"gatehouse/domain/fault"
	"gatehouse/domain/principal"
	"gatehouse/ports/outbound"
)

func TestWhatAStoreAnswersMeansWhatItWasAskedFor(t *testing.T) {
	guest := principal.NewGuest("gus", "Gus", time.Date(2028, 2, 29, 12, 0, 0, 0, time.UTC))
	for _, tc := range []struct {
		name  string
		take  func(*principal.Principal, error) (*principal.Principal, error)
		found *principal.Principal
		err   error
		want  fault.Code
	}{
		{"the caller", account.Self, guest, nil, ""},
		{"the caller, gone", account.Self, nil, outbound.ErrNotFound, fault.PrincipalNotFound},
		{"a broken store, asked for the caller", account.Self, nil, io.ErrUnexpectedEOF, fault.InternalError},
		{"anybody", account.Named, guest, nil, ""},
		{"somebody unknown", account.Named, nil, outbound.ErrNotFound, fault.UserNotFound},
		{"a guest where a user is asked for", account.User, guest, nil, fault.UserNotFound},
		{"an unknown user", account.User, nil, outbound.ErrNotFound, fault.UserNotFound},
		{"a broken store, asked for a user", account.User, nil, io.ErrUnexpectedEOF, fault.InternalError},
	} {
		p, err := tc.take(tc.found, tc.err)
		if fault.CodeOf(err) != tc.want || (err == nil && p != tc.found) || (tc.err != nil && !errors.Is(err, tc.err)) {
			t.Errorf("%s: %v, %v, want code %q", tc.name, p, err, tc.want)
		}
	}
}

// caches notes when it is told, and whether it is given time.
type caches struct {
	order       []string
	gone, fails error
}

func (c *caches) Announce(ctx context.Context, _ outbound.Revocation) {
	c.order = append(c.order, "announced")
	c.gone = errors.Join(c.gone, ctx.Err())
}

func (c *caches) Propagate(ctx context.Context, _ outbound.Revocation) error {
	c.order = append(c.order, "propagated")
	c.gone = errors.Join(c.gone, ctx.Err())
	return c.fails
}

func TestCachesAreToldBeforeAndAfterAlsoForACallerWhoHungUp(t *testing.T) {
	ctx, hangUp := context.WithCancel(t.Context())
	hangUp()
	for _, tc := range []struct {
		name    string
		fails   error
		changed bool
		err     error
		want    fault.Code
		order   []string
	}{
		{"a change", nil, true, nil, "", []string{"announced", "stored", "propagated"}},
		{"a change no cache hears of", io.ErrUnexpectedEOF, true, nil, fault.PostCommitSideEffectFailure, []string{"announced", "stored", "propagated"}},
		{"no change", io.ErrUnexpectedEOF, false, nil, "", []string{"announced", "stored"}},
		{"a change that fails", nil, true, fault.New(fault.DatabaseFailure), fault.DatabaseFailure, []string{"announced", "stored"}},
	} {
		c := &caches{fails: tc.fails}
		err := account.Revoke(ctx, c, outbound.Revocation{Principal: "ada"}, func() (bool, error) {
			c.order = append(c.order, "stored")
			return tc.changed, tc.err
		})
		if fault.CodeOf(err) != tc.want || !slices.Equal(c.order, tc.order) || c.gone != nil {
			t.Errorf("%s: %v after %v, want code %q after %v; its context: %v", tc.name, err, c.order, tc.want, tc.order, c.gone)
		}
		if account.Stands(err) != (tc.err == nil) {
			t.Errorf("%s: Stands(%v) = %t", tc.name, err, account.Stands(err))
		}
	}
}
