package api

import (
	"context"
	"encoding/json"

	"github.com/danielgtaylor/huma/v2"

	"github.com/berth-registry/berth/internal/setting"
)

// configurations is what administrators change at run time. Its fields are the
// rows of the table of setting.
type configurations struct {
	settings *setting.Service
	reach    func(ctx context.Context, endpoint string) error // why no syslog server takes connections there
}

// scanAll is the one key that is shown as it is, and cannot be told from the
// others by its kind.
const scanAll = "scan_all_policy"

// secretShown is the one secret that clients expect among the settings. They get
// it without its value.
const secretShown = "uaa_client_secret"

type configItem struct {
	Value    any  `json:"value"`
	Editable bool `json:"editable"`
}

type configAnswer struct{ Body shownConfig }

// shownConfig is all settings but the secrets.
type shownConfig map[string]any

// Schema describes the fields for the document.
func (shownConfig) Schema(huma.Registry) *huma.Schema {
	return configSchema(func(k setting.Key) *huma.Schema {
		if k.Name == scanAll {
			return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}
		}
		if k.Secret && k.Name != secretShown {
			return nil
		}
		return &huma.Schema{Type: huma.TypeObject, Properties: map[string]*huma.Schema{
			"value": {Type: typeOf(k.Kind)}, "editable": {Type: huma.TypeBoolean},
		}}
	})
}

type updateConfig struct{ Body sentConfig }

// sentConfig is the settings that a request changes. Fields that are null or of
// no setting are ignored.
type sentConfig map[string]any

// Schema describes the fields for the document.
func (sentConfig) Schema(huma.Registry) *huma.Schema {
	return configSchema(func(k setting.Key) *huma.Schema {
		if k.Kind == setting.Object {
			return &huma.Schema{Description: "JSON object, or the text of one"}
		}
		return &huma.Schema{Type: typeOf(k.Kind), Nullable: true}
	})
}

// configSchema returns the schema of an object with a property for each key that
// has one.
func configSchema(property func(setting.Key) *huma.Schema) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeObject, Properties: map[string]*huma.Schema{}, AdditionalProperties: true}
	for _, k := range setting.Keys() {
		if p := property(k); p != nil {
			s.Properties[k.Name] = p
		}
	}
	return s
}

func typeOf(k setting.Kind) string {
	switch k {
	case setting.Boolean:
		return huma.TypeBoolean
	case setting.Number:
		return huma.TypeInteger
	}
	return huma.TypeString
}

func (c configurations) get(ctx context.Context, _ *struct{}) (*configAnswer, error) {
	items, err := c.settings.List(ctx)
	if err != nil {
		return nil, err
	}
	out := shownConfig{secretShown: configItem{Value: ""}}
	for _, it := range items {
		out[it.Key] = configItem{it.Value, it.Editable}
		if it.Key == scanAll {
			out[it.Key] = json.RawMessage(it.Value.(string))
		}
	}
	return &configAnswer{out}, nil
}

type internalConfigAnswer struct{ Body map[string]configItem }

// internal shows the same as get, each in the same form.
func (c configurations) internal(ctx context.Context, _ *struct{}) (*internalConfigAnswer, error) {
	items, err := c.settings.List(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]configItem{}
	for _, it := range items {
		value := it.Value
		if it.Key == scanAll {
			value = json.RawMessage(it.Value.(string))
		}
		out[it.Key] = configItem{value, it.Editable}
	}
	return &internalConfigAnswer{out}, nil
}

func (c configurations) update(ctx context.Context, in *updateConfig) (*nothing, error) {
	if at, ok := in.Body["audit_log_forward_endpoint"].(string); ok && at != "" {
		if err := c.reach(ctx, at); err != nil {
			return nil, err
		}
	}
	return nil, c.settings.Update(ctx, in.Body)
}
