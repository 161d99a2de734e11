package account_test

import (
	"context"
	"errors"
	"io"
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

// caches tells whether it was given time.
type caches struct{ gone, fails error }

func (c *caches) Propagate(ctx context.Context, _ outbound.Revocation) error {
	c.gone = ctx.Err()
	return c.fails
}

func TestCachesAreToldAlsoForACallerWhoHungUp(t *testing.T) {
	ctx, hangUp := context.WithCancel(t.Context())
	hangUp()
	for want, fails := range map[fault.Code]error{"": nil, fault.PostCommitSideEffectFailure: io.ErrUnexpectedEOF} {
		c := &caches{fails: fails}
		err := account.Propagate(ctx, c, outbound.Revocation{Principal: "ada"})
		if fault.CodeOf(err) != want || c.gone != nil {
			t.Errorf("Propagate = %v, want code %q; its context: %v", err, want, c.gone)
		}
	}
}
