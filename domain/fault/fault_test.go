package fault_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"slices"
	"strconv"
	"testing"
	"time"

	"gatehouse/domain/fault"
)

func ExampleCodeOf() {
	err := fmt.Errorf("change password: %w", fault.New(fault.TooManyAttempts).RetryIn(time.Minute))
	fmt.Println(fault.CodeOf(err), errors.Is(err, fault.TooManyAttempts))
	fmt.Println(fault.CodeOf(io.ErrUnexpectedEOF))
	// Output:
	// TOO_MANY_ATTEMPTS true
	// INTERNAL_ERROR
}

func TestFaultsAreImmutable(t *testing.T) {
	base := fault.Invalid("name", fault.RuleNotBlank)
	_ = base.On("email", fault.RuleEmail).RetryIn(time.Hour).Because(io.EOF)
	if len(base.Broken()) != 1 || base.Wait() != 0 || errors.Is(base, io.EOF) {
		t.Fatal("On, RetryIn or Because changed the receiver")
	}
	base.Broken()[0].Field = "changed"
	if base.Broken()[0].Field != "name" {
		t.Fatal("Broken hands out the fault's own slice")
	}
	if err := base.Because(io.EOF); !errors.Is(err, io.EOF) || !errors.Is(err, fault.InvalidRequest) {
		t.Fatal("the cause or the code is out of reach")
	}
}

func TestListsNameEveryConstant(t *testing.T) {
	codes := make([]string, 0, len(fault.Codes()))
	for _, c := range fault.Codes() {
		codes = append(codes, string(c))
	}
	rules := make([]string, 0, len(fault.Rules()))
	for _, r := range fault.Rules() {
		rules = append(rules, string(r))
	}
	for file, listed := range map[string][]string{"codes.go": codes, "rules.go": rules} {
		declared := constantsOf(t, file)
		slices.Sort(declared)
		slices.Sort(listed)
		if !slices.Equal(declared, listed) {
			t.Errorf("%s declares %q\nbut lists %q", file, declared, listed)
		}
	}
}

func constantsOf(t *testing.T, file string) (values []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			for _, v := range spec.Values {
				if lit, ok := v.(*ast.BasicLit); ok {
					s, err := strconv.Unquote(lit.Value)
					if err != nil {
						t.Fatal(err)
					}
					values = append(values, s)
				}
			}
		}
		return true
	})
	return values
}
