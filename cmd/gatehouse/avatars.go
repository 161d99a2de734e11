package main

import (
	"crypto/rand"
	"fmt"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	diskadapter "gatehouse/adapters/disk"
	pictureadapter "gatehouse/adapters/picture"
	s3adapter "gatehouse/adapters/s3"
	appavatar "gatehouse/application/avatar"
	"gatehouse/ports/outbound"
)

// pictures are what avatars need.
type pictures struct {
	storage outbound.Storage
	painter outbound.Painter
	cleaner *appavatar.Cleaner
	close   func() error
}

func newPictures(f *foundation) (p pictures, err error) {
	if p.storage, p.close, err = newStorage(f); err != nil {
		return p, err
	}
	p.painter = pictureadapter.New(pictureadapter.Config{
		MaxPixels: int64(f.cfg.Avatars.MaxPixels), Memory: pictureBudget(), Parallel: max(1, runtime.GOMAXPROCS(0)/2), Waiting: 16,
	})
	p.cleaner = appavatar.NewCleaner(appavatar.CleanerDeps{Work: f.work, Storage: p.storage, Every: time.Minute, Now: now, Log: f.log})
	return p, nil
}

func newStorage(f *foundation) (outbound.Storage, func() error, error) {
	if f.cfg.Avatars.Storage == "" {
		folder, err := diskadapter.Open(filepath.Join(f.cfg.DataDir, "avatars"), now())
		if err != nil {
			return nil, nil, fmt.Errorf("avatars: %w", err)
		}
		return folder, folder.Close, nil
	}
	bucket, err := s3adapter.New(f.cfg.bucket())
	if err != nil {
		return nil, nil, usageError{fmt.Errorf("avatars.storage: %w (%s)", err, f.cfg.origin["avatars.storage"])}
	}
	if f.cfg.App.Mode == production && f.cfg.bucketInTheClear() {
		f.log.Warn("avatars are stored without TLS: an endpoint https://… has it")
	}
	return bucket, func() error { return nil }, nil
}

func (s settings) bucket() s3adapter.Config {
	a := s.Avatars
	return s3adapter.Config{URL: a.Storage, AccessKey: a.S3AccessKey, SecretKey: a.S3SecretKey}
}

// bucketInTheClear reports whether the bucket is reached without TLS, over a
// network.
func (s settings) bucketInTheClear() bool {
	u, err := url.Parse(s.Avatars.Storage)
	if err != nil {
		return false
	}
	endpoint, err := url.Parse(u.Query().Get("endpoint"))
	return err == nil && endpoint.Scheme == "http" && !isLoopback(endpoint.Hostname())
}

// newKey names a picture so that nobody can guess it: 128 bits at least, in the
// characters that file keys have.
func newKey() string { return strings.ToLower(rand.Text()) }
