package helm

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestValuesByTheirPaths(t *testing.T) {
	got := Flatten([]byte("image: {tag: v1, size: 1.5}\nports: [1, {name: web}]\nempty: {}\noff: null\nbase: &b {a: 0x10}\ncopy: *b\nbig: 99999999999999999999\ninf: .inf\nday: 2020-01-02\nquoted: 'true'\nyes: true\n"))
	want := map[string]any{
		"image.tag": "v1", "image.size": 1.5, "ports": []any{int64(1), map[string]any{"name": "web"}}, "empty": map[string]any{}, "off": nil,
		"base.a": int64(16), "copy.a": int64(16), "big": 1e20, "inf": ".inf", "day": "2020-01-02", "quoted": "true", "yes": true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := json.Marshal(got); err != nil {
		t.Error(err)
	}
}

func TestHostileValues(t *testing.T) {
	bomb := "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
	for i := range 9 {
		bomb += fmt.Sprintf("a%d: &a%d [%s]\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*a%d,", i), 10))
	}
	for name, text := range map[string]string{
		"no table": "- a", "no YAML": "a: [", "nothing": "", "too much": strings.Repeat("#", maxYAML+1), "many": strings.Repeat("a: 1\n", 20_000), "a bomb": bomb,
	} {
		if got := Flatten([]byte(text)); len(got) > 0 {
			t.Errorf("%s: %d values", name, len(got))
		}
	}
	for name, text := range map[string]string{
		"deep": strings.Repeat("{a: ", 3000) + "1" + strings.Repeat("}", 3000), "round in circles": "a: &a {b: 1, c: *a}",
	} {
		if _, err := json.Marshal(Flatten([]byte(text))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
