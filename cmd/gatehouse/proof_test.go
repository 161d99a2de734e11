package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What the page says proves a fault is there, under the name it says.
func TestEveryProofThatIsNamedExists(t *testing.T) {
	page, err := os.ReadFile("../../docs/faults-proof.md")
	must(t, err)
	tests := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	must(t, filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		code, err := os.ReadFile(path)
		for _, m := range function.FindAllSubmatch(code, -1) {
			tests[string(m[1])] = true
		}
		return err
	}))
	named := map[string]bool{}
	for _, name := range regexp.MustCompile(`\bTest\w+`).FindAllString(string(page), -1) {
		named[name] = true
		if !tests[name] {
			t.Errorf("there is no %s", name)
		}
	}
	about := regexp.MustCompile(`^Test[FQ]\d`)
	for name := range tests {
		if about.MatchString(name) && !named[name] {
			t.Errorf("the page does not name %s", name)
		}
	}
}
