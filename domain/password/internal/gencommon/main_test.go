package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestTheCommittedListIsTheGeneratedOne(t *testing.T) {
	committed, err := os.ReadFile("../../common.txt")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "common.txt")
	if err := run([]string{file}); err != nil {
		t.Fatal(err)
	}
	generated, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(committed, generated) {
		t.Error("common.txt is stale: run go generate in domain/password")
	}
}

func TestACallWithoutAFileIsRefused(t *testing.T) {
	for _, args := range [][]string{nil, {"a", "b"}, {filepath.Join(t.TempDir(), "no", "such", "folder")}} {
		if run(args) == nil {
			t.Errorf("run(%q) succeeds", args)
		}
	}
}
