package transit

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"gatehouse/domain/secret"
)

const (
	// patience bounds a call, connecting included.
	patience = 5 * time.Second

	// longest is more than any answer takes.
	longest = 64 << 10
)

// server is the engine of the key service that has our key.
type server struct {
	base      string // ends with /
	token     func() (secret.Text, error)
	namespace string
	client    *http.Client
}

// newServer follows no redirect, and takes no proxy from the environment: the
// token is for one server.
func newServer(base string, c Config) server {
	return server{
		base: base, token: c.Token, namespace: c.Namespace,
		client: &http.Client{
			Timeout:       cmp.Or(c.Patience, patience),
			Transport:     &http.Transport{MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

func (s server) get(ctx context.Context, path string, data any) error {
	return s.do(ctx, http.MethodGet, path, nil, data)
}

func (s server) post(ctx context.Context, path string, in map[string]string, data any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return ErrMalformed
	}
	return s.do(ctx, http.MethodPost, path, body, data)
}

// do reads the member data of an answer. Errors say what kind of failure it
// was, and nothing of what was sent or said.
func (s server) do(ctx context.Context, method, path string, body []byte, data any) error {
	token, err := s.token()
	if err != nil {
		return fmt.Errorf("token of the key service: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, method, s.base+path, bytes.NewReader(body))
	if err != nil {
		return ErrMalformed
	}
	r.Header.Set("X-Vault-Token", token.Reveal())
	r.Header.Set("X-Vault-Request", "true")
	if s.namespace != "" {
		r.Header.Set("X-Vault-Namespace", s.namespace)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := s.client.Do(r)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer func() { _ = res.Body.Close() }()
	if err := failure(res.StatusCode); err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, longest+1))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	answer := struct {
		Data any `json:"data"`
	}{data}
	if len(text) > longest || json.Unmarshal(text, &answer) != nil { // its error would quote
		return ErrMalformed
	}
	return nil
}

// failure says what a status means (Vault HTTP API, Status Codes).
func failure(status int) error {
	why := ErrMalformed
	switch {
	case status == http.StatusOK:
		return nil
	case status == http.StatusBadRequest:
		why = ErrRefused
	case status == http.StatusForbidden:
		why = ErrForbidden
	case status == http.StatusNotFound:
		why = ErrUnknownKey
	case status >= 500, status == http.StatusTooManyRequests, status == 472, status == 473, status >= 300 && status < 400:
		why = ErrUnavailable
	}
	return fmt.Errorf("%w (status %d)", why, status)
}
