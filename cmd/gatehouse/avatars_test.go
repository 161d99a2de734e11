package main

import (
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/adapters/s3/s3test"
)

func TestPicturesAreWhereTheSettingSays(t *testing.T) {
	server := s3test.New("pictures", "AKIDTEST")
	on := httptest.NewServer(server)
	t.Cleanup(on.Close)
	data := t.TempDir()
	for name, environ := range map[string][]string{
		"folder": nil,
		"bucket": {
			"GATEHOUSE_AVATARS_STORAGE=s3://pictures/of/users?endpoint=" + on.URL,
			"GATEHOUSE_AVATARS_S3_ACCESS_KEY=AKIDTEST", "GATEHOUSE_AVATARS_S3_SECRET_KEY=not-a-real-secret",
		},
	} {
		cfg, err := loadConfig("", nil, append(environ, "GATEHOUSE_DATA_DIR="+data), quiet)
		must(t, err)
		p, err := newPictures(&foundation{cfg: cfg, log: quiet})
		must(t, err)
		must(t, p.storage.Put(t.Context(), name, "image/png", []byte("one")))
		must(t, p.close())
	}
	inFolder, err := filepath.Glob(filepath.Join(data, "avatars", "[a-z]*"))
	must(t, err)
	if len(inFolder) != 1 || filepath.Base(inFolder[0]) != "folder" {
		t.Errorf("in the folder: %v", inFolder)
	}
	if got := strings.Join(server.Objects(), ","); got != "of/users/bucket image/png" {
		t.Errorf("in the bucket: %s", got)
	}
}

func TestSettingsOfPicturesAreJudgedAndTheirSecretIsHidden(t *testing.T) {
	const bucket = "GATEHOUSE_AVATARS_STORAGE=s3://b?endpoint=https://s3.example.com"
	for name, c := range map[string]struct {
		environ []string
		want    string
	}{
		"no URL":        {[]string{"GATEHOUSE_AVATARS_STORAGE=local"}, "avatars.storage: must be"},
		"no keys":       {[]string{bucket}, "avatars.s3_secret_key: must be there"},
		"no access key": {[]string{bucket, "GATEHOUSE_AVATARS_S3_SECRET_KEY=secret"}, "avatars.s3_access_key: must be there"},
		"no pixels":     {[]string{"GATEHOUSE_AVATARS_MAX_PIXELS=0"}, "avatars.max_pixels: must be"},
		"far too large": {[]string{"GATEHOUSE_AVATARS_MAX_BYTES=1GiB"}, "avatars.max_bytes: must be"},
	} {
		if _, err := loadConfig("", nil, c.environ, quiet); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	cfg, err := loadConfig("", nil, []string{bucket, "GATEHOUSE_AVATARS_S3_ACCESS_KEY=AKIDTEST", "GATEHOUSE_AVATARS_S3_SECRET_KEY=canary"}, quiet)
	must(t, err)
	if shown := cfg.shown("avatars.s3_secret_key"); shown == "" || strings.Contains(shown, "canary") {
		t.Errorf("shown as %q", shown)
	}
}
