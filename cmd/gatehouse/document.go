package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"go.yaml.in/yaml/v3"
)

// document reads a configuration file. It is a [koanf.Parser] that remembers
// the line of every key, and leaves all values as they are written: what they
// mean depends on the setting, not on YAML.
type document struct{ lines map[string]int }

// Unmarshal implements [koanf.Parser].
func (d *document) Unmarshal(text []byte) (map[string]any, error) {
	d.lines = map[string]int{}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var root yaml.Node
	if err := dec.Decode(&root); errors.Is(err, io.EOF) {
		return nil, nil // nothing but comments
	} else if err != nil {
		return nil, err
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("must be one YAML document")
	}
	top := root.Content[0]
	if empty(top) {
		return nil, nil
	}
	if top.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("line %d: must be sections of settings", top.Line)
	}
	return d.section(top, "")
}

// Marshal implements [koanf.Parser].
func (*document) Marshal(map[string]any) ([]byte, error) {
	return nil, errors.ErrUnsupported
}

func (d *document) keys() []string {
	return slices.SortedFunc(maps.Keys(d.lines), func(a, b string) int { return d.lines[a] - d.lines[b] })
}

func (d *document) section(n *yaml.Node, path string) (map[string]any, error) {
	values := map[string]any{}
	for pair := range slices.Chunk(n.Content, 2) {
		name, value := pair[0], pair[1]
		key := path + name.Value
		if _, twice := values[name.Value]; twice {
			return nil, fmt.Errorf("line %d: %s is there twice", name.Line, key)
		}
		v, err := d.value(value, key)
		if err != nil {
			return nil, err
		}
		if v == nil && path == "" { // a section whose keys are all commented out
			continue
		}
		values[name.Value] = v
		if _, inner := v.(map[string]any); !inner {
			d.lines[key] = name.Line
		}
	}
	return values, nil
}

func (d *document) value(n *yaml.Node, key string) (any, error) {
	switch n.Kind {
	case yaml.MappingNode:
		return d.section(n, key+".")
	case yaml.SequenceNode:
		list := make([]string, 0, len(n.Content))
		for _, item := range n.Content {
			if item.Kind != yaml.ScalarNode {
				return nil, fmt.Errorf("line %d: %s must be a list of values", item.Line, key)
			}
			list = append(list, item.Value)
		}
		return list, nil
	case yaml.ScalarNode:
		if empty(n) {
			return nil, nil
		}
		return n.Value, nil
	case yaml.AliasNode, yaml.DocumentNode:
	}
	return nil, fmt.Errorf("line %d: %s must be written out, without anchors", n.Line, key)
}

func empty(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }
