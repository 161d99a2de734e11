package avatar_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"gatehouse/domain/avatar"
)

var (
	first = time.Date(2026, 7, 27, 10, 15, 30, 0, time.UTC)
	later = first.Add(time.Hour)
)

func picture(t avatar.Type) avatar.Picture {
	p := avatar.Picture{Type: t}
	for _, s := range avatar.Sizes() {
		p.Renditions[s] = avatar.Pixels{Side: s.Longest(), Content: []byte("bytes of " + s.String())}
	}
	return p
}

func TestAnotherPictureKeepsTheAvatar(t *testing.T) {
	before := avatar.New("id", "one", picture(avatar.JPEG), first)
	after := before.Show("two", picture(avatar.PNG), later)
	if after.ID != "id" || !after.CreatedAt.Equal(first) || !after.UpdatedAt.Equal(later) || after.Key != "two" || after.Type != avatar.PNG {
		t.Errorf("got %+v", after)
	}
	for i, f := range after.Files() {
		if f == before.Files()[i] || after.Check() != nil {
			t.Errorf("the new picture has the file %+v, as the old one", f)
		}
	}
}

func TestTimeDoesNotTurnBackForAnAvatar(t *testing.T) {
	a := avatar.New("id", "one", picture(avatar.PNG), later).Show("two", picture(avatar.PNG), first)
	if err := a.Check(); err != nil || !a.UpdatedAt.Equal(later) || a.Key != "two" {
		t.Errorf("got %+v (%v)", a, err)
	}
}

func TestFilesAreThoseOfTheRenditions(t *testing.T) {
	got := avatar.New("id", "k", picture(avatar.PNG), first).Files()
	want := []avatar.File{
		{Key: "k-small.png", Type: avatar.PNG, Bytes: 14},
		{Key: "k-medium.png", Type: avatar.PNG, Bytes: 15},
		{Key: "k-large.png", Type: avatar.PNG, Bytes: 14},
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %+v, want %+v", got[i], want[i])
		}
	}
}

func TestWhatCannotHaveBeenStoredIsInvalid(t *testing.T) {
	if err := (avatar.Avatar{}).Check(); err != nil {
		t.Errorf("no avatar: %v", err)
	}
	for name, spoil := range map[string]func(*avatar.Avatar){
		"no id":        func(a *avatar.Avatar) { a.ID = "" },
		"another type": func(a *avatar.Avatar) { a.Type = "image/svg+xml" },
		"no key":       func(a *avatar.Avatar) { a.Key = "" },
		"a path":       func(a *avatar.Avatar) { a.Key = "a/b" },
		"empty":        func(a *avatar.Avatar) { a.Renditions[avatar.Small].Bytes = 0 },
		"too large":    func(a *avatar.Avatar) { a.Renditions[avatar.Medium].Side = 513 },
		"never made":   func(a *avatar.Avatar) { a.CreatedAt = time.Time{} },
		"turned back":  func(a *avatar.Avatar) { a.UpdatedAt = first.Add(-time.Second) },
	} {
		a := avatar.New("id", "key", picture(avatar.JPEG), first)
		if spoil(&a); a.Check() == nil {
			t.Errorf("%s: is valid", name)
		}
	}
}

func FuzzKeysAreThoseOfTheContract(f *testing.F) {
	for _, s := range []string{
		"", "a", "-a", "a/b", "a..b", "../a", ".a", "a\\b", "A", "ä", "a\n", "a%2f", "0-small.jpg", strings.Repeat("a", 128), strings.Repeat("a", 129),
	} {
		f.Add(s)
	}
	contract := regexp.MustCompile(`\A[a-z0-9][a-z0-9._-]{0,127}\z`)
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := avatar.IsKey(s), contract.MatchString(s); got != want {
			t.Errorf("%q: %v, want %v", s, got, want)
		}
	})
}
