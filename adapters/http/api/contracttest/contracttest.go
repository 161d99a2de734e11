// Package contracttest reads the machine-readable contract for tests: the
// contract as it was given, with what Gatehouse has added to it since.
package contracttest

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// Read decodes endpoints.json in dir into c, with additions.json in it. What
// is added may be endpoints, codes, schemas, members of a schema that is
// there, and codes of an endpoint that is there; nothing can be replaced.
func Read(dir string, c any) error {
	given, err := load(filepath.Join(dir, "endpoints.json"))
	if err != nil {
		return err
	}
	added, err := load(filepath.Join(dir, "additions.json"))
	if err != nil {
		return err
	}
	if err := merge(given, added); err != nil {
		return fmt.Errorf("additions: %w", err)
	}
	b, err := json.Marshal(given)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, c)
}

// document is what of the contract can be added to.
type document struct {
	Endpoints []map[string]any          `json:"endpoints"`
	Codes     map[string]any            `json:"codes"`
	Schemas   map[string]map[string]any `json:"schemas"`

	rest map[string]any
}

func load(file string) (*document, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var d document
	if err := json.Unmarshal(b, &d); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if err := json.Unmarshal(b, &d.rest); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return &d, nil
}

// MarshalJSON implements [json.Marshaler].
func (d *document) MarshalJSON() ([]byte, error) {
	all := maps.Clone(d.rest)
	all["endpoints"], all["codes"], all["schemas"] = d.Endpoints, d.Codes, d.Schemas
	return json.Marshal(all)
}

func merge(to, from *document) error {
	for _, e := range from.Endpoints {
		at := slices.IndexFunc(to.Endpoints, func(given map[string]any) bool { return given["id"] == e["id"] })
		if at < 0 {
			to.Endpoints = append(to.Endpoints, e)
			continue
		}
		if err := addCodes(to.Endpoints[at], e); err != nil {
			return fmt.Errorf("endpoint %v: %w", e["id"], err)
		}
	}
	if err := add(to.Codes, from.Codes); err != nil {
		return fmt.Errorf("codes: %w", err)
	}
	for name, members := range from.Schemas {
		if to.Schemas[name] == nil {
			to.Schemas[name] = members
			continue
		}
		if err := add(to.Schemas[name], members); err != nil {
			return fmt.Errorf("schema %s: %w", name, err)
		}
	}
	return nil
}

func add[V any](to, from map[string]V) error {
	for k, v := range from {
		if _, there := to[k]; there {
			return fmt.Errorf("%s is there already", k)
		}
		to[k] = v
	}
	return nil
}

// addCodes adds the codes of an endpoint by status, in alphabetical order.
func addCodes(to, from map[string]any) error {
	if len(from) != 2 {
		return fmt.Errorf("an endpoint that is there gets codes and nothing else")
	}
	given, _ := to["errors"].(map[string]any)
	more, _ := from["errors"].(map[string]any)
	if given == nil || more == nil {
		return fmt.Errorf("no errors to add to, or none to add")
	}
	for status, codes := range more {
		had, _ := given[status].([]any)
		news, _ := codes.([]any)
		all := append(slices.Clone(had), news...)
		slices.SortFunc(all, compare)
		if len(slices.Compact(all)) != len(had)+len(news) {
			return fmt.Errorf("status %s has one of them already", status)
		}
		given[status] = all
	}
	return nil
}

func compare(a, b any) int {
	x, _ := a.(string)
	y, _ := b.(string)
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}
