package project

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Keys of a project's metadata that the program itself goes by.
const (
	// MetaPublic is "true" where everybody may read and pull.
	MetaPublic = "public"
	// MetaRetention names the retention policy that is bound to the project. Only
	// retention itself changes it.
	MetaRetention = "retention_id"
)

// A metaKey checks a value and returns it as it is kept.
type metaKey func(string) (string, bool)

// metaKeys are all the keys that there are, and whether a value that is given
// is kept. What means something only in a project that fetches what it lacks
// from elsewhere is refused where it is wrong, and otherwise let go: no project
// does so.
var metaKeys = map[string]struct {
	check metaKey
	kept  bool
}{
	MetaPublic:                    {boolean, true},
	"enable_content_trust":        {boolean, true},
	"enable_content_trust_cosign": {boolean, true},
	"prevent_vul":                 {boolean, true},
	"severity":                    {severity, true},
	"auto_scan":                   {boolean, true},
	"auto_sbom_generation":        {boolean, true},
	"reuse_sys_cve_allowlist":     {boolean, true},
	MetaRetention:                 {anyText, false},

	"proxy_speed_kb":                 {integer(-1, math.MaxInt32), false},
	"max_upstream_conn":              {connections, false},
	"proxy_cache_filter_pattern":     {anyText, false},
	"proxy_cache_filter_kind":        {oneOf("doublestar", "regex"), false},
	"proxy_referrer_api":             {boolean, false},
	"proxy_cache_local_on_not_found": {boolean, false},
}

// A Change sets some keys of a project's metadata, removes others, and leaves
// the rest as they are.
type Change struct {
	Set   map[string]string
	Unset []string // MetaPublic becomes "false"
}

// Apply returns the metadata after the change and the keys whose value is
// another then, in order. It returns ErrInvalid for a key that there is none of,
// for a value that its key cannot have, and for a change of what is not to be
// changed so. The old metadata stay as they are.
func (c Change) Apply(old map[string]string) (now map[string]string, changed []string, err error) {
	now = maps.Clone(old)
	if now == nil {
		now = map[string]string{}
	}
	for _, key := range slices.Sorted(maps.Keys(c.Set)) {
		known, ok := metaKeys[key]
		if !ok {
			return nil, nil, unknownKey(key)
		}
		value, ok := known.check(c.Set[key])
		if key == MetaRetention {
			// Clients send it back as they got it.
			ok = value == old[key]
		}
		if !ok {
			return nil, nil, ErrInvalid.With("metadata %s cannot have this value", key)
		}
		if known.kept {
			now[key] = value
		}
	}
	for _, key := range c.Unset {
		if _, ok := metaKeys[key]; !ok {
			return nil, nil, unknownKey(key)
		}
		if key == MetaRetention {
			return nil, nil, ErrInvalid.With("metadata %s cannot be removed", key)
		}
		delete(now, key)
	}
	if now[MetaPublic] == "" {
		now[MetaPublic] = "false"
	}
	return now, differing(old, now), nil
}

func unknownKey(key string) error { return ErrInvalid.With("there is no metadata %.80q", key) }

func differing(old, now map[string]string) (keys []string) {
	for key := range metaKeys {
		was, had := old[key]
		is, has := now[key]
		if was != is || had != has {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

func boolean(s string) (string, bool) {
	b, err := strconv.ParseBool(s)
	return strconv.FormatBool(b), err == nil
}

func integer(least, most int64) metaKey {
	return func(s string) (string, bool) {
		n, err := strconv.ParseInt(s, 10, 64)
		return strconv.FormatInt(n, 10), err == nil && n >= least && n <= most
	}
}

// connections is a number of them, or -1 for any.
func connections(s string) (string, bool) {
	n, ok := integer(-1, math.MaxInt32)(s)
	return n, ok && n != "0"
}

// severity is the least one that keeps an image from being pulled.
func severity(s string) (string, bool) {
	return oneOf("none", "negligible", "low", "medium", "high", "critical")(strings.ToLower(s))
}

func oneOf(words ...string) metaKey {
	return func(s string) (string, bool) { return s, slices.Contains(words, s) }
}

const maxValue = 1024 // bytes of a free text

func anyText(s string) (string, bool) {
	return s, len(s) <= maxValue && utf8.ValidString(s) && !strings.ContainsRune(s, 0)
}
