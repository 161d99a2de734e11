package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "gatehouse/"

// mayImport is the architecture: what each package may import, by path prefix;
// the first row that fits counts. "std" stands for the standard library, "any"
// for everything. When the code and this table disagree, the code is wrong.
var mayImport = []struct{ pkg, deps string }{
	{"domain/password/internal/gencommon", "std domain/password/internal/"}, // a program, run by go generate
	{"domain/", "std domain/ golang.org/x/text/unicode/norm"},

	{"ports/inbound", "std domain/"},
	{"ports/outbound/outboundtest", "std domain/ ports/outbound golang.org/x/text/unicode/norm"},
	{"ports/outbound", "std domain/"},

	{"application/", "std domain/ ports/inbound ports/outbound application/"},

	{"adapters/argon2/foreign", "std github.com/go-crypt/crypt golang.org/x/crypto/scrypt"},
	{"adapters/argon2", "std domain/ ports/outbound adapters/argon2/ github.com/go-crypt/crypt golang.org/x/crypto/argon2"},
	{"adapters/disk", "std domain/ ports/outbound"},
	{"adapters/fuse", "std domain/ ports/outbound github.com/FastFilter/xorfilter"},
	{"adapters/geoip", "std domain/client github.com/oschwald/maxminddb-golang/v2"},
	{"adapters/gorm/pgtest", "std github.com/jackc/pgx/v5"},
	{"adapters/gorm", "std domain/ ports/outbound gorm.io/ modernc.org/sqlite github.com/jackc/pgx/v5 github.com/pressly/goose/v3"},
	{"adapters/hibp", "std domain/ ports/outbound"},
	{"adapters/http/api", "std domain/factor domain/password domain/secret github.com/getkin/kin-openapi github.com/labstack/echo/v4 github.com/oapi-codegen/runtime"},
	{"adapters/http/web", "std"},
	{"adapters/http", "std domain/ ports/inbound ports/outbound adapters/http/ github.com/labstack/echo/v4 github.com/getkin/kin-openapi github.com/oapi-codegen/runtime github.com/mileusna/useragent"},
	{"adapters/i18n", "std github.com/BurntSushi/toml github.com/nicksnyder/go-i18n/v2 golang.org/x/text/language"},
	{"adapters/jwx", "std domain/ ports/outbound github.com/lestrrat-go/jwx/v2/jwa github.com/lestrrat-go/jwx/v2/jws github.com/maypok86/otter/v2"},
	{"adapters/ledger", "std domain/ ports/outbound"},
	{"adapters/mail/mailtest", "std github.com/emersion/go-smtp"},
	{"adapters/mail", "std domain/ ports/outbound github.com/wneessen/go-mail"},
	{"adapters/masterkey", "std domain/ ports/outbound"},
	{"adapters/memory", "std domain/ ports/outbound"},
	{"adapters/otel", "std domain/ ports/outbound go.opentelemetry.io/otel"},
	{"adapters/picture", "std domain/ ports/outbound golang.org/x/image/draw golang.org/x/image/webp golang.org/x/sync/semaphore"},
	{"adapters/portable", "std domain/ ports/inbound filippo.io/age"},
	{"adapters/prometheus", "std domain/ ports/outbound github.com/prometheus/client_golang"},
	{"adapters/qr", "std domain/secret ports/outbound github.com/boombuler/barcode"},
	{"adapters/redis/redistest", "std"},
	{"adapters/redis", "std domain/ ports/outbound github.com/redis/rueidis"},
	{"adapters/s3/s3test", "std"},
	{"adapters/s3", "std domain/ ports/outbound github.com/minio/minio-go/v7"},
	{"adapters/telemetry", "std domain/ ports/outbound"},
	{"adapters/totp", "std domain/ ports/outbound github.com/pquerna/otp"},
	{"adapters/transit", "std domain/ ports/outbound"},
	{"adapters/vault", "std domain/ ports/outbound"},
	{"adapters/webauthn/webauthntest", "std github.com/descope/virtualwebauthn"},
	{"adapters/webauthn", "std domain/ ports/outbound github.com/go-webauthn/webauthn/protocol github.com/go-webauthn/webauthn/webauthn"},

	{"locales", "std"},
	{"configs", "std"},
	{"cmd/", "any"},
}

// notInDomain are standard packages that would make the core impure.
var notInDomain = []string{
	"context", "crypto/rand", "database/sql", "encoding/json", "log", "math/rand", "math/rand/v2", "net", "net/http", "os", "testing",
}

// generator is the one package below domain that runs by itself.
const generator = "domain/password/internal/gencommon"

type importer struct {
	ImportPath string
	Imports    []string
}

func TestPackagesImportWhatTheArchitectureAllows(t *testing.T) {
	for _, p := range list(t, module+"...") {
		for _, complaint := range violations(p) {
			t.Error(complaint)
		}
	}
}

func TestTheArchitectureTestSeesViolations(t *testing.T) {
	for _, c := range []struct{ pkg, imports, want string }{
		{"domain/email", "gatehouse/ports/outbound", "must not import"},
		{"domain/email", "context", "must stay pure"},
		{"domain/email", "github.com/google/uuid", "must not import"},
		{"application/session", "gatehouse/adapters/jwx", "must not import"},
		{"adapters/mail", "gatehouse/application/outbox", "must not import"},
		{"adapters/mail", "gatehouse/adapters/i18n", "must not import"},
		{"adapters/jwx", "github.com/lestrrat-go/jwx/v2/jwt", "must not import"},
		{"util", "strings", "has no rule"},
	} {
		got := violations(importer{module + c.pkg, []string{c.imports}})
		if len(got) != 1 || !strings.Contains(got[0], c.want) {
			t.Errorf("%s importing %s: %q, want %q", c.pkg, c.imports, got, c.want)
		}
	}
}

// onlyInTests are packages of others that no program of ours needs.
var onlyInTests = []string{"testing", "net/http/httptest", "github.com/Shopify/toxiproxy/v2", "github.com/emersion/go-smtp", "github.com/descope/virtualwebauthn"}

// Nothing made for tests may end up in the binary, not even indirectly.
func TestTheBinaryLinksNoTestCode(t *testing.T) {
	for _, p := range list(t, "-deps", ".") {
		name := p.ImportPath[strings.LastIndex(p.ImportPath, "/")+1:]
		ours := strings.HasPrefix(p.ImportPath, module)
		if slices.Contains(onlyInTests, p.ImportPath) || ours && strings.HasSuffix(name, "test") {
			t.Errorf("gatehouse links %s", p.ImportPath)
		}
	}
}

func list(t *testing.T, args ...string) (all []importer) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", append([]string{"list", "-json=ImportPath,Imports"}, args...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p importer
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func violations(p importer) (out []string) {
	pkg := strings.TrimPrefix(p.ImportPath, module)
	deps, ok := depsOf(pkg)
	if !ok {
		return []string{pkg + " has no rule in mayImport"}
	}
	pure := strings.HasPrefix(pkg, "domain/") && pkg != generator
	for _, imp := range p.Imports {
		if !allowed(deps, imp) {
			out = append(out, pkg+" must not import "+imp)
		}
		if pure && slices.Contains(notInDomain, imp) {
			out = append(out, pkg+" must stay pure: no "+imp)
		}
	}
	return out
}

func depsOf(pkg string) (string, bool) {
	for _, r := range mayImport {
		if within(pkg, r.pkg) {
			return r.deps, true
		}
	}
	return "", false
}

func allowed(deps, imp string) bool {
	ours, isOurs := strings.CutPrefix(imp, module)
	first, _, _ := strings.Cut(imp, "/")
	isStd := !isOurs && !strings.Contains(first, ".")
	for d := range strings.FieldsSeq(deps) {
		switch {
		case d == "any", d == "std" && isStd, isOurs && within(ours, d), !isOurs && !isStd && within(imp, d):
			return true
		}
	}
	return false
}

// within reports whether a package is what prefix names, or below it.
func within(pkg, prefix string) bool {
	return pkg == prefix || strings.HasPrefix(pkg, strings.TrimSuffix(prefix, "/")+"/")
}
