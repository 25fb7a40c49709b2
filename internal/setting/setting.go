// Package setting keeps what administrators change at run time: a table of keys,
// each with its type, its default and its check. It promises that no value is
// kept that its readers cannot use, that secrets are sealed at rest and never
// shown, and that every node sees a change within a second. What a setting does
// is its readers' affair.
package setting

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/secret"
)

// Faults of settings.
var (
	ErrInvalid = fault.New(fault.Invalid, "BAD_REQUEST", "invalid setting")
	ErrFixed   = fault.New(fault.Denied, "FORBIDDEN", "the setting is fixed where the server is started")
	ErrUsers   = fault.New(fault.Invalid, "BAD_REQUEST", "auth_mode cannot change while there are users besides the first administrator")
)

// A Store keeps the settings that were changed, by their keys.
type Store interface {
	// All returns what is kept.
	All(ctx context.Context) (map[string]string, error)
	// Save keeps values in place of those of the same keys, and raises the version
	// of the rights. Nothing is kept where check, which is given what is kept so
	// far, returns an error. Where alone is set, it returns ErrUsers while there is
	// a user besides the first.
	Save(ctx context.Context, values map[string]string, alone bool, check func(kept map[string]string) error, e event.Event) error
	// Alone reports whether there is no user besides the first.
	Alone(ctx context.Context) (bool, error)
}

// A Service is what the rest of the program asks about settings. It is safe for
// concurrent use.
type Service struct {
	store   Store
	sealer  *secret.Sealer
	epoch   *access.Epoch
	fixed   map[string]string
	current *access.Memory[struct{}, Values]
}

// New returns a service. The values of fixed, as a request would send them, hold
// whatever was kept, and cannot be changed. It returns ErrInvalid where one of
// them cannot be.
func New(store Store, sealer *secret.Sealer, epoch *access.Epoch, fixed map[string]any) (*Service, error) {
	s := &Service{store: store, sealer: sealer, epoch: epoch, current: access.NewMemory[struct{}, Values](epoch, 1)}
	v := defaults()
	var err error
	if s.fixed, err = apply(&v, fixed); err != nil {
		return nil, err
	}
	return s, nil
}

// Get returns the settings as they are now. They are remembered until something
// changes.
func (s *Service) Get(ctx context.Context) (Values, error) {
	return s.current.Get(ctx, struct{}{}, s.read)
}

func (s *Service) read(ctx context.Context) (Values, error) {
	kept, err := s.store.All(ctx)
	if err != nil {
		return Values{}, fmt.Errorf("settings: %w", err)
	}
	return s.values(kept)
}

// values returns what is kept, with the defaults and what is fixed.
func (s *Service) values(kept map[string]string) (v Values, err error) {
	v = defaults()
	for _, it := range items {
		text, ok := kept[it.key]
		if ok && it.secret() {
			if text, err = s.open(it.key, text); err != nil {
				return v, fmt.Errorf("setting %s: %w", it.key, err)
			}
		}
		if given, fixed := s.fixed[it.key]; fixed {
			text, ok = given, true
		}
		if !ok {
			continue
		}
		if err := it.set(&v, text); err != nil {
			return v, fmt.Errorf("setting %s: %w", it.key, err)
		}
	}
	return v, nil
}

// Update changes settings by their keys, to values as JSON has them: texts,
// numbers, booleans. Keys that there are none of are ignored, and so are secrets
// that are empty. All are changed or none. It returns ErrInvalid, ErrFixed or
// ErrUsers.
func (s *Service) Update(ctx context.Context, changes map[string]any) error {
	old, err := s.read(ctx) // what another node did a moment ago counts
	if err != nil {
		return err
	}
	now := old
	texts, err := apply(&now, changes)
	if err != nil {
		return err
	}
	maps.DeleteFunc(texts, func(key, text string) bool {
		it := byKey[key]
		return it.text(old) == text || it.secret() && text == ""
	})
	for key := range texts {
		if _, fixed := s.fixed[key]; fixed {
			return ErrFixed.With("%s", key)
		}
	}
	if len(texts) == 0 {
		return nil
	}
	changed, plain := slices.Sorted(maps.Keys(texts)), maps.Clone(texts)
	for key, text := range texts {
		if byKey[key].secret() {
			texts[key] = base64.StdEncoding.EncodeToString(s.sealer.Seal([]byte(text), sealedAs(key)))
		}
	}
	e := event.New(access.From(ctx).Actor(), event.SettingsUpdated{Changed: changed})
	_, alone := texts["auth_mode"]
	err = s.store.Save(ctx, texts, alone, func(kept map[string]string) error {
		// What another one has changed meanwhile must fit as well.
		v, err := s.values(kept)
		if err == nil {
			_, err = apply(&v, changes)
		}
		if err == nil {
			err = together(v, plain)
		}
		return err
	}, e)
	s.epoch.Bump()
	return err
}

// Check returns ErrInvalid where a text can be no value of a key.
func Check(key, text string) error {
	_, err := apply(new(Values), map[string]any{key: text})
	return err
}

// open undoes what Update did to a secret.
func (s *Service) open(key, text string) (string, error) {
	sealed, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return "", err
	}
	plain, err := s.sealer.Open(sealed, sealedAs(key))
	return string(plain), err
}

func sealedAs(key string) string { return "setting/" + key }

// A Key is a setting as it is described: what its values are, and whether it is
// never shown.
type Key struct {
	Name   string
	Kind   Kind
	Secret bool
}

// A Kind is what the values of a setting are.
type Kind string

// The kinds of settings. Objects are JSON, and given as text or as they are.
const (
	Text    Kind = "text"
	Boolean Kind = "boolean"
	Number  Kind = "whole number"
	Object  Kind = "JSON object"
)

// Keys returns all settings that there are, in the order of the table.
func Keys() []Key {
	keys := make([]Key, len(items))
	for i, it := range items {
		keys[i] = Key{it.key, it.kind(), it.secret()}
	}
	return keys
}

// An Item is a setting as it is shown.
type Item struct {
	Key      string
	Value    any // string, bool or int64
	Editable bool
}

// List returns all settings but the secrets, in the order of the table.
func (s *Service) List(ctx context.Context) ([]Item, error) {
	v, err := s.Get(ctx)
	if err != nil {
		return nil, err
	}
	alone, err := s.store.Alone(ctx)
	if err != nil {
		return nil, err
	}
	shown := make([]Item, 0, len(items))
	for _, it := range items {
		if it.secret() {
			continue
		}
		_, fixed := s.fixed[it.key]
		shown = append(shown, Item{it.key, it.value(v), !fixed && (it.key != "auth_mode" || alone)})
	}
	return shown, nil
}
