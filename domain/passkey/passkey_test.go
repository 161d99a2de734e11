package passkey_test

import (
	"testing"
	"time"

	"gatehouse/domain/passkey"
)

func TestACounterOnlyEverGrows(t *testing.T) {
	for _, tc := range []struct {
		stored, told uint32
		cloned       bool
	}{
		{0, 0, false}, // does not count
		{0, 1, false},
		{1, 2, false},
		{7, 1 << 31, false},
		{1, 1, true},
		{2, 1, true},
		{1, 0, true}, // has counted before
	} {
		k := passkey.Key{SignCount: tc.stored}
		if got := k.Cloned(passkey.Use{SignCount: tc.told}); got != tc.cloned {
			t.Errorf("%d after %d: cloned %v", tc.told, tc.stored, got)
		}
	}
}

func TestAUseChangesWhatMayChange(t *testing.T) {
	now := time.Date(2028, 2, 29, 12, 0, 0, 0, time.UTC)
	before := passkey.Passkey{ID: "p1", Name: "Phone", Key: passkey.Key{SignCount: 1, BackupEligible: true}}
	got := before.Used(passkey.Use{SignCount: 5, BackedUp: true, Verified: true}, now)
	if got.SignCount != 5 || !got.BackedUp || got.LastUsed != now || got.ID != "p1" || got.Name != "Phone" || !got.BackupEligible {
		t.Errorf("after the use: %+v", got)
	}
	if before.SignCount != 1 || before.BackedUp || !before.LastUsed.IsZero() {
		t.Errorf("the use changed its argument: %+v", before)
	}
}
