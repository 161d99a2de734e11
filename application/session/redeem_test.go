package session_test

import (
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/application/grant/granttest"
	app "gatehouse/application/session"
	"gatehouse/domain/fault"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/domain/session"
	"gatehouse/domain/token"
	"gatehouse/ports/inbound"
)

var payment = session.Bound{Purpose: "payment:42", PayloadHash: "47DEQpj8HBSa-_TImW"}

func (w *world) redeemer() *app.Redeemer {
	return app.NewRedeemer(app.RedeemerDeps{Work: w.work, Verifier: w.tokens, Now: w.clock})
}

// bound steps up for one thing.
func (w *world) bound(t *testing.T, d session.Demand) (inbound.SteppedUp, inbound.SignedIn) {
	t.Helper()
	in := w.enter(t)
	cmd := stepUp("ada", in.SessionID, right)
	cmd.Demand = d
	up, err := w.stepperUp().Do(t.Context(), cmd)
	if err != nil {
		t.Fatal(err)
	}
	return up, in
}

func TestABoundStepUpIsRedeemedOnceForWhatItWasGrantedFor(t *testing.T) {
	w := newWorld(t)
	up, in := w.bound(t, session.Demand{Bound: payment})
	if up.Bound != payment {
		t.Errorf("granted for %+v", up.Bound)
	}
	got, err := w.redeemer().Do(t.Context(), inbound.RedeemStepUp{Token: up.Token, For: payment})
	if err != nil {
		t.Fatal(err)
	}
	want := inbound.Approval{
		PrincipalID: "ada", SessionID: in.SessionID, Bound: payment, AMR: []string{"pwd"}, ACR: "aal1", AuthTime: w.now.Truncate(time.Second),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("approval\n got %+v\nwant %+v", got, want)
	}
	if _, err := w.redeemer().Do(t.Context(), inbound.RedeemStepUp{Token: up.Token, For: payment}); fault.CodeOf(err) != fault.StepUpTokenInvalid {
		t.Errorf("a second time: %v", err)
	}
}

func TestABoundStepUpIsRefusedForAnythingElse(t *testing.T) {
	for name, tc := range map[string]struct {
		demand session.Demand
		asked  session.Bound
		spoil  func(*testing.T, *world, inbound.SteppedUp, inbound.SignedIn) secret.Text
		want   fault.Code
	}{
		"another purpose":      {demand: session.Demand{Bound: payment}, asked: session.Bound{Purpose: "payment:43", PayloadHash: payment.PayloadHash}},
		"another payload":      {demand: session.Demand{Bound: payment}, asked: session.Bound{Purpose: payment.Purpose, PayloadHash: "57DEQpj8HBSa-_TImW"}},
		"no payload":           {demand: session.Demand{Bound: payment}, asked: session.Bound{Purpose: payment.Purpose}},
		"a payload all of it":  {demand: session.Demand{Bound: session.Bound{Purpose: payment.Purpose}}, asked: payment},
		"for nothing at all":   {asked: session.Bound{}},
		"for whatever is ours": {asked: payment},
		"no token of ours": {demand: session.Demand{Bound: payment}, asked: payment, spoil: func(*testing.T, *world, inbound.SteppedUp, inbound.SignedIn) secret.Text {
			return secret.New("nonsense")
		}},
		"expired": {demand: session.Demand{Bound: payment}, asked: payment, want: fault.StepUpTokenExpired, spoil: func(_ *testing.T, w *world, up inbound.SteppedUp, _ inbound.SignedIn) secret.Text {
			w.now = up.ExpiresAt
			return up.Token
		}},
		"signed out": {demand: session.Demand{Bound: payment}, asked: payment, spoil: func(t *testing.T, w *world, up inbound.SteppedUp, in inbound.SignedIn) secret.Text {
			signedOut(t, w, in)
			return up.Token
		}},
		"disabled": {demand: session.Demand{Bound: payment}, asked: payment, spoil: func(t *testing.T, w *world, up inbound.SteppedUp, _ inbound.SignedIn) secret.Text {
			w.change(t, "ada", func(p *principal.Principal) { p.Disable() })
			return up.Token
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			up, in := w.bound(t, tc.demand)
			shown := up.Token
			if tc.spoil != nil {
				shown = tc.spoil(t, w, up, in)
			}
			want := fault.StepUpTokenInvalid
			if tc.want != "" {
				want = tc.want
			}
			if a, err := w.redeemer().Do(t.Context(), inbound.RedeemStepUp{Token: shown, For: tc.asked}); fault.CodeOf(err) != want {
				t.Errorf("Do = %+v, %v, want %s", a, err, want)
			}
		})
	}
}

func TestOfManyWhoRedeemOneIsTold(t *testing.T) {
	w := newWorld(t)
	up, _ := w.bound(t, session.Demand{Bound: payment})
	var told atomic.Int32
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := w.redeemer().Do(t.Context(), inbound.RedeemStepUp{Token: up.Token, For: payment}); err == nil {
				told.Add(1)
			}
		})
	}
	all.Wait()
	if told.Load() != 1 {
		t.Errorf("%d were told", told.Load())
	}
}

func TestAClassOutOfReachIsRefusedBeforeThePasswordIsLookedAt(t *testing.T) {
	w := newWorld(t)
	cmd := stepUp("ada", w.enter(t).SessionID, right)
	cmd.Demand = session.Demand{ACR: []string{"aal2"}}
	w.hasher.hashes.Store(0)
	if _, err := w.stepperUp().Do(t.Context(), cmd); fault.CodeOf(err) != fault.UnmetAuthenticationRequirements || w.hasher.hashes.Load() != 0 {
		t.Errorf("Do = %v after %d hashes", err, w.hasher.hashes.Load())
	}
	cmd.Demand = session.Demand{MaxAge: time.Minute}
	up, err := w.stepperUp().Do(t.Context(), cmd)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := granttest.Read(up.Token, token.StepUp); err != nil || !c.ExpiresAt.Equal(w.now.Truncate(time.Second).Add(time.Minute)) || !c.Bound.IsZero() {
		t.Errorf("token %+v, %v", c, err)
	}
}
