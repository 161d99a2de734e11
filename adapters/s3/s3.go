// Package s3 implements [outbound.Storage] as objects of a bucket, in whatever
// speaks the protocol of S3.
package s3

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"gatehouse/domain/avatar"
	"gatehouse/domain/secret"
	"gatehouse/ports/outbound"
)

var _ outbound.Storage = (*Bucket)(nil)

// Bucket is the storage.
type Bucket struct {
	core   minio.Core
	name   string
	prefix string // of the names of objects
}

// Config says where the bucket is, and who asks.
type Config struct {
	// URL is s3://bucket/prefix?endpoint=https://host&region=name. The prefix may
	// be missing, and so may the region, which is us-east-1 then.
	URL       string
	AccessKey string
	SecretKey secret.Text
	Transport http.RoundTripper // nil is one that waits for nobody longer than [patience]
}

const (
	// patience is how long the server may take to begin an answer, and to take
	// or to remove a file.
	patience = 10 * time.Second
	// tries is how often a request is sent that a server may answer later.
	tries = 3

	usualRegion = "us-east-1"
)

// place is what a URL says.
type place struct {
	bucket, prefix, region string
	endpoint               *url.URL
}

func parse(text string) (p place, err error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "s3" || u.Host == "" || u.User != nil {
		return p, errors.New("must be s3://bucket?endpoint=https://host") // err would repeat it
	}
	query := u.Query()
	p = place{bucket: u.Host, prefix: strings.Trim(u.Path, "/"), region: cmp.Or(query.Get("region"), usualRegion)}
	if p.prefix != "" {
		p.prefix += "/"
	}
	for name := range query {
		if name != "endpoint" && name != "region" {
			return p, fmt.Errorf("there is no parameter %q", name)
		}
	}
	p.endpoint, err = url.Parse(query.Get("endpoint"))
	if err != nil || p.endpoint.Host == "" || p.endpoint.User != nil || strings.Trim(p.endpoint.Path, "/") != "" ||
		p.endpoint.Scheme != "https" && p.endpoint.Scheme != "http" {
		return p, errors.New("endpoint must be https://host or https://host:port")
	}
	return p, nil
}

// Check tells what is wrong with a URL.
func Check(url string) error {
	_, err := parse(url)
	return err
}

// New returns the storage in a bucket, which has to be there. It asks nobody.
func New(c Config) (*Bucket, error) {
	p, err := parse(c.URL)
	if err != nil {
		return nil, err
	}
	if c.AccessKey == "" || c.SecretKey.Reveal() == "" {
		return nil, errors.New("a bucket needs an access key and a secret key")
	}
	secure := p.endpoint.Scheme == "https"
	if c.Transport == nil {
		own, err := minio.DefaultTransport(secure)
		if err != nil {
			return nil, fmt.Errorf("transport: %w", err)
		}
		own.ResponseHeaderTimeout = patience
		c.Transport = own
	}
	client, err := minio.New(p.endpoint.Host, &minio.Options{
		Creds: credentials.NewStaticV4(c.AccessKey, c.SecretKey.Reveal(), ""), Secure: secure, Region: p.region,
		Transport: c.Transport, MaxRetries: tries,
	})
	if err != nil {
		return nil, err
	}
	return &Bucket{core: minio.Core{Client: client}, name: p.bucket, prefix: p.prefix}, nil
}

// Put implements [outbound.Storage].
func (b *Bucket) Put(ctx context.Context, key, contentType string, content []byte) error {
	if !avatar.IsKey(key) {
		return errors.New("not the key of a file")
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := b.core.Client.PutObject(ctx, b.name, b.prefix+key, bytes.NewReader(content), int64(len(content)),
		minio.PutObjectOptions{ContentType: contentType, DisableMultipart: true})
	if err != nil {
		return fmt.Errorf("put object: %w", err)
	}
	return nil
}

// Open implements [outbound.Storage].
func (b *Bucket) Open(ctx context.Context, key string) (outbound.Content, error) {
	if !avatar.IsKey(key) {
		return outbound.Content{}, fmt.Errorf("open object: %w", outbound.ErrNotFound)
	}
	body, info, _, err := b.core.GetObject(ctx, b.name, b.prefix+key, minio.GetObjectOptions{})
	if minio.ToErrorResponse(err).Code == minio.NoSuchKey {
		return outbound.Content{}, fmt.Errorf("open object: %w", outbound.ErrNotFound)
	}
	if err != nil {
		return outbound.Content{}, fmt.Errorf("open object: %w", err)
	}
	return outbound.Content{ReadCloser: body, Size: info.Size}, nil
}

// Remove implements [outbound.Storage].
func (b *Bucket) Remove(ctx context.Context, key string) error {
	if !avatar.IsKey(key) {
		return errors.New("not the key of a file")
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := b.core.RemoveObject(ctx, b.name, b.prefix+key, minio.RemoveObjectOptions{}); err != nil {
		return fmt.Errorf("remove object: %w", err)
	}
	return nil
}
