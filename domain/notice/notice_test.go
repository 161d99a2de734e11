package notice_test

import (
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gatehouse/domain/client"
	"gatehouse/domain/email"
	"gatehouse/domain/notice"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
)

var noon = time.Date(2028, 2, 29, 12, 0, 0, 0, time.UTC)

func ada(t *testing.T) *principal.Principal {
	t.Helper()
	a, broken := email.Parse("Ada@example.com")
	if broken != nil {
		t.Fatal(broken)
	}
	return principal.NewUser("u1", "Ada", a, password.NewHash("h"), noon)
}

func TestANoticeKeepsTheRecipientOfItsMoment(t *testing.T) {
	p := ada(t)
	n := notice.To(p, notice.LoginAlert, "n1", "de", noon)
	elsewhere, _ := email.Parse("ada@elsewhere.example")
	p.VerifyEmail(elsewhere)
	p.Rename("Eve")
	if n.To.Typed() != "Ada@example.com" || n.Name != "Ada" || n.Principal != "u1" || n.Kind != notice.LoginAlert || n.ID != "n1" ||
		n.Locale != "de" || !n.CreatedAt.Equal(noon) || !n.ExpiresAt.Equal(noon.Add(24*time.Hour)) || !n.Token.Missing() {
		t.Errorf("notice = %+v", n)
	}
}

func TestANoticeIsWorthNoMoreThanItsLink(t *testing.T) {
	plain := notice.To(ada(t), notice.EmailVerification, "n1", "en", noon)
	for ttl, want := range map[time.Duration]time.Duration{
		time.Hour: time.Hour, 24 * time.Hour: 24 * time.Hour, 72 * time.Hour: 24 * time.Hour,
	} {
		n := plain.Linking(secret.New("t"), ttl)
		if !n.ExpiresAt.Equal(noon.Add(want)) || n.Valid != ttl || n.Token.Reveal() != "t" {
			t.Errorf("good for %v: %+v", ttl, n)
		}
	}
	if !plain.Token.Missing() || plain.Valid != 0 {
		t.Error("Linking changed its receiver")
	}
}

func TestCausedByReturnsACopy(t *testing.T) {
	plain := notice.To(ada(t), notice.LoginAlert, "n1", "en", noon)
	from := client.Info{Device: client.Device{Browser: "Firefox"}}
	if n := plain.CausedBy(from); n.From != from || plain.From != (client.Info{}) {
		t.Errorf("notice = %+v, of %+v", n, plain)
	}
}

func TestKindsListsEveryConstant(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "kinds.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var declared []notice.Kind
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		if of, ok := spec.Type.(*ast.Ident); !ok || of.Name != "Kind" {
			return true
		}
		if lit, ok := spec.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
			s, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			declared = append(declared, notice.Kind(s))
		}
		return true
	})
	listed := notice.Kinds()
	slices.Sort(declared)
	slices.Sort(listed)
	if !slices.Equal(declared, listed) {
		t.Errorf("declared %q\nbut listed %q", declared, listed)
	}
}

// The kinds, their order and their switches are those of the contract.
func TestKindsAreThoseOfTheContract(t *testing.T) {
	contract, err := os.ReadFile("../../docs/contract/api.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(contract), "\n## 8 Mails\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var want, got []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_.]+)` \\|.*\\| (.+) \\|$").FindAllStringSubmatch(section, -1) {
		want = append(want, row[1]+" "+strings.Trim(row[2], "`"))
	}
	for _, kind := range notice.Kinds() {
		of, ok := kind.Contents()
		if !ok {
			t.Errorf("%s is listed and yet unknown", kind)
		}
		got = append(got, string(kind)+" "+cmp.Or(of.Switch, "–"))
	}
	if !slices.Equal(got, want) {
		t.Errorf("kinds and switches are\n%q\nin the contract\n%q", got, want)
	}
	if of, ok := notice.Kind("security_alert").Contents(); ok || of != (notice.Contents{}) {
		t.Errorf("an unknown kind carries %+v", of)
	}
}
