package s3_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"gatehouse/adapters/s3"
	"gatehouse/adapters/s3/s3test"
	"gatehouse/domain/secret"
	"gatehouse/ports/outbound"
	"gatehouse/ports/outbound/outboundtest"
)

const (
	accessKey = "AKIDTEST"
	secretKey = "not-a-real-secret-key"
)

// open returns the storage in a new bucket below path, and the server it is on.
func open(t *testing.T, path string, transport http.RoundTripper) (*s3.Bucket, *s3test.Server) {
	t.Helper()
	server := s3test.New("pictures", accessKey)
	on := httptest.NewServer(server)
	t.Cleanup(on.Close)
	b, err := s3.New(s3.Config{
		URL:       "s3://pictures" + path + "?endpoint=" + on.URL,
		AccessKey: accessKey, SecretKey: secret.New(secretKey), Transport: transport,
	})
	if err != nil {
		t.Fatal(err)
	}
	return b, server
}

func TestStorage(t *testing.T) {
	for name, path := range map[string]string{"at the root": "", "below a prefix": "/a/b/"} {
		t.Run(name, func(t *testing.T) {
			outboundtest.Storage(t, func(t *testing.T) outbound.Storage {
				b, _ := open(t, path, nil)
				return b
			})
		})
	}
}

func TestObjectsAreWhereTheURLSaysWithTheirType(t *testing.T) {
	b, server := open(t, "/tenant/avatars", nil)
	if err := b.Put(t.Context(), "k-small.png", "image/png", []byte("one")); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(server.Objects(), ","); got != "tenant/avatars/k-small.png image/png" {
		t.Errorf("got %s", got)
	}
	if got := strings.Join(server.Asked(), ","); got != "PUT /pictures/tenant/avatars/k-small.png" {
		t.Errorf("asked %s, want one request", got)
	}
}

func TestAServerThatRefusesIsAFailureAndNoMissingFile(t *testing.T) {
	b, server := open(t, "", nil)
	if err := b.Put(t.Context(), "a", "image/png", []byte("one")); err != nil {
		t.Fatal(err)
	}
	server.Fail(http.StatusForbidden)
	_, opening := b.Open(t.Context(), "a")
	for what, err := range map[string]error{
		"open": opening, "put": b.Put(t.Context(), "a", "image/png", []byte("two")), "remove": b.Remove(t.Context(), "a"),
	} {
		if err == nil || errors.Is(err, outbound.ErrNotFound) {
			t.Errorf("%s: %v, want a failure", what, err)
		}
		if err != nil && strings.Contains(err.Error(), secretKey) {
			t.Errorf("%s: the error has the secret key in it", what)
		}
	}
}

func TestABucketThatIsNotThereIsAFailureAndNoMissingFile(t *testing.T) {
	_, server := open(t, "", nil)
	on := httptest.NewServer(server)
	t.Cleanup(on.Close)
	b, err := s3.New(s3.Config{URL: "s3://another?endpoint=" + on.URL, AccessKey: accessKey, SecretKey: secret.New(secretKey)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Open(t.Context(), "a"); err == nil || errors.Is(err, outbound.ErrNotFound) {
		t.Errorf("%v, want a failure", err)
	}
}

// spy remembers the headers of requests.
type spy struct{ sent []http.Header }

func (s *spy) RoundTrip(r *http.Request) (*http.Response, error) {
	s.sent = append(s.sent, r.Header)
	return http.DefaultTransport.RoundTrip(r)
}

func TestEveryRequestIsSignedAndTellsNoSecret(t *testing.T) {
	wire := &spy{}
	b, _ := open(t, "", wire)
	if err := b.Put(t.Context(), "a", "image/png", []byte("one")); err != nil {
		t.Fatal(err)
	}
	c, err := b.Open(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Close(), b.Remove(t.Context(), "a")); err != nil {
		t.Fatal(err)
	}
	if len(wire.sent) != 3 {
		t.Fatalf("%d requests, want one for each call", len(wire.sent))
	}
	for _, h := range wire.sent {
		if !strings.Contains(h.Get("Authorization"), "Signature=") {
			t.Errorf("not signed: %v", h.Get("Authorization"))
		}
		for name, values := range h {
			if strings.Contains(strings.Join(values, " "), secretKey) {
				t.Errorf("%s has the secret key in it", name)
			}
		}
	}
}

func TestWhatNamesNoBucketIsRefused(t *testing.T) {
	const good = "s3://b?endpoint=https://s3.example.com"
	for name, c := range map[string]s3.Config{
		"another scheme":       {URL: "https://b?endpoint=https://s3.example.com"},
		"no bucket":            {URL: "s3:///path?endpoint=https://s3.example.com"},
		"no URL":               {URL: "s3://b\x00"},
		"no endpoint":          {URL: "s3://b"},
		"a path behind it":     {URL: "s3://b?endpoint=https://s3.example.com/path"},
		"another protocol":     {URL: "s3://b?endpoint=ftp://s3.example.com"},
		"a secret in the URL":  {URL: "s3://key:secret@b?endpoint=https://s3.example.com"},
		"a parameter too many": {URL: good + "&secret=x"},
	} {
		c.AccessKey, c.SecretKey = accessKey, secret.New(secretKey)
		if _, err := s3.New(c); err == nil || strings.Contains(err.Error(), "key:secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, c := range map[string]s3.Config{
		"no access key": {URL: good, SecretKey: secret.New(secretKey)},
		"no secret key": {URL: good, AccessKey: accessKey},
	} {
		if _, err := s3.New(c); err == nil {
			t.Errorf("%s: is fine", name)
		}
	}
	if _, err := s3.New(s3.Config{URL: good + "&region=eu-central-1", AccessKey: accessKey, SecretKey: secret.New(secretKey)}); err != nil {
		t.Error(err)
	}
}
