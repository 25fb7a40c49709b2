package helm

import (
	"go.yaml.in/yaml/v3"
)

// maxValues bounds how many values are told one by one.
const maxValues = 10_000

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
	if f.left() < 0 {
		return map[string]any{}
	}
	return f.all
}

// maxDepth bounds how deep values are looked into; aliases may go round in circles.
const maxDepth = 50

type flattening struct {
	all  map[string]any
	seen int
}

// left is how many more nodes may be looked at. What is referred to counts each
// time.
func (f *flattening) left() int { return maxValues - f.seen }

func (f *flattening) table(prefix string, n *yaml.Node, depth int) {
	if n.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(n.Content) && f.left() >= 0; i += 2 {
		key, value := prefix+n.Content[i].Value, target(n.Content[i+1])
		if value.Kind == yaml.MappingNode && len(value.Content) > 0 && depth < maxDepth && len(key) < maxText {
			f.seen++
			f.table(key+".", value, depth+1)
			continue
		}
		f.all[key] = f.value(value, depth)
	}
}

// value returns a value as JSON has it.
func (f *flattening) value(n *yaml.Node, depth int) any {
	if f.seen++; f.left() < 0 || depth > maxDepth {
		return nil
	}
	switch n.Kind {
	case yaml.SequenceNode:
		list := []any{}
		for _, item := range n.Content {
			list = append(list, f.value(target(item), depth+1))
		}
		return list
	case yaml.MappingNode:
		table := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
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
