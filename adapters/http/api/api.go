// Package api is the HTTP contract as code: the OpenAPI document, the routes
// and wire types generated from it, and the few types the generator borrows.
// It owns no policy and no handler: the gate reads the document's extensions,
// package http serves the operations.
package api

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"gatehouse/domain/factor"
	"gatehouse/domain/secret"
)

//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2 -config codegen.yaml openapi.yaml

//go:embed openapi.yaml
var source []byte

// Load parses the document, with its references resolved. Every call returns
// a document of its own.
func Load() (*openapi3.T, error) {
	doc, err := openapi3.NewLoader().LoadFromData(source)
	if err != nil {
		return nil, fmt.Errorf("load the api document: %w", err)
	}
	return doc, nil
}

// Document returns the document as it is published: JSON, without what only
// concerns the generator. Nobody may change it.
func Document() []byte { return published() }

var published = sync.OnceValue(func() []byte {
	b, err := publish()
	if err != nil {
		panic(err) // the document is part of the binary, and a test publishes it
	}
	return b
})

func publish() ([]byte, error) {
	doc, err := Load()
	if err != nil {
		return nil, err
	}
	b, err := doc.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("publish the api document: %w", err)
	}
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		return nil, fmt.Errorf("publish the api document: %w", err)
	}
	strip(v)
	return json.Marshal(v)
}

// strip removes the extensions that are for the generator or for writing the
// document.
func strip(v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			strip(e)
		}
	case map[string]any:
		for k, e := range v {
			if strings.HasPrefix(k, "x-go-") || k == "x-problems" {
				delete(v, k)
				continue
			}
			strip(e)
		}
	}
}

// Instant is a point in time on the wire: RFC 3339 in UTC with at most six
// fractional digits, the rest cut off (contract §1.1). It reads any offset.
type Instant time.Time

// MarshalText fails for years that RFC 3339 cannot write.
func (t Instant) MarshalText() ([]byte, error) {
	utc := time.Time(t).UTC()
	if y := utc.Year(); y < 0 || y > 9999 {
		return nil, errors.New("instant outside of the years 0 to 9999")
	}
	return utc.AppendFormat(nil, "2006-01-02T15:04:05.999999Z"), nil
}

// UnmarshalText reads RFC 3339 as [time.Time.UnmarshalText] does.
func (t *Instant) UnmarshalText(b []byte) error {
	return (*time.Time)(t).UnmarshalText(b)
}

// List is a list in an answer: perhaps empty, never null.
type List[T any] []T

// MarshalJSON writes a nil list as an empty one.
func (l List[T]) MarshalJSON() ([]byte, error) {
	if l == nil {
		return []byte("[]"), nil
	}
	return json.Marshal([]T(l))
}

// Array is a [List] that is an answer by itself. Types that are defined from a
// struct keep the methods of what it embeds; defined from a List they do not.
type Array[T any] struct{ List[T] }

// RawObject is an answer that is JSON already; a struct as [Array] is.
type RawObject struct{ json.RawMessage }

// QuerySecret is a secret in the query. The generated wrappers take a struct
// for an object with members unless it can Bind.
type QuerySecret struct{ secret.Text }

// Bind never fails.
func (s *QuerySecret) Bind(text string) error { return s.UnmarshalText([]byte(text)) }

// OneTimeCode is a code that was typed, sent as a string or as a number. What it
// is worth is decided by [factor.ParseCode].
type OneTimeCode struct{ secret.Text }

// UnmarshalJSON never fails on a string or a number. null is no code.
func (c *OneTimeCode) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	if len(b) == 0 || b[0] != '"' {
		c.Text = secret.New(factor.PadCode(string(b)))
		return nil
	}
	var typed string
	if err := json.Unmarshal(b, &typed); err != nil {
		return errors.New("not a code") // err may quote it
	}
	c.Text = secret.New(typed)
	return nil
}

// Count is a whole number in the query. It may have any number of digits: what
// is too large counts as the largest there is.
type Count struct{ N int }

// Bind reads decimal digits, perhaps behind a minus sign.
func (c *Count) Bind(text string) error {
	n, err := strconv.Atoi(text) // which is the nearest there is when it is out of range
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return errors.New("not a whole number") // err quotes it
	}
	c.N = n
	return nil
}

// Object is JSON that others write and read: here it is an object, and no more.
type Object struct{ json.RawMessage }

// MarshalJSON writes what is missing as an empty object.
func (o Object) MarshalJSON() ([]byte, error) {
	if o.RawMessage == nil {
		return []byte("{}"), nil
	}
	return o.RawMessage, nil
}
