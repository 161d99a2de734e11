package jwx_test

import (
	"errors"
	"sync"
	"testing"

	"gatehouse/adapters/jwx"
	"gatehouse/domain/key"
	"gatehouse/domain/secret"
	"gatehouse/domain/token"
	"gatehouse/ports/outbound"
)

func mint(t *testing.T, a *jwx.Tokens) secret.Text {
	t.Helper()
	s, err := a.Mint(token.Access, claims())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func accepts(t *testing.T, v outbound.Verifier, s secret.Text, when string) {
	t.Helper()
	if _, err := v.Verify(s, token.Access, issued); err != nil {
		t.Errorf("Verify %s = %v", when, err)
	}
}

func inState(k key.Opened, s key.State) key.Opened {
	k.State = s
	return k
}

// From the publication of a key to the end of the last token of the one before
// (F11).
func TestTokensOutliveAnExchangeOfKeys(t *testing.T) {
	first, second := newKey(t, "ES256", "k1", key.Current), newKey(t, "EdDSA", "k2", key.Next)
	a := open(t, issuer, audience, first, second)
	before := mint(t, a)
	if err := a.Load([]key.Opened{inState(first, key.Retired), inState(second, key.Current)}); err != nil {
		t.Fatal(err)
	}
	after := mint(t, a)
	behind := open(t, issuer, audience, first, second) // a replica that has not heard of it
	for name, verifier := range map[string]outbound.Verifier{"here": a, "a moment behind": behind} {
		for _, s := range []secret.Text{before, after} {
			accepts(t, verifier, s, name)
		}
	}
	if len(a.PublicKeys()) != 2 {
		t.Errorf("%d keys are published, want both", len(a.PublicKeys()))
	}
}

func TestTokensOfAKilledKeyAreRefusedEvenIfTheyWereSeen(t *testing.T) {
	first, second := newKey(t, "ES256", "k1", key.Current), newKey(t, "ES256", "k2", key.Next)
	a := open(t, issuer, audience, first, second)
	s := mint(t, a)
	accepts(t, a, s, "before")
	if err := a.Load([]key.Opened{inState(second, key.Current)}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Verify(s, token.Access, issued); !errors.Is(err, outbound.ErrTokenInvalid) {
		t.Errorf("Verify of a token of a killed key = %v, want ErrTokenInvalid", err)
	}
}

func TestKeysThatAreNoGoodLeaveThoseOfBefore(t *testing.T) {
	a := open(t, issuer, audience, newKey(t, "ES256", "k1", key.Current))
	s := mint(t, a)
	if err := a.Load([]key.Opened{newKey(t, "ES256", "k2", key.Next)}); err == nil {
		t.Error("Load without a current key = nil")
	}
	accepts(t, a, s, "after")
}

func TestKeysAreExchangedUnderLoad(t *testing.T) {
	first, second := newKey(t, "EdDSA", "k1", key.Current), newKey(t, "EdDSA", "k2", key.Next)
	a := open(t, issuer, audience, first, second)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 50 {
				s, err := a.Mint(token.Access, claims())
				if err != nil {
					t.Error(err)
					return
				}
				accepts(t, a, s, "amid exchanges")
			}
		})
	}
	for i := range 50 {
		states := []key.State{key.Current, key.Retired}
		if err := a.Load([]key.Opened{inState(first, states[i%2]), inState(second, states[(i+1)%2])}); err != nil {
			t.Error(err)
		}
	}
	all.Wait()
}
