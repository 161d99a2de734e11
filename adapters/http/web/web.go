// Package web holds the pages a browser gets from Gatehouse itself, embedded
// in the binary. It knows no use case and no session: pages call the API as
// any other client does.
package web

import (
	"bytes"
	"compress/gzip"
	"embed"
	"io"
	"net/http"
	"path"
	"strings"
)

// ReferencePath is where [Reference] expects to be mounted, with everything
// below it.
const ReferencePath = "/dev/api"

// policy lets the page load and call nothing but its own origin. The styles
// are inline because Swagger UI writes style attributes.
const policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; " +
	"img-src 'self' data:; connect-src 'self'"

// The scripts and styles of Swagger UI 5.35.0 (Apache-2.0, LICENSE.txt) are
// those of the npm package swagger-ui-dist, compressed with gzip -9n.
//
//go:embed reference
var reference embed.FS

// contentTypes are not asked of the mime package, which believes the machine.
var contentTypes = map[string]string{
	".css":  "text/css; charset=utf-8",
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".txt":  "text/plain; charset=utf-8",
}

// Reference returns the API reference for developers, by path: Swagger UI over
// /api/openapi, which works without a network. It is not meant for production.
func Reference() (map[string]http.Handler, error) {
	pages := map[string]http.Handler{}
	files, err := reference.ReadDir("reference")
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		b, err := reference.ReadFile(path.Join("reference", f.Name()))
		if err != nil {
			return nil, err
		}
		name, packed := strings.CutSuffix(f.Name(), ".gz")
		at := path.Join(ReferencePath, name)
		if name == "index.html" {
			at = ReferencePath
		}
		pages[at] = asset{contentTypes[path.Ext(name)], b, packed}
	}
	return pages, nil
}

// asset is an embedded file, perhaps packed with gzip.
type asset struct {
	contentType string
	body        []byte
	packed      bool
}

func (a asset) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("Content-Type", a.contentType)
	h.Set("X-Content-Type-Options", "nosniff")
	if !a.packed {
		_, _ = w.Write(a.body)
		return
	}
	h.Add("Vary", "Accept-Encoding")
	if takesGzip(r.Header.Values("Accept-Encoding")) {
		h.Set("Content-Encoding", "gzip")
		_, _ = w.Write(a.body)
		return
	}
	z, err := gzip.NewReader(bytes.NewReader(a.body))
	if err != nil {
		http.Error(w, "the file is damaged", http.StatusInternalServerError)
		return
	}
	_, _ = io.Copy(w, z) //nolint:gosec // it is our own file
}

// takesGzip reports whether gzip is named and not refused (RFC 9110 §12.5.3).
// A caller who only sends "*" gets the plain file, which is never wrong.
func takesGzip(accepted []string) bool {
	for coding := range strings.SplitSeq(strings.Join(accepted, ","), ",") {
		name, weight, _ := strings.Cut(coding, ";")
		if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
			continue
		}
		_, q, weighed := strings.Cut(weight, "=")
		return !weighed || strings.Trim(q, "0. \t") != ""
	}
	return false
}
