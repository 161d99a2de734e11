package mail_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/adapters/mail"
	"gatehouse/domain/notice"
)

var noon = time.Date(2028, 2, 29, 12, 0, 0, 0, time.UTC)

func TestAPreviewHoldsEveryMailInEveryLanguage(t *testing.T) {
	dir, langs := filepath.Join(t.TempDir(), "made", "here"), catalogue(t).Languages()
	if err := renderer(t).Preview(dir, langs, noon); err != nil {
		t.Fatal(err)
	}
	index, err := os.ReadFile(filepath.Join(dir, "index.html"))
	if err != nil {
		t.Fatal(err)
	}
	var linked []string
	for _, m := range regexp.MustCompile(`href="([^"]+)"`).FindAllStringSubmatch(string(index), -1) {
		linked = append(linked, m[1])
	}
	var there []string
	err = fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && path != "index.html" {
			there = append(there, path)
		}
		return err
	})
	slices.Sort(linked)
	slices.Sort(there)
	if err != nil || !slices.Equal(linked, there) || len(there) != 2*len(langs)*len(notice.Kinds()) {
		t.Errorf("%v: %d files, %d links", err, len(there), len(linked))
	}
	for _, kind := range notice.Kinds() {
		m, err := renderer(t).Render(mail.Sample(kind, "de", noon))
		if err != nil {
			t.Fatal(err)
		}
		for path, want := range map[string]string{"de/" + string(kind) + ".html": m.HTML, "de/" + string(kind) + ".txt": m.Text} {
			if got, err := os.ReadFile(filepath.Join(dir, path)); err != nil || string(got) != want {
				t.Errorf("%s: %v, %s", path, err, got)
			}
		}
	}
}

func TestAPreviewWritesOverNothing(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ".hidden"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := renderer(t).Preview(dir, []string{"en"}, noon); !errors.Is(err, mail.ErrNotEmpty) {
		t.Errorf("got %v", err)
	}
	if all, err := os.ReadDir(dir); err != nil || len(all) != 1 {
		t.Errorf("%v, %v", all, err)
	}
	if err := renderer(t).Preview(filepath.Join(dir, ".hidden"), []string{"en"}, noon); err == nil {
		t.Error("wrote into a file")
	}
}

func TestASampleLeavesNothingOut(t *testing.T) {
	for _, kind := range notice.Kinds() {
		of, _ := kind.Contents()
		m, err := renderer(t).Render(mail.Sample(kind, "en", noon))
		if err != nil {
			t.Fatal(err)
		}
		for want, there := range map[string]bool{
			"Hello Ada Lovelace,": true, "sample-token": of.Link != notice.NoPage, "407129": of.Code, "Paris, FR": of.Origin,
			"2028-02-29 12:00 UTC": of.Origin, "Example Login": of.Provider, "Authenticator app": of.Factor,
		} {
			if strings.Contains(m.Text, want) != there {
				t.Errorf("%s holds %q: %v, want %v", kind, want, !there, there)
			}
		}
	}
}
