package outboundtest

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"gatehouse/domain/fault"
	"gatehouse/ports/outbound"
)

// Vault runs the suite of [outbound.Vault]. open returns a vault with keys of
// its own.
func Vault(t *testing.T, open func(*testing.T) outbound.Vault) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, func(*testing.T) outbound.Vault)
	}{
		{"OpensWhatItSealed", opensWhatItSealed},
		{"OpensInNoOtherPlace", opensInNoOtherPlace},
		{"OpensUnderNoOtherKey", opensUnderNoOtherKey},
		{"NoticesTampering", vaultNoticesTampering},
		{"FailuresLookAlike", failuresLookAlike},
		{"SealsDifferAndShowNothing", sealsDifferAndShowNothing},
		{"SharedIsAlwaysTheSame", sharedIsAlwaysTheSame},
		{"RewrapLeavesWhatIsCurrent", rewrapLeavesWhatIsCurrent},
		{"SignaturesAreOfOneKeyUseAndText", signaturesAreOfOneKeyUseAndText},
		{"IndexTellsEqualityAlone", indexTellsEqualityAlone},
		{"SlotsAndIndexesAgree", slotsAndIndexesAgree},
		{"ManyAtOnce", manySealAtOnce},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open) })
	}
}

var (
	place = outbound.Field{Table: "principals", Column: "email", Row: "0191f0c4-7c00-7000-8000-000000000001"}
	plain = []byte("ada@example.com")
)

func dataKey(t *testing.T, v outbound.Vault, owner string) outbound.DataKey {
	t.Helper()
	k, err := v.NewDataKey(owner)
	if err != nil || k.Owner != owner {
		t.Fatalf("NewDataKey = %q, %v", k.Owner, err)
	}
	return k
}

func seal(t *testing.T, v outbound.Vault, k outbound.DataKey, f outbound.Field, plain []byte) []byte {
	t.Helper()
	sealed, err := v.Seal(k, f, plain)
	if err != nil {
		t.Fatalf("Seal = %v", err)
	}
	return sealed
}

func opens(t *testing.T, v outbound.Vault, k outbound.DataKey, f outbound.Field, sealed, want []byte) {
	t.Helper()
	if got, err := v.Open(k, f, sealed); err != nil || !bytes.Equal(got, want) {
		t.Errorf("Open = %q, %v, want %q", got, err, want)
	}
}

func staysSealed(t *testing.T, v outbound.Vault, k outbound.DataKey, f outbound.Field, sealed []byte, why string) {
	t.Helper()
	if got, err := v.Open(k, f, sealed); got != nil || fault.CodeOf(err) != fault.DatabaseEncryptionFailure {
		t.Errorf("Open %s = %q, %v, want DATABASE_ENCRYPTION_FAILURE alone", why, got, err)
	}
}

func opensWhatItSealed(t *testing.T, open func(*testing.T) outbound.Vault) {
	v := open(t)
	for _, k := range []outbound.DataKey{dataKey(t, v, "ada"), v.Shared()} {
		for _, p := range [][]byte{plain, {}, {0}, bytes.Repeat([]byte("é"), 1<<19)} {
			opens(t, v, k, place, seal(t, v, k, place, p), p)
		}
	}
}

func opensInNoOtherPlace(t *testing.T, open func(*testing.T) outbound.Vault) {
	v := open(t)
	for _, k := range []outbound.DataKey{dataKey(t, v, "ada"), v.Shared()} {
		sealed := seal(t, v, k, place, plain)
		for why, f := range map[string]outbound.Field{
			"in another table":  {Table: "sessions", Column: place.Column, Row: place.Row},
			"in another column": {Table: place.Table, Column: "name", Row: place.Row},
			"in another row":    {Table: place.Table, Column: place.Column, Row: "0191f0c4-7c00-7000-8000-000000000002"},
			"nowhere":           {},
		} {
			staysSealed(t, v, k, f, sealed, why)
		}
		dotted := seal(t, v, k, outbound.Field{Table: "a.b", Column: "c", Row: "r"}, plain)
		staysSealed(t, v, k, outbound.Field{Table: "a", Column: "b.c", Row: "r"}, dotted, "where names are cut elsewhere")
		joined := seal(t, v, k, outbound.Field{Table: "t", Column: "ab", Row: "c"}, plain)
		staysSealed(t, v, k, outbound.Field{Table: "t", Column: "a", Row: "bc"}, joined, "where names join to the same")
	}
}

func opensUnderNoOtherKey(t *testing.T, open func(*testing.T) outbound.Vault) {
	v, other := open(t), open(t)
	ada, again, bob := dataKey(t, v, "ada"), dataKey(t, v, "ada"), dataKey(t, v, "bob")
	sealed := seal(t, v, ada, place, plain)
	for why, k := range map[string]outbound.DataKey{
		"under another one of the owner's": again,
		"under another owner's":            bob,
		"under the shared one":             v.Shared(),
		"for another owner":                {Owner: "bob", Wrapped: ada.Wrapped},
		"for nobody":                       {Wrapped: ada.Wrapped},
		"under none":                       {Owner: "ada"},
		"under the shared one as owner":    {Owner: "ada", Wrapped: v.Shared().Wrapped},
	} {
		staysSealed(t, v, k, place, sealed, why)
	}
	staysSealed(t, other, ada, place, sealed, "in another vault")
	staysSealed(t, other, other.Shared(), place, seal(t, v, v.Shared(), place, plain), "in another vault")
	if got, err := other.Seal(ada, place, plain); got != nil || fault.CodeOf(err) != fault.DatabaseEncryptionFailure {
		t.Errorf("Seal in another vault = %x, %v, want DATABASE_ENCRYPTION_FAILURE alone", got, err)
	}
}

func vaultNoticesTampering(t *testing.T, open func(*testing.T) outbound.Vault) {
	v := open(t)
	for _, k := range []outbound.DataKey{dataKey(t, v, "ada"), v.Shared()} {
		sealed := seal(t, v, k, place, plain)
		spoilt(sealed, func(b []byte, how string) { staysSealed(t, v, k, place, b, "a field "+how) })
		spoilt(k.Wrapped, func(b []byte, how string) {
			staysSealed(t, v, outbound.DataKey{Owner: k.Owner, Wrapped: b}, place, sealed, "under a key "+how)
		})
	}
}

// spoilt calls fn with b changed in every byte, cut anywhere, and extended.
func spoilt(b []byte, fn func(b []byte, how string)) {
	for i := range b {
		for _, bit := range []byte{1, 0x80} {
			c := slices.Clone(b)
			c[i] ^= bit
			fn(c, fmt.Sprint("changed in byte ", i))
		}
		fn(slices.Clone(b[:i]), fmt.Sprint("cut to bytes: ", i))
	}
	fn(append(slices.Clone(b), 0), "with a byte more")
	fn(nil, "of nothing")
}

// What went wrong is nobody's business but the place's.
func failuresLookAlike(t *testing.T, open func(*testing.T) outbound.Vault) {
	v, other := open(t), open(t)
	k := dataKey(t, v, "ada")
	sealed := seal(t, v, k, place, plain)
	_, byKey := other.Open(k, place, sealed)
	_, bySeal := other.Seal(k, place, plain)
	_, byCut := v.Open(k, place, sealed[:3])
	_, byChange := v.Open(k, place, append(slices.Clone(sealed), 0))
	for i, err := range []error{bySeal, byCut, byChange} {
		if err == nil || byKey == nil || err.Error() != byKey.Error() {
			t.Errorf("failure %d reads %q, another one %q", i, err, byKey)
		}
	}
}

func sealsDifferAndShowNothing(t *testing.T, open func(*testing.T) outbound.Vault) {
	v := open(t)
	k, again := dataKey(t, v, "ada"), dataKey(t, v, "ada")
	if bytes.Equal(k.Wrapped, again.Wrapped) {
		t.Error("two new data keys are equal")
	}
	first, second := seal(t, v, k, place, plain), seal(t, v, k, place, plain)
	if bytes.Equal(first, second) {
		t.Error("one text is sealed twice to the same bytes")
	}
	if bytes.Contains(first, plain[:4]) {
		t.Error("a sealed field shows its text")
	}
}

func sharedIsAlwaysTheSame(t *testing.T, open func(*testing.T) outbound.Vault) {
	v := open(t)
	if s := v.Shared(); s.Owner != "" || len(s.Wrapped) == 0 {
		t.Errorf("the shared data key is of %q and has %d bytes", s.Owner, len(s.Wrapped))
	}
	opens(t, v, v.Shared(), place, seal(t, v, v.Shared(), place, plain), plain)
	v.Shared().Wrapped[0] ^= 1 // nobody else's copy
	opens(t, v, v.Shared(), place, seal(t, v, v.Shared(), place, plain), plain)
}

func rewrapLeavesWhatIsCurrent(t *testing.T, open func(*testing.T) outbound.Vault) {
	v, other := open(t), open(t)
	k := dataKey(t, v, "ada")
	if got, err := v.Rewrap(k); err != nil || got.Owner != k.Owner || !bytes.Equal(got.Wrapped, k.Wrapped) {
		t.Errorf("Rewrap = %v, %v, want the same", got, err)
	}
	for why, k := range map[string]outbound.DataKey{
		"of another vault": dataKey(t, other, "ada"), "of another owner": {Owner: "bob", Wrapped: k.Wrapped},
		"of nobody": {Wrapped: k.Wrapped}, "that is shared": v.Shared(), "of nothing": {Owner: "ada"},
	} {
		if got, err := v.Rewrap(k); got.Wrapped != nil || fault.CodeOf(err) != fault.DatabaseEncryptionFailure {
			t.Errorf("Rewrap of a key %s = %v, %v, want DATABASE_ENCRYPTION_FAILURE alone", why, got, err)
		}
	}
}

func signaturesAreOfOneKeyUseAndText(t *testing.T, open func(*testing.T) outbound.Vault) {
	v := open(t)
	k := dataKey(t, v, "trail")
	sign := func(k outbound.DataKey, use, text string) string {
		b, err := v.Sign(k, use, []byte(text))
		if err != nil || len(b) != 32 {
			t.Errorf("Sign = %x, %v", b, err)
		}
		return string(b)
	}
	first := sign(k, "use", "text")
	if sign(k, "use", "text") != first {
		t.Error("a text has two signatures")
	}
	for why, s := range map[string]string{
		"another text": sign(k, "use", "texu"), "another use": sign(k, "us", "etext"), "another key": sign(dataKey(t, v, "trail"), "use", "text"),
	} {
		if s == first {
			t.Errorf("%s has the same signature", why)
		}
	}
	for why, k := range map[string]outbound.DataKey{
		"of another vault": dataKey(t, open(t), "trail"), "of another owner": {Owner: "bob", Wrapped: k.Wrapped}, "that is shared": v.Shared(),
	} {
		if b, err := v.Sign(k, "use", plain); b != nil || fault.CodeOf(err) != fault.DatabaseEncryptionFailure {
			t.Errorf("Sign by a key %s = %x, %v, want DATABASE_ENCRYPTION_FAILURE", why, b, err)
		}
	}
}

func slotsAndIndexesAgree(t *testing.T, open func(*testing.T) outbound.Vault) {
	v := open(t)
	index, all := v.Index("email", "ada@example.com"), v.Indexes("email", "ada@example.com")
	if len(all) == 0 || !bytes.Equal(all[0], index) {
		t.Errorf("Indexes = %x, want %x first", all, index)
	}
	first, second := v.Slots("email", "ada@example.com")
	filling := [][]byte{nil, first, second}[v.Filling()]
	if filling == nil {
		t.Error("the slot to be filled has no key")
	}
	for _, s := range [][]byte{first, second} {
		if s != nil && !slices.ContainsFunc(all, func(b []byte) bool { return bytes.Equal(b, s) }) {
			t.Errorf("a slot has %x, which is no index", s)
		}
	}
}

func indexTellsEqualityAlone(t *testing.T, open func(*testing.T) outbound.Vault) {
	v, other := open(t), open(t)
	first := v.Index("email", "ada@example.com")
	if len(first) != 32 || !bytes.Equal(first, v.Index("email", "ada@example.com")) {
		t.Errorf("Index = %x, and another time %x", first, v.Index("email", "ada@example.com"))
	}
	for why, b := range map[string][]byte{
		"another text":               v.Index("email", "ada@example.org"),
		"another case":               v.Index("email", "Ada@example.com"),
		"another use":                v.Index("cooldown", "ada@example.com"),
		"no text":                    v.Index("email", ""),
		"a use that begins the same": v.Index("email/v1", "ada@example.com"),
		"another vault":              other.Index("email", "ada@example.com"),
	} {
		if bytes.Equal(first, b) {
			t.Errorf("%s has the same index", why)
		}
	}
	if bytes.Equal(v.Index("a", "b"), v.Index("ab", "")) {
		t.Error("use and text run into each other")
	}
}

func manySealAtOnce(t *testing.T, open func(*testing.T) outbound.Vault) {
	v := open(t)
	race(crowd, func(i int) {
		owner := fmt.Sprint("owner ", i)
		k, err := v.NewDataKey(owner)
		if err != nil {
			t.Error(err)
			return
		}
		sealed, err := v.Seal(k, place, []byte(owner))
		if err != nil {
			t.Error(err)
			return
		}
		if got, err := v.Open(k, place, sealed); err != nil || string(got) != owner {
			t.Errorf("Open = %q, %v, want %q", got, err, owner)
		}
	})
}
