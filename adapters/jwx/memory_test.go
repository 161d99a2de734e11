package jwx

import (
	"crypto/sha256"
	"strconv"
	"testing"
	"time"

	"gatehouse/domain/key"
	"gatehouse/domain/secret"
	"gatehouse/domain/token"
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

func TestRemembersWhatItAcceptedAndNothingElse(t *testing.T) {
	a, s, c := remembering(t)
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
	if _, err := a.Verify(s, token.Refresh, c.IssuedAt); err != nil {
		t.Fatal(err)
	}
	clear(a.ring)
	if _, err := a.Verify(s, token.Refresh, c.IssuedAt); err != nil {
		t.Errorf("Verify of a token that is remembered = %v", err)
	}
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
