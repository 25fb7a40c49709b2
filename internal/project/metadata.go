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
	// MetaSystemAllowlist is "false" where the project's own list of vulnerabilities
	// that are let through counts, and not the system's.
	MetaSystemAllowlist = "reuse_sys_cve_allowlist"
	// MetaSignedVEX is "true" where VEX documents count only if they are signed by
	// somebody whom the project trusts.
	MetaSignedVEX = "vex_signed_only"
)

// Keys of a cache's metadata, which Project.Cache reads.
const (
	metaSpeed           = "proxy_speed_kb"
	metaConnections     = "max_upstream_conn"
	metaPattern         = "proxy_cache_filter_pattern"
	metaPatternKind     = "proxy_cache_filter_kind"
	metaReferrers       = "proxy_referrer_api"
	metaLocalOnNotFound = "proxy_cache_local_on_not_found"
)

// Keys of what may be pulled, which Project.Guard reads.
const (
	metaNotation          = "enable_content_trust"
	metaCosign            = "enable_content_trust_cosign"
	metaAnySigner         = "content_trust_any_signer"
	metaPreventVulnerable = "prevent_vul"
	metaSeverity          = "severity"
	metaUnscanned         = "allow_unscanned"
	metaSBOM              = "prevent_no_sbom"
	metaWatch             = "policy_audit_only"
)

// A metaKey checks a value and returns it as it is kept.
type metaKey func(string) (string, bool)

// Where a value is kept that is given. Elsewhere it is refused where it is wrong,
// and otherwise let go: clients send all that they know.
type keeper uint8

const (
	nowhere keeper = iota
	inCaches
	inOthers
	inAll
)

func (k keeper) keeps(cache bool) bool {
	return k == inAll || k == inCaches && cache || k == inOthers && !cache
}

// metaKeys are all the keys that there are, and in which projects they are kept.
var metaKeys = map[string]struct {
	check metaKey
	kept  keeper
}{
	MetaPublic:             {boolean, inAll},
	metaNotation:           {boolean, inOthers},
	metaCosign:             {boolean, inAll},
	metaAnySigner:          {boolean, inAll},
	metaPreventVulnerable:  {boolean, inAll},
	metaSeverity:           {severity, inAll},
	metaUnscanned:          {boolean, inAll},
	metaSBOM:               {boolean, inAll},
	metaWatch:              {boolean, inAll},
	"auto_scan":            {boolean, inAll},
	"auto_sbom_generation": {boolean, inAll},
	"auto_sbom_media_type": {oneOf("application/spdx+json", "application/vnd.cyclonedx+json"), inAll},
	MetaSystemAllowlist:    {boolean, inAll},
	MetaSignedVEX:          {boolean, inAll},
	MetaRetention:          {anyText, nowhere},

	metaSpeed:           {integer(-1, math.MaxInt32), inCaches},
	metaConnections:     {connections, inCaches},
	metaPattern:         {trimmed, inCaches},
	metaPatternKind:     {oneOf(doublestar, regex), inCaches},
	metaReferrers:       {boolean, inCaches},
	metaLocalOnNotFound: {boolean, inCaches},
}

// A Change sets some keys of a project's metadata, removes others, and leaves
// the rest as they are.
type Change struct {
	Set   map[string]string
	Unset []string // MetaPublic becomes "false"
}

// Apply returns the metadata after the change and the keys whose value is
// another then, in order; cache says whether they are a cache's. It returns
// ErrInvalid for a key that there is none of, for a value that its key cannot
// have, also because of another, and for a change of what is not to be changed
// so. The old metadata stay as they are.
func (c Change) Apply(old map[string]string, cache bool) (now map[string]string, changed []string, err error) {
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
		if known.kept.keeps(cache) {
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
	if slices.Contains(c.Unset, metaPatternKind) && now[metaPattern] != "" {
		return nil, nil, ErrInvalid.With("metadata %s cannot be removed while there is %s", metaPatternKind, metaPattern)
	}
	if _, err := chooser(now); err != nil {
		return nil, nil, ErrInvalid.With("metadata %s: %v", metaPattern, err)
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

func trimmed(s string) (string, bool) { return anyText(strings.TrimSpace(s)) }

func anyText(s string) (string, bool) {
	return s, len(s) <= maxValue && utf8.ValidString(s) && !strings.ContainsRune(s, 0)
}
