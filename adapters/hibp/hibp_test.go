package hibp_test

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"gatehouse/adapters/hibp"
	"gatehouse/domain/password"
	"gatehouse/ports/outbound"
	"gatehouse/ports/outbound/outboundtest"
)

func hashOf(text string) string {
	h := sha1.Sum([]byte(text))
	return strings.ToUpper(hex.EncodeToString(h[:]))
}

var ranges = regexp.MustCompile(`^/api/range/[0-9A-F]{5}$`)

// list answers as the public server does, padding included: to whatever it is
// asked, there are rows, and the hash that is asked for is among the padding.
func list(t *testing.T, leaked []string) http.HandlerFunc {
	known := map[string][]string{}
	for _, text := range leaked {
		h := hashOf(text)
		known[h[:5]] = append(known[h[:5]], h[5:])
	}
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || !ranges.MatchString(r.URL.Path) || r.URL.RawQuery != "" || r.ContentLength > 0 {
			t.Errorf("asked %s %s", r.Method, r.URL)
		}
		if r.Header.Get("Add-Padding") != "true" || r.Header.Get("User-Agent") != "Gatehouse/1.2" {
			t.Errorf("headers %v", r.Header)
		}
		for _, suffix := range known[r.URL.Path[len("/api/range/"):]] {
			fmt.Fprintf(w, "%s:%d\r\n", suffix, 3)
		}
		fmt.Fprintf(w, "%s:0\r\n%s:7", hashOf("never leaked 1")[5:], strings.Repeat("F", 35))
	}
}

func open(t *testing.T, h http.Handler, patience time.Duration) *hibp.Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	c, err := hibp.New(hibp.Config{URL: s.URL + "/api/", UserAgent: "Gatehouse/1.2", Patience: patience})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestBreaches(t *testing.T) {
	outboundtest.Breaches(t, func(t *testing.T, leaked []string) outbound.Breaches { return open(t, list(t, leaked), 0) })
}

// The suite cannot know what is padding: here it is the very password asked for.
func TestPaddingIsNoLeak(t *testing.T) {
	for row, want := range map[string]bool{":0": false, ":00": false, ":1": true, ":10": true} {
		c := open(t, answer(hashOf("padded")[5:]+row), 0)
		if got, err := c.Breached(t.Context(), password.NewPlain("padded")); got != want || err != nil {
			t.Errorf("a row that ends in %s: Breached = %v, %v", row, got, err)
		}
	}
}

func answer(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }
}

func TestAnswersThatCannotBeBelieved(t *testing.T) {
	row := hashOf("secret")[5:] + ":9\r\n"
	full := strings.Repeat(row, 26885) + strings.Repeat("0", 35) + ":" + strings.Repeat("1", 24) + "\r\n" // 1 MiB and a byte
	for name, c := range map[string]struct {
		h    http.HandlerFunc
		want error
	}{
		"nothing":       {answer(""), hibp.ErrMalformed},
		"a page":        {answer("<html>blocked by your company</html>"), hibp.ErrMalformed},
		"no count":      {answer(row + strings.Repeat("0", 35)), hibp.ErrMalformed},
		"an odd count":  {answer(row + strings.Repeat("0", 35) + ":-1"), hibp.ErrMalformed},
		"a short row":   {answer(row + strings.Repeat("0", 34) + ":1"), hibp.ErrMalformed},
		"no hash":       {answer(row + strings.Repeat("g", 35) + ":1"), hibp.ErrMalformed},
		"a blank line":  {answer(row + "\r\n" + row), hibp.ErrMalformed},
		"too much":      {answer(full + row), hibp.ErrMalformed},
		"a long line":   {answer(row + strings.Repeat("0", 1<<17)), hibp.ErrMalformed},
		"503":           {status(503), hibp.ErrUnavailable},
		"429":           {status(429), hibp.ErrUnavailable},
		"404":           {status(404), hibp.ErrUnavailable},
		"a redirect":    {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }, hibp.ErrUnavailable},
		"half a answer": {half(row), hibp.ErrUnavailable},
	} {
		got, err := open(t, c.h, 0).Breached(t.Context(), password.NewPlain("secret"))
		if got || !errors.Is(err, c.want) {
			t.Errorf("%s: Breached = %v, %v, want %v", name, got, err, c.want)
		}
		quotesNothing(t, err)
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func half(row string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		fmt.Fprint(w, row)
	}
}

func quotesNothing(t *testing.T, err error) {
	t.Helper()
	for _, part := range []string{hashOf("secret")[:5], hashOf("secret")[5:], "secret", "range"} {
		if strings.Contains(err.Error(), part) {
			t.Errorf("the error quotes %q: %v", part, err)
		}
	}
}

func TestWaitsOnlySoLong(t *testing.T) {
	stop := make(chan struct{})
	h := func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, hashOf("secret")[5:]+":9\r\n")
		_ = http.NewResponseController(w).Flush()
		select {
		case <-stop:
		case <-r.Context().Done():
		}
	}
	defer close(stop)
	got, err := open(t, http.HandlerFunc(h), 20*time.Millisecond).Breached(t.Context(), password.NewPlain("secret"))
	if got || !errors.Is(err, hibp.ErrUnavailable) {
		t.Errorf("Breached = %v, %v", got, err)
	}
	quotesNothing(t, err)

	gone, leave := context.WithCancel(t.Context())
	leave()
	if got, err = open(t, list(t, nil), 0).Breached(gone, password.NewPlain("secret")); got || !errors.Is(err, context.Canceled) {
		t.Errorf("Breached for who has gone = %v, %v", got, err)
	}
	c, err := hibp.New(hibp.Config{URL: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err = c.Breached(t.Context(), password.NewPlain("secret")); got || !errors.Is(err, hibp.ErrUnavailable) {
		t.Errorf("Breached without a server = %v, %v", got, err)
	}
	quotesNothing(t, err)
}

func TestAsksNobodyAboutWhatIsTooLong(t *testing.T) {
	c := open(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("asked") }), 0)
	if got, err := c.Breached(t.Context(), password.NewPlain(strings.Repeat("x", 1<<20))); got || err != nil {
		t.Errorf("Breached = %v, %v", got, err)
	}
}

func TestRefusesAURLThatIsNone(t *testing.T) {
	for _, s := range []string{"", "api.example.com", "ftp://example.com", "http://example.com", "http://192.0.2.1", "https://", "https://u:p@example.com", "https://example.com?x", "https://example.com/#x", "\x00"} {
		if c, err := hibp.New(hibp.Config{URL: s}); c != nil || err == nil || s != "" && strings.Contains(err.Error(), s) {
			t.Errorf("New(%q) = %v, %v", s, c, err)
		}
	}
}

func FuzzAnswers(f *testing.F) {
	suffix := hashOf("secret")[5:]
	f.Add(suffix + ":1")
	f.Add(suffix + ":0\r\n" + suffix + ":00")
	f.Add("<html>")
	f.Fuzz(func(t *testing.T, body string) {
		got, err := hibp.Has([]byte(body), suffix)
		if got && (err != nil || !strings.Contains(strings.ToUpper(body), suffix)) {
			t.Errorf("found in %q, %v", body, err)
		}
	})
}
