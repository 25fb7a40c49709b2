package secret

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const canary = "Canary9secret"

// verbs are all that fmt knows, and one that it does not.
const verbs = "vTtbcdoOqxXUeEfFgGspw!"

func TestTextNeverPrintsItselfWithAnyVerb(t *testing.T) {
	text := New(canary)
	type holder struct {
		Shown  Text
		hidden Text
		list   []Text
		byName map[string]Text
		deep   *Text
		any    any
	}
	values := map[string]any{
		"value": text, "pointer": &text, "slice": []Text{text}, "array": [1]Text{text}, "map": map[string]Text{"k": text},
		"struct":         holder{text, text, []Text{text}, map[string]Text{"k": text}, &text, text},
		"struct pointer": &holder{Shown: text, hidden: text, any: &text},
		"error":          fmt.Errorf("signing in with %v: %w", text, fmt.Errorf("%s", text)),
	}
	for name, v := range values {
		for _, verb := range verbs {
			for _, flags := range []string{"", "+", "#", "-", " ", "0", "20", ".3", "+#", "# "} {
				mustHide(t, name+" %"+flags+string(verb), fmt.Sprintf("%"+flags+string(verb), v))
			}
		}
		mustHide(t, name+" Sprint", fmt.Sprint(v))
		mustHide(t, name+" Sprintln", fmt.Sprintln("x", v))
		mustHide(t, name+" width", fmt.Sprintf("%*v", 30, v))
	}
	if got := fmt.Sprintf("%s|%v|%q|%d", text, text, text, text); got != "[secret]|[secret]|[secret]|[secret]" {
		t.Errorf("a text prints as %s", got)
	}
	for _, got := range []string{text.String(), text.GoString()} {
		if got != "[secret]" {
			t.Errorf("a text calls itself %q", got)
		}
	}
}

func TestTextNeverEncodesItself(t *testing.T) {
	type doc struct {
		Name   string
		Secret Text
		Ref    *Text
		hidden Text
	}
	text := New(canary)
	d := doc{Name: "ci", Secret: text, Ref: &text, hidden: text}
	encoders := map[string]func() ([]byte, error){
		"json":        func() ([]byte, error) { return json.Marshal(d) },
		"json key":    func() ([]byte, error) { return json.Marshal(map[string]any{"a": []any{text, &text}}) },
		"json indent": func() ([]byte, error) { return json.MarshalIndent(&d, "", " ") },
		"xml":         func() ([]byte, error) { return xml.Marshal(d) },
		"yaml":        func() ([]byte, error) { return yaml.Marshal(d) },
		"text":        text.MarshalText,
	}
	for name, encode := range encoders {
		out, err := encode()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		mustHide(t, name, string(out))
		if !bytes.Contains(out, []byte("[secret]")) {
			t.Errorf("%s says nothing of a secret: %s", name, out)
		}
	}
	// gob uses MarshalText, or refuses: either way the text stays.
	var buf bytes.Buffer
	_ = gob.NewEncoder(&buf).Encode(d)
	mustHide(t, "gob", buf.String())
}

func TestTextNeverLogsItself(t *testing.T) {
	text := New(canary)
	type holder struct{ Secret, hidden Text }
	var buf bytes.Buffer
	options := &slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true}
	for name, h := range map[string]slog.Handler{
		"text": slog.NewTextHandler(&buf, options), "json": slog.NewJSONHandler(&buf, options),
	} {
		buf.Reset()
		log := slog.New(h).With("with", text)
		log.Info(fmt.Sprint(text), "value", text, "pointer", &text, "struct", holder{text, text}, "slice", []Text{text},
			slog.Group("group", "inner", text), "error", fmt.Errorf("no: %v", text))
		mustHide(t, "slog "+name, buf.String())
		if !strings.Contains(buf.String(), "value") {
			t.Fatalf("slog %s wrote nothing: %s", name, buf.String())
		}
	}
}

// mustHide fails where any part of the canary, plain, in hexadecimal or in
// numbers, is in what was printed.
func mustHide(t *testing.T, how, printed string) {
	t.Helper()
	low := strings.ToLower(printed)
	for _, trace := range []string{"canary", "9secret", "43616e617279", "43 61 6e", "67 97 110", "[67", "103 141"} {
		if strings.Contains(low, trace) {
			t.Errorf("%s: reveals the text: %s", how, printed)
		}
	}
}

func TestTextEqual(t *testing.T) {
	for _, c := range []struct {
		a, b Text
		want bool
	}{
		{New("a"), New("a"), true}, {New("a"), New("b"), false}, {New("a"), New("aa"), false},
		{Text{}, New(""), true}, {Text{}, New("a"), false}, {New(canary), New(canary), true},
	} {
		if got := c.a.Equal(c.b); got != c.want {
			t.Errorf("%q equal %q: %t", c.a.Reveal(), c.b.Reveal(), got)
		}
	}
	if !(Text{}).Empty() || !New("").Empty() || New("a").Empty() {
		t.Error("Empty is wrong")
	}
	if New(canary).Reveal() != canary {
		t.Error("Reveal does not return the text")
	}
}
