package http_test

import (
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	adapter "gatehouse/adapters/http"
	"gatehouse/domain/fault"
	"gatehouse/ports/inbound"
)

// FuzzABodyThatIsTakenKeepsItsStrings decodes what the reader takes: no string
// may come out changed, or two passwords could become equal.
func FuzzABodyThatIsTakenKeepsItsStrings(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"a":"b"}`, `"\ud83d\ude00"`, `"\ud83d"`, `"\ude00\ud83d"`, `"\\ud83d"`, "\"\xff\"", "\"\ufffd\"", `"\ufffd"`, `[[[[]]]]`, `"\u0000"`, `{"a":1} x`,
		strings.Repeat("[", 40), `"\"[[["`, `"\ud83d\u0041"`, `"\uD83D\uDE00"`, `"\ud83d\ud83d\ude00"`, "\"\xed\xa0\x80\"",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if !adapter.WellFormed(b) {
			return
		}
		var v any
		if !utf8.Valid(b) || json.Unmarshal(b, &v) != nil {
			t.Fatalf("%q is taken", b)
		}
		if depthOf(v) > 32 {
			t.Errorf("%q is %d deep", b, depthOf(v))
		}
		meant := strings.Count(string(b), "\ufffd") + strings.Count(strings.ToLower(string(b)), `\ufffd`)
		if got := replaced(v); got > meant {
			t.Errorf("%q gets %d replacement characters, %d were sent", b, got, meant)
		}
		again, err := json.Marshal(v)
		if err != nil || !adapter.WellFormed(again) {
			t.Errorf("%q became %q, %v", b, again, err)
		}
	})
}

func depthOf(v any) (deepest int) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			deepest = max(deepest, depthOf(e))
		}
		return deepest + 1
	case map[string]any:
		for _, e := range v {
			deepest = max(deepest, depthOf(e))
		}
		return deepest + 1
	}
	return 0
}

func replaced(v any) (n int) {
	switch v := v.(type) {
	case string:
		return strings.Count(v, "\ufffd")
	case []any:
		for _, e := range v {
			n += replaced(e)
		}
	case map[string]any:
		for k, e := range v {
			n += replaced(k) + replaced(e)
		}
	}
	return n
}

func FuzzReadingABodyNeverFailsOtherwise(f *testing.F) {
	f.Add("application/json", "", []byte(`{}`), true)
	f.Add("application/json; charset=x", "gzip", []byte(`{`), false)
	f.Fuzz(func(t *testing.T, kind, encoding string, b []byte, required bool) {
		r := httptest.NewRequest("POST", "/", strings.NewReader(string(b)))
		r.Header.Set("Content-Type", kind)
		r.Header.Set("Content-Encoding", encoding)
		got, err := adapter.ReadJSON(r, required)
		if err == nil && string(got) != string(b) {
			t.Errorf("%q became %q", b, got)
		}
		if err == nil && len(b) == 0 && required {
			t.Error("a required body may not be absent")
		}
	})
}

func FuzzForwardedAddresses(f *testing.F) {
	f.Add("198.51.100.1, 10.0.0.1")
	f.Add("::ffff:1.2.3.4,fe80::1%x")
	f.Add(",,,\x00")
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	f.Fuzz(func(t *testing.T, sent string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("X-Forwarded-For", sent)
		r.RemoteAddr = "192.0.2.1:1"
		if got := adapter.ClientAddress(trusted, r); got != "192.0.2.1" {
			t.Fatalf("an untrusted peer is believed: %q", got)
		}
		r.RemoteAddr = "10.0.0.1:1"
		got := adapter.ClientAddress(trusted, r)
		if ip, err := netip.ParseAddr(got); err != nil || ip.Zone() != "" || ip.Is4In6() {
			t.Errorf("%q became %q", sent, got)
		}
		entries := strings.Split(sent, ",")
		last, err := netip.ParseAddr(strings.TrimSpace(entries[len(entries)-1]))
		if err == nil && !trusted[0].Contains(last.Unmap()) && got != last.Unmap().WithZone("").String() {
			t.Errorf("%q became %q, the right-most is %s", sent, got, last)
		}
	})
}

func FuzzLanguages(f *testing.F) {
	for _, s := range []string{"de", "de_AT", "../../etc/passwd", "*", "x;q=9", "en-\x00", strings.Repeat("de,", 500)} {
		f.Add(s, s)
	}
	var refusal error = fault.New(fault.InvalidCredentials)
	w := newWorld(f, with(func(d *adapter.Deps) {
		d.Limits.Enabled, d.Log = false, slog.New(slog.DiscardHandler)
		d.SignIn = refusing[inbound.SignIn, inbound.SignedIn](&refusal)
	}))
	f.Fuzz(func(t *testing.T, accept, locale string) {
		r := httptest.NewRequest("POST", "/api/auth/login?locale="+url.QueryEscape(locale), strings.NewReader(`{"email":"a","password":"b"}`))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept-Language", accept)
		rec := httptest.NewRecorder()
		w.server.Config.Handler.ServeHTTP(rec, r)
		if rec.Code != 401 && rec.Code != 400 {
			t.Errorf("%q, %q: %d %s", accept, locale, rec.Code, rec.Body)
		}
		if lang := rec.Header().Get("Content-Language"); !slices.Contains(words().Languages(), lang) {
			t.Errorf("%q, %q: Content-Language %q", accept, locale, lang)
		}
	})
}
