package replication

import (
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/pattern"
)

// What a policy may hold.
const (
	maxName      = 255  // bytes
	maxText      = 1024 // of a description
	maxFilters   = 50
	maxLabels    = 50 // of a filter
	maxLabel     = 128
	maxPlatforms = 50
	maxPlatform  = 64
	maxReplace   = 127
)

// complete checks a policy that is to be kept, and gives it the one form of what
// may be said in several.
func (p *Policy) complete() error {
	p.Speed, p.Replace = max(p.Speed, 0), max(p.Replace, -1)
	if p.Trigger == "" {
		p.Trigger = Manual
	}
	if p.Trigger != Scheduled {
		p.Cron = ""
	}
	slices.Sort(p.Platforms)
	p.Platforms = slices.Compact(p.Platforms)
	for _, check := range []func() error{p.checkWords, p.checkEnds, p.checkTrigger, p.checkFilters, p.checkPlatforms} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (p *Policy) checkWords() error {
	if strings.TrimSpace(p.Name) == "" || len(p.Name) > maxName || !isText(p.Name) {
		return ErrInvalid.With("name: it must have 1 to %d bytes", maxName)
	}
	if len(p.Description) > maxText || !isText(p.Description) {
		return ErrInvalid.With("description: at most %d bytes", maxText)
	}
	return nil
}

func isText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

func (p *Policy) checkEnds() error {
	switch {
	case p.Source < 0 || p.Destination < 0:
		return ErrInvalid.With("src_registry, dest_registry: an id is not below 0")
	case p.Source == 0 && p.Destination == 0:
		return ErrInvalid.With("src_registry, dest_registry: one of them must be another registry")
	case p.Source != 0 && p.Destination != 0:
		return ErrInvalid.With("src_registry, dest_registry: one of them must be this registry, with the id 0")
	case p.Replace > maxReplace:
		return ErrInvalid.With("dest_namespace_replace_count: it must be from -1 to %d", maxReplace)
	}
	if p.Namespace != "" && oci.CheckRepository(p.Namespace+"/x") != nil {
		return ErrInvalid.With("dest_namespace: it must be what the name of a repository may begin with")
	}
	return nil
}

func (p *Policy) checkTrigger() error {
	switch p.Trigger {
	case Manual:
		return nil
	case Scheduled:
		return checkCron(p.Cron)
	case ByEvent:
		if p.Source != 0 {
			return ErrInvalid.With("trigger: %s is for what is copied from here: what happens elsewhere is not known", ByEvent)
		}
		if p.Alone {
			return ErrInvalid.With("single_active_replication: it does not go with the trigger %s", ByEvent)
		}
		return nil
	}
	return ErrInvalid.With("trigger: type: it must be %s, %s or %s", Manual, Scheduled, ByEvent)
}

func checkCron(cron string) error {
	if cron == "" {
		return ErrInvalid.With("trigger: trigger_settings.cron is missing")
	}
	if _, err := job.Next(cron, time.Now()); err != nil {
		return err
	}
	fields := strings.Fields(cron)
	if fields[0] != "0" {
		return ErrInvalid.With("trigger: trigger_settings.cron: its first field, the seconds, must be 0")
	}
	if fields[1] == "*" {
		return ErrInvalid.With("trigger: trigger_settings.cron: its second field, the minutes, must not be *")
	}
	return nil
}

func (p *Policy) checkFilters() error {
	if len(p.Filters) > maxFilters {
		return ErrInvalid.With("filters: at most %d", maxFilters)
	}
	for _, f := range p.Filters {
		if err := f.check(); err != nil {
			return err
		}
	}
	return nil
}

func (f Filter) check() error {
	if f.Excludes && f.Type != ByTag && f.Type != ByLabel {
		return ErrInvalid.With("filters: decoration: %s and %s alone have one", ByTag, ByLabel)
	}
	switch f.Type {
	case ByName, ByTag:
		if err := (pattern.Pattern{Glob: f.Pattern}).Check(); err != nil {
			return ErrInvalid.With("filters: value of %s: %v", f.Type, err)
		}
	case ByResource:
		if f.Pattern != "" && f.Pattern != Image && f.Pattern != Artifact {
			return ErrInvalid.With("filters: value of %s: it must be %s or %s", f.Type, Image, Artifact)
		}
	case ByLabel:
		return f.checkLabels()
	default:
		return ErrInvalid.With("filters: there is no type %.80q", f.Type)
	}
	return nil
}

func (f Filter) checkLabels() error {
	if len(f.Labels) == 0 || len(f.Labels) > maxLabels {
		return ErrInvalid.With("filters: value of %s: 1 to %d names", f.Type, maxLabels)
	}
	for _, l := range f.Labels {
		if l == "" || len(l) > maxLabel || !isText(l) {
			return ErrInvalid.With("filters: value of %s: a name has 1 to %d bytes", f.Type, maxLabel)
		}
	}
	return nil
}

var platform = regexp.MustCompile(`^[a-z0-9_]+/[a-z0-9_]+(/[a-z0-9._]+)?$`)

func (p *Policy) checkPlatforms() error {
	if len(p.Platforms) > maxPlatforms {
		return ErrInvalid.With("platforms: at most %d", maxPlatforms)
	}
	for _, one := range p.Platforms {
		if len(one) > maxPlatform || !platform.MatchString(one) {
			return ErrInvalid.With("platforms: %.80q must be as linux/amd64 or linux/arm64/v8", one)
		}
	}
	return nil
}
