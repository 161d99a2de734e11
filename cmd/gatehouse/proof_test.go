package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// harmful are the faults that the suite has to prove, wherever a part of the
// proof stands.
const harmful = "F01 F02 F03 F05 F06 F07 F13 F14 F15 F16 F17 F18 F19 F20 F21 F22 F23 F24 F25 F26 F27 F28 F29 F30 F31 F32 " +
	"F33 F34 F35 F36 F37 F38 F39 F46 F56 F57 F58 F59 F60 F63 F64 F65 F66 F67 F68 F69 F70 F71 F73 F77 F78 F79 F80 F81 F82 F83 F84 " +
	"F86 F87 F88 F89 F90 F97"

// What the page says proves a fault is there, under the name it says.
func TestEveryProofThatIsNamedExists(t *testing.T) {
	page, err := os.ReadFile("../../docs/faults-proof.md")
	must(t, err)
	tests := testsOfAll(t)
	named := map[string]bool{}
	for _, name := range regexp.MustCompile(`\b(Test|Fuzz)\w+`).FindAllString(string(page), -1) {
		named[name] = true
		if !tests[name] {
			t.Errorf("there is no %s", name)
		}
	}
	for id := range strings.FieldsSeq(harmful) {
		if !regexp.MustCompile(`(?m)^\| ` + id + ` .*\bTest\w`).Match(page) {
			t.Errorf("nothing proves %s", id)
		}
	}
	about := regexp.MustCompile(`^Test[FQ]\d`)
	for name := range tests {
		if about.MatchString(name) && !named[name] {
			t.Errorf("the page does not name %s", name)
		}
	}
}

func TestEveryProofOfSecondFactorsExists(t *testing.T) {
	page, err := os.ReadFile("../../docs/second-factors.md")
	must(t, err)
	tests, rows := testsOfAll(t), 0
	for _, name := range regexp.MustCompile(`\b(Test|Fuzz)\w+`).FindAllString(string(page), -1) {
		if rows++; !tests[name] {
			t.Errorf("there is no %s", name)
		}
	}
	if rows < 40 {
		t.Errorf("the page names %d tests", rows)
	}
}

// testsOfAll is the name of every test and fuzz target there is.
func testsOfAll(t *testing.T) map[string]bool {
	t.Helper()
	tests := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
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
	return tests
}
