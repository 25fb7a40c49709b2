package intake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/berth-registry/berth/internal/advisory"
	"github.com/berth-registry/berth/internal/feed"
	"github.com/berth-registry/berth/internal/outbound"
)

// Off reports whether there is nothing to update from.
func (s Sources) Off() bool { return s.Source == "" && s.KEV == "" && s.EPSS == "" }

// Check says what cannot be. Each complaint begins with the key's name.
func (s Sources) Check() error {
	if err := s.checkArtifacts(); err != nil {
		return err
	}
	for _, at := range []struct{ key, place string }{{"source", s.Source}, {"kev", s.KEV}, {"epss", s.EPSS}} {
		if err := checkPlace(at.place); err != nil {
			return fmt.Errorf("advisories.%s: %w", at.key, err)
		}
	}
	if isURL(s.Source) && strings.ContainsAny(s.Source, "?#") {
		return fmt.Errorf("advisories.source: %q has more than a scheme, a host and a path", s.Source)
	}
	for _, e := range s.Ecosystems {
		if !feed.IsEcosystem(e) {
			return fmt.Errorf("advisories.ecosystems: %.80q is no name of an ecosystem, like Debian or npm", e)
		}
	}
	return nil
}

func (s Sources) checkArtifacts() error {
	if text, ok := strings.CutPrefix(s.Source, asArtifact); ok {
		if _, err := ParseAddress(text); err != nil {
			return fmt.Errorf("advisories.source: %w", err)
		}
	}
	if s.Publish == "" {
		return nil
	}
	to, err := ParseAddress(s.Publish)
	if err != nil {
		return fmt.Errorf("advisories.publish: %w", err)
	}
	if from, ok := s.artifact(); ok && from == to {
		return fmt.Errorf("advisories.publish: %s is where the advisories come from (advisories.source)", to)
	}
	return nil
}

func checkPlace(place string) error {
	if !strings.Contains(place, "://") {
		return nil // a path, which may be there later
	}
	u, err := url.Parse(place)
	if err != nil || !isURL(place) || u.Host == "" || u.User != nil {
		return fmt.Errorf("%.200q is neither a path nor http:// or https:// with a host", place)
	}
	return outbound.ForSystem().CheckURL(place)
}

func isURL(place string) bool {
	return strings.HasPrefix(place, "http://") || strings.HasPrefix(place, "https://")
}

// feeds opens what an update reads. The caller closes it.
func (s *Service) feeds() (f advisory.Feeds, done io.Closer, err error) {
	from := s.Sources
	f = advisory.Feeds{Ecosystems: from.Ecosystems, Benign: !from.Malicious, Exploited: s.opener(from.KEV), Likelihoods: s.opener(from.EPSS)}
	done = io.NopCloser(nil)
	switch {
	case from.Source == "", strings.HasPrefix(from.Source, asArtifact):
	case isURL(from.Source):
		f.Origin, err = feed.NewWeb(s.out, from.Source)
	default:
		var folder *feed.Folder
		if folder, err = feed.OpenFolder(from.Source); err == nil {
			f.Origin, done = folder, folder
		}
	}
	return f, done, err
}

// opener returns what opens a list, or nil where there is none.
func (s *Service) opener(place string) func(context.Context) (io.ReadCloser, error) {
	switch {
	case place == "":
		return nil
	case isURL(place):
		return func(ctx context.Context) (io.ReadCloser, error) { return feed.Get(ctx, s.out, place) }
	}
	return func(context.Context) (io.ReadCloser, error) {
		f, err := os.Open(place)
		if errors.Is(err, os.ErrNotExist) {
			return nil, feed.ErrNone.With("%s", place)
		}
		if err != nil {
			return nil, feed.ErrUnavailable.With("%s", place).Because(err)
		}
		return f, nil
	}
}
