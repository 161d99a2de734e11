package jwx

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gatehouse/domain/key"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/domain/session"
	"gatehouse/domain/token"
	"gatehouse/ports/outbound"
)

func remembering(t *testing.T) (*Tokens, secret.Text, token.Claims) {
	t.Helper()
	algorithm, m, err := KeyMaker{SigningAlgorithm: edDSA}.NewKey(key.Signing)
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(Config{Issuer: "i", Audience: "a", Keys: []key.Opened{{
		Key: key.Key{ID: "k1", Purpose: key.Signing, Algorithm: algorithm, State: key.Current}, Material: m,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	id := "0191f0c4-7c00-7000-8000-000000000001"
	now := time.Date(2028, 2, 29, 12, 0, 0, 0, time.UTC)
	c := token.Claims{ID: id, Subject: "0191f0c4-7c00-7000-8000-000000000002", Session: "0191f0c4-7c00-7000-8000-000000000003", IssuedAt: now, ExpiresAt: now.Add(time.Hour)}
	s, err := a.Mint(token.Refresh, c)
	if err != nil {
		t.Fatal(err)
	}
	return a, s, c
}

// forgetKeys leaves ids in the ring, with which nothing can be checked.
func forgetKeys(t *Tokens) {
	for kid := range t.ring.Load().entries {
		t.ring.Load().entries[kid] = entry{}
	}
}

func TestRemembersWhatItAcceptedAndNothingElse(t *testing.T) {
	a, s, c := remembering(t)
	a.known.InvalidateAll() // as another replica
	for _, step := range []struct {
		name string
		text string
		kind token.Kind
		now  time.Time
		want int
	}{
		{"of another kind", s.Reveal(), token.Access, c.IssuedAt, 0},
		{"with a letter more", s.Reveal() + "A", token.Refresh, c.IssuedAt, 0},
		{"from the future", s.Reveal(), token.Refresh, c.IssuedAt.Add(-time.Hour), 0},
		{"too old", s.Reveal(), token.Refresh, c.ExpiresAt, 0},
		{"that is good", s.Reveal(), token.Refresh, c.IssuedAt, 1},
		{"that is good, again", s.Reveal(), token.Refresh, c.IssuedAt, 1},
		{"that is good, of another kind", s.Reveal(), token.Access, c.IssuedAt, 1},
		{"that was good and is too old", s.Reveal(), token.Refresh, c.ExpiresAt, 0},
	} {
		_, _ = a.Verify(secret.New(step.text), step.kind, step.now)
		if got := a.known.EstimatedSize(); got != step.want {
			t.Errorf("after a token %s, %d are remembered, want %d", step.name, got, step.want)
		}
	}
}

func TestASecondLookAsksForNoSignature(t *testing.T) {
	a, s, c := remembering(t)
	a.known.InvalidateAll()
	if _, err := a.Verify(s, token.Refresh, c.IssuedAt); err != nil {
		t.Fatal(err)
	}
	forgetKeys(a)
	if _, err := a.Verify(s, token.Refresh, c.IssuedAt); err != nil {
		t.Errorf("Verify of a token that is remembered = %v", err)
	}
}

func TestWhatWasMintedHereAsksForNoSignature(t *testing.T) {
	a, s, c := remembering(t)
	forgetKeys(a)
	if _, err := a.Verify(s, token.Refresh, c.IssuedAt); err != nil {
		t.Errorf("Verify of a token minted here = %v", err)
	}
	if _, err := a.Verify(s, token.Refresh, c.ExpiresAt); !errors.Is(err, outbound.ErrTokenExpired) {
		t.Errorf("Verify at its end = %v, want ErrTokenExpired", err)
	}
}

// Whether a token comes back to where it is from or goes elsewhere: it says the
// same, and what could not be read elsewhere is not minted.
func TestWhatIsRememberedIsWhatOthersRead(t *testing.T) {
	a, _, good := remembering(t)
	mostly := func(good, bad *rapid.Generator[string]) *rapid.Generator[string] {
		return rapid.Custom(func(t *rapid.T) string {
			if rapid.IntRange(0, 9).Draw(t, "luck") == 0 {
				return bad.Draw(t, "bad")
			}
			return good.Draw(t, "good")
		})
	}
	texts := rapid.SliceOfN(mostly(rapid.OneOf(rapid.String(), rapid.Just("<&>\u2028")), rapid.Just("\xff")), 0, 2)
	id := func(s string) *rapid.Generator[string] {
		return mostly(rapid.Just(s), rapid.OneOf(rapid.StringMatching(`[0-9a-fA-F-]{35,37}`), rapid.Just("")))
	}
	instant := rapid.Custom(func(t *rapid.T) time.Time {
		s, err := strconv.ParseInt(mostly(rapid.StringMatching(`[1-9][0-9]{0,11}`), rapid.SampledFrom([]string{"-1", "1000000000000"})).Draw(t, "s"), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return time.Unix(s, rapid.Int64Range(0, 999999999).Draw(t, "ns"))
	})
	rapid.Check(t, func(t *rapid.T) {
		c := token.Claims{
			ID: id(good.ID).Draw(t, "id"), Subject: principal.ID(id(string(good.Subject)).Draw(t, "sub")),
			Session:  session.ID(id(string(good.Session)).Draw(t, "sid")),
			IssuedAt: instant.Draw(t, "iat"), ExpiresAt: instant.Draw(t, "exp"), AuthTime: instant.Draw(t, "auth"),
			AMR: texts.Draw(t, "amr"), Roles: texts.Draw(t, "roles"), Groups: texts.Draw(t, "groups"),
			ACR: mostly(rapid.Just("aal1"), rapid.SampledFrom([]string{"", "\xff"})).Draw(t, "acr"), Gen: rapid.IntRange(-1, 9).Draw(t, "gen"),
		}
		k := rapid.SampledFrom([]token.Kind{token.Access, token.Refresh, token.StepUp, "else"}).Draw(t, "kind")
		remembered, ok := a.verdictOf(k, c)
		payload, err := json.Marshal(a.payload(k, remembered.claims))
		if err != nil {
			t.Fatal(err)
		}
		read, readable := a.claims(payload, k)
		if ok && (!readable || !reflect.DeepEqual(read, remembered)) {
			t.Fatalf("remembered %+v, read %+v, %t", remembered, read, readable)
		}
	})
}

func TestMemoryIsBounded(t *testing.T) {
	a, _, _ := remembering(t)
	for i := range 3 * remembered {
		a.known.Set(sha256.Sum256([]byte(strconv.Itoa(i))), verdict{})
	}
	a.known.CleanUp()
	if got := a.known.EstimatedSize(); got > remembered {
		t.Errorf("%d tokens are remembered, want %d at most", got, remembered)
	}
}
