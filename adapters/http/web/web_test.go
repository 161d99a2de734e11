package web_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"gatehouse/adapters/http/web"
)

func get(t testing.TB, path, encoding string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	if encoding != "" {
		r.Header.Set("Accept-Encoding", encoding)
	}
	w := httptest.NewRecorder()
	page, ok := reference(t)[path]
	if !ok {
		t.Fatalf("nothing is at %s", path)
	}
	page.ServeHTTP(w, r)
	return w
}

func TestReferenceServesItsFilesWithTheirTypes(t *testing.T) {
	for path, contentType := range map[string]string{
		"":                                  "text/html; charset=utf-8",
		"/init.js":                          "text/javascript; charset=utf-8",
		"/swagger-ui-bundle.js":             "text/javascript; charset=utf-8",
		"/swagger-ui.css":                   "text/css; charset=utf-8",
		"/LICENSE.txt":                      "text/plain; charset=utf-8",
		"/NOTICE.txt":                       "text/plain; charset=utf-8",
		"/swagger-ui-bundle.js.LICENSE.txt": "text/plain; charset=utf-8",
	} {
		w := get(t, web.ReferencePath+path, "gzip, deflate, br")
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != contentType || w.Body.Len() == 0 {
			t.Errorf("%q: %d %s, %d bytes", path, w.Code, w.Header().Get("Content-Type"), w.Body.Len())
		}
		csp := w.Header().Get("Content-Security-Policy")
		if !strings.HasPrefix(csp, "default-src 'none'; script-src 'self';") {
			t.Errorf("%q has the policy %q", path, csp)
		}
	}
}

func reference(t testing.TB) map[string]http.Handler {
	t.Helper()
	pages, err := web.Reference()
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

func TestReferenceHasNothingElse(t *testing.T) {
	for _, path := range []string{"/", "/dev/api/", "/dev/api/index.html", "/dev/api/swagger-ui.css.gz", "/dev/api/none", "/dev/apix"} {
		if _, ok := reference(t)[path]; ok {
			t.Errorf("something is at %s", path)
		}
	}
}

func TestPackedFilesAreUnpackedForClientsWithoutGzip(t *testing.T) {
	for _, path := range []string{"/dev/api/swagger-ui-bundle.js", "/dev/api/swagger-ui.css"} {
		packed := get(t, path, "gzip")
		z, err := gzip.NewReader(packed.Body)
		if err != nil {
			t.Fatal(err)
		}
		want, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		for encoding, zipped := range map[string]bool{
			"": false, "identity": false, "br": false, "*": false, "gzip;q=0": false, "gzip; q=0.000": false, "x-gzip": false,
			"gzip": true, "GZIP": true, "br, gzip": true, "gzip;q=0.1": true, "gzip ; q=1.0": true, "deflate;q=0,gzip": true,
		} {
			w := get(t, path, encoding)
			if got := w.Header().Get("Content-Encoding") == "gzip"; got != zipped {
				t.Errorf("%s for %q is packed: %t", path, encoding, got)
			}
			if w.Header().Get("Vary") != "Accept-Encoding" {
				t.Errorf("%s does not vary", path)
			}
			if !zipped && !bytes.Equal(w.Body.Bytes(), want) {
				t.Errorf("%s for %q is damaged", path, encoding)
			}
		}
	}
}

// The policy forbids inline scripts and other origins, so the page must have none.
func TestPageKeepsItsOwnPolicy(t *testing.T) {
	page := get(t, web.ReferencePath, "").Body.String()
	for _, tag := range regexp.MustCompile(`<script[^>]*>[^<]*`).FindAllString(page, -1) {
		if !regexp.MustCompile(`^<script src="/dev/api/[^"]+">$`).MatchString(tag) {
			t.Errorf("%s is inline or foreign", tag)
		}
	}
	for _, link := range regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page, -1) {
		if strings.HasPrefix(link[1], web.ReferencePath+"/") && get(t, link[1], "").Code != http.StatusOK {
			t.Errorf("%s is not served", link[1])
		}
	}
	if regexp.MustCompile(`https?://|\son[a-z]+=`).MatchString(page) {
		t.Error("the page calls elsewhere, or has an inline handler")
	}
	if script := get(t, "/dev/api/init.js", "").Body.String(); !strings.Contains(script, "validatorUrl: null") {
		t.Error("the document would be sent to a validator")
	}
}

func FuzzAcceptEncoding(f *testing.F) {
	h, err := web.Reference()
	if err != nil {
		f.Fatal(err)
	}
	f.Add("gzip;q=0, *;q=1")
	f.Add(";=,gzip;;q==")
	f.Fuzz(func(t *testing.T, encoding string) {
		r := httptest.NewRequest(http.MethodGet, "/dev/api/swagger-ui.css", nil)
		r.Header["Accept-Encoding"] = []string{encoding}
		w := httptest.NewRecorder()
		h["/dev/api/swagger-ui.css"].ServeHTTP(w, r)
		zipped := bytes.HasPrefix(w.Body.Bytes(), []byte{0x1f, 0x8b})
		if w.Code != http.StatusOK || zipped != (w.Header().Get("Content-Encoding") == "gzip") {
			t.Fatalf("%q: %d, packed %t", encoding, w.Code, zipped)
		}
		if zipped && !strings.Contains(strings.ToLower(encoding), "gzip") {
			t.Fatalf("%q did not ask for gzip", encoding)
		}
	})
}
