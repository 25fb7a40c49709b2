package helm

import (
	"go.yaml.in/yaml/v3"
)

// Limits of values that are told one by one: how many, and how many bytes they
// have with their paths.
const (
	maxValues = 10_000
	maxFlat   = 4 << 20
)

// Flatten returns the values of a chart by their paths: "image.tag". Lists are
// values as they are. Of a document that is no table, that cannot be read, or
// that has too many values, it returns none.
func Flatten(values []byte) map[string]any {
	root, err := parse("values.yaml", values)
	if err != nil || root == nil {
		return map[string]any{}
	}
	f := flattening{all: map[string]any{}}
	f.table("", target(root), 0)
	if f.full() {
		return map[string]any{}
	}
	return f.all
}

// maxDepth bounds how deep values are looked into; aliases may go round in circles.
const maxDepth = 50

// A flattening counts what is referred to each time.
type flattening struct {
	all         map[string]any
	seen, bytes int
}

func (f *flattening) full() bool { return f.seen > maxValues || f.bytes > maxFlat }

func (f *flattening) table(prefix string, n *yaml.Node, depth int) {
	if n.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(n.Content) && !f.full(); i += 2 {
		key, value := prefix+n.Content[i].Value, target(n.Content[i+1])
		f.bytes += len(key)
		if value.Kind == yaml.MappingNode && len(value.Content) > 0 && depth < maxDepth {
			f.seen++
			f.table(key+".", value, depth+1)
			continue
		}
		f.all[key] = f.value(value, depth)
	}
}

// value returns a value as JSON has it.
func (f *flattening) value(n *yaml.Node, depth int) any {
	f.seen++
	f.bytes += len(n.Value)
	if f.full() || depth > maxDepth {
		return nil
	}
	switch n.Kind {
	case yaml.SequenceNode:
		list := []any{}
		for i := 0; i < len(n.Content) && !f.full(); i++ {
			list = append(list, f.value(target(n.Content[i]), depth+1))
		}
		return list
	case yaml.MappingNode:
		table := map[string]any{}
		for i := 0; i+1 < len(n.Content) && !f.full(); i += 2 {
			f.bytes += len(n.Content[i].Value)
			table[n.Content[i].Value] = f.value(target(n.Content[i+1]), depth+1)
		}
		return table
	case yaml.ScalarNode:
		return scalar(n)
	}
	return nil
}

// scalar returns a text, a number or a truth value. What JSON cannot say, such
// as infinity or a date, is told as it is written.
func scalar(n *yaml.Node) any {
	switch n.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		var b bool
		if n.Decode(&b) == nil {
			return b
		}
	case "!!int":
		var i int64
		if n.Decode(&i) == nil {
			return i
		}
	case "!!float":
		var x float64
		if n.Decode(&x) == nil && x-x == 0 {
			return x
		}
	}
	return n.Value
}
