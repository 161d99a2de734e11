package onetime_test

import (
	"crypto/sha256"
	"testing"
	"time"

	"gatehouse/domain/onetime"
	"gatehouse/domain/secret"
)

var noon = time.Date(2028, 2, 29, 12, 0, 0, 0, time.UTC)

func TestState(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*onetime.Item)
		want   onetime.State
	}{
		"new":                       {func(*onetime.Item) {}, onetime.Usable},
		"in its last moment":        {func(i *onetime.Item) { i.ExpiresAt = noon.Add(1) }, onetime.Usable},
		"at its end":                {func(i *onetime.Item) { i.ExpiresAt = noon }, onetime.Expired},
		"used":                      {func(i *onetime.Item) { i.UsedAt = noon }, onetime.Used},
		"voided":                    {func(i *onetime.Item) { i.VoidedAt = noon }, onetime.Voided},
		"used, then expired":        {func(i *onetime.Item) { i.UsedAt, i.ExpiresAt = noon.Add(-1), noon }, onetime.Expired},
		"voided, then expired":      {func(i *onetime.Item) { i.VoidedAt, i.ExpiresAt = noon.Add(-1), noon }, onetime.Voided},
		"used and voided, whatever": {func(i *onetime.Item) { i.UsedAt, i.VoidedAt = noon, noon }, onetime.Voided},
	} {
		i := onetime.Item{CreatedAt: noon.Add(-time.Hour), ExpiresAt: noon.Add(time.Hour)}
		tc.change(&i)
		if got := i.State(noon); got != tc.want {
			t.Errorf("%s: %d, want %d", name, got, tc.want)
		}
	}
}

func TestOnlyTheHashOfASecretIsStored(t *testing.T) {
	if onetime.HashOf(secret.New("token")) != sha256.Sum256([]byte("token")) {
		t.Error("HashOf is not SHA-256")
	}
	if onetime.HashOf(secret.New("token")) == onetime.HashOf(secret.New("Token")) {
		t.Error("two secrets have one hash")
	}
}
