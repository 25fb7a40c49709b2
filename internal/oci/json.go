package oci

import (
	"bytes"
	"encoding/json"
	"iter"
)

// The functions of this file read JSON that json.Valid has accepted. They exist
// because encoding/json takes the last of two equal keys, and takes "Digest" for
// "digest", where other readers do neither: what we understood of a manifest
// must be what every client understands.

// members yields the keys and values of an object, in order, repeated keys
// included.
func members(object []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		i := space(object, space(object, 0)+1)
		for object[i] == '"' {
			end := valueEnd(object, i)
			key := text(object[i:end])
			begin := space(object, space(object, end)+1)
			end = valueEnd(object, begin)
			if !yield(key, object[begin:end]) {
				return
			}
			if i = space(object, end); object[i] == ',' {
				i = space(object, i+1)
			}
		}
	}
}

// elements yields the values of an array.
func elements(array []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		i := space(array, space(array, 0)+1)
		for array[i] != ']' {
			end := valueEnd(array, i)
			if !yield(array[i:end]) {
				return
			}
			if i = space(array, end); array[i] == ',' {
				i = space(array, i+1)
			}
		}
	}
}

// space returns where the white space from i on ends.
func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// valueEnd returns where the value that begins at i ends.
func valueEnd(b []byte, i int) int {
	switch b[i] {
	case '"':
		return stringEnd(b, i)
	case '{', '[':
		return nestedEnd(b, i)
	}
	for i < len(b) && bytes.IndexByte([]byte(",]} \n\t\r"), b[i]) < 0 {
		i++
	}
	return i
}

func stringEnd(b []byte, i int) int {
	for i++; b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i + 1
}

func nestedEnd(b []byte, i int) int {
	for depth := 0; ; i++ {
		switch b[i] {
		case '"':
			i = stringEnd(b, i) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
}

// text returns the string that a JSON string stands for.
func text(quoted []byte) string {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1])
	}
	var s string
	if err := json.Unmarshal(quoted, &s); err != nil {
		panic("oci: a valid string was not: " + err.Error())
	}
	return s
}

func isNull(raw []byte) bool   { return raw[0] == 'n' }
func isString(raw []byte) bool { return raw[0] == '"' }
func isObject(raw []byte) bool { return raw[0] == '{' }
func isArray(raw []byte) bool  { return raw[0] == '[' }
