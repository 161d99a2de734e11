package main

import (
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"gatehouse/domain/secret"
)

// rereads fails unless what is shown of a value is read as the same value.
func rereads(t *testing.T, value any) {
	t.Helper()
	again, err := read(reflect.TypeOf(value), show(value))
	if err != nil || !reflect.DeepEqual(again, value) {
		t.Errorf("%#v is shown as %q, which reads as %#v, %v", value, show(value), again, err)
	}
}

func FuzzSize(f *testing.F) {
	for _, seed := range []string{"0", "65536", "64KiB", "5 MiB", "1GiB", "-1", "+7", "9223372036854775807KiB", "MiB", "1kib", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := readSize(text)
		if err != nil {
			return
		}
		if s < 0 {
			t.Errorf("%q is %d", text, s)
		}
		rereads(t, s)
	})
}

func FuzzList(f *testing.F) {
	for _, seed := range []string{"", ",", "de", " de , en ,,", "a\tb", "\u00a0x\u00a0", "\xff,\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list := readList(text)
		if slices.ContainsFunc(list, func(item string) bool { return item == "" || item != strings.TrimSpace(item) }) {
			t.Errorf("%q is %q", text, list)
		}
		rereads(t, list)
	})
}

// What is shown of a location has no place left where a password may be, as
// it should be written or misplaced because it was not percent-encoded.
func FuzzLocation(f *testing.F) {
	for _, seed := range []string{
		"", "disabled:", "sqlite:///srv/a@b.db", "sqlite://relative.db", "smtp://u:p%40w@h:25", "smtp:u:pw@h", "u:pw@h", "//u:pw@h",
		"postgres://u:pw@h/db?sslmode=require&password=pw", "smtp://u:12#pw@h", "smtp://u:12/pw@h", "smtp://u:12?pw@h", "smtp://u:p w@h", "%zz",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l := location{secret.New(text)}
		shown := l.shown()
		if shown == "" || shown == l.String() {
			return
		}
		u, err := url.Parse(shown)
		if err != nil {
			t.Fatalf("%q is shown as %q, which is no URL", text, shown)
		}
		password, ok := u.User.Password()
		query, err := url.QueryUnescape(u.RawQuery)
		if ok && password != "xxxxx" || query != "" && query != "…" || err != nil ||
			u.Opaque != "" || strings.Contains(u.Fragment, "@") && u.Host != "" || strings.Contains(u.Path, "@") && u.Host != "" {
			t.Errorf("%q is shown as %q", text, shown)
		}
	})
}
