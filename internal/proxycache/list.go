package proxycache

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/remote"
)

// Tags returns at most n names of tags behind last: those that are here and those
// of the upstream, where it answers, which are remembered for as long as one tag is.
func (c *Cache) Tags(ctx context.Context, repo artifact.Repo, last string, n int) ([]string, error) {
	p, err := c.at(ctx, repo)
	if err != nil {
		return nil, err
	}
	here, err := c.s.Content.Tags(ctx, p.Repo, last, n)
	unknown := fault.OfKind(err, fault.NotFound)
	if err != nil && !unknown {
		return nil, err
	}
	far, err := c.farTags(ctx, p)
	if err != nil {
		if unknown {
			return nil, told(err, artifact.ErrRepositoryUnknown)
		}
		return here, nil
	}
	from, found := slices.BinarySearch(far, last)
	if found {
		from++
	}
	all := slices.Concat(here, far[from:min(from+n, len(far))])
	slices.Sort(all)
	all = slices.Compact(all)
	return all[:min(n, len(all))], nil
}

// A list is all tags of a repository of an upstream, in order.
type list struct {
	tags  []string
	until time.Time
}

// farTags returns the tags of the upstream, in order, as it has said them not long
// ago. They are not to be changed.
func (c *Cache) farTags(ctx context.Context, p place) ([]string, error) {
	if _, err := c.rules(ctx, p); err != nil {
		return nil, err
	}
	c.s.mu.Lock()
	l := c.s.lists[p.Name]
	c.s.mu.Unlock()
	if time.Now().Before(l.until) {
		return l.tags, nil
	}
	found, err := c.s.once(ctx, "tags of "+p.Name, askTime, func(ctx context.Context) (any, error) { return c.fetchTags(ctx, p) })
	tags, _ := found.([]string)
	return tags, err
}

func (c *Cache) fetchTags(ctx context.Context, p place) ([]string, error) {
	other, err := c.reach(ctx, p)
	if err != nil {
		return nil, err
	}
	var all []string
	err = other.Tags(ctx, p.far, func(tags []string) error {
		if all = append(all, tags...); len(all) > mostTags {
			return ErrUpstream.With("the repository has more than %d tags", mostTags)
		}
		return nil
	})
	if err != nil {
		c.failed(p, err)
		return nil, err
	}
	slices.Sort(all)
	all = slices.Compact(all)
	c.s.keepList(p.Name, all)
	return all, nil
}

// keepList keeps a list for as long as a tag is not asked for again.
func (s *Service) keepList(repository string, tags []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listed += len(tags) - len(s.lists[repository].tags)
	if s.listed > mostListed {
		clear(s.lists)
		s.listed = len(tags)
	}
	s.lists[repository] = list{tags, time.Now().Add(s.Fresh)}
}

// Referrers returns artifacts whose subject is d, as registry.Service does. Where
// the project asks its upstream for them, they are fetched first.
func (c *Cache) Referrers(ctx context.Context, repo artifact.Repo, d oci.Digest, artifactType string, after int64, n int) ([]artifact.Referrer, error) {
	p, err := c.at(ctx, repo)
	if err != nil {
		return nil, err
	}
	key := p.Name + " of " + string(d)
	if _, known := c.s.recall(key); after == 0 && !known {
		if err := c.fetchReferrers(ctx, p, d); err != nil {
			c.s.Log.WarnContext(ctx, "what refers to an artifact is not fetched", "repository", p.Name, "digest", d, "error", err)
		} else {
			c.s.remember(key, finding{digest: d}, c.s.Fresh)
		}
	}
	return c.s.Content.Referrers(ctx, p.Repo, d, artifactType, after, n)
}

// mostReferrers bounds what is fetched that refers to one artifact.
const mostReferrers = 200

func (c *Cache) fetchReferrers(ctx context.Context, p place, d oci.Digest) error {
	rules, err := c.rules(ctx, p)
	if err != nil || !rules.Referrers {
		return err
	}
	other, err := c.reach(ctx, p)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	all, err := other.Referrers(ctx, p.far, d)
	if err != nil {
		c.failed(p, err)
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for _, r := range all[:min(len(all), mostReferrers)] {
		g.Go(func() error { return c.whole(ctx, p, r.Digest) })
	}
	return g.Wait()
}

// whole waits until an artifact is here with its blobs.
func (c *Cache) whole(ctx context.Context, p place, d oci.Digest) error {
	_, here, err := c.find(ctx, p, oci.Reference{Digest: d})
	if err != nil || here {
		return err
	}
	c.s.mu.Lock()
	m := c.s.coming[content{p.Name, d}]
	c.s.mu.Unlock()
	if m == nil {
		return nil
	}
	select {
	case <-m.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// mirrors are the projects that are caches, by the hosts of their registries.
type mirrors struct {
	projects map[string]string
	until    time.Time
}

// mirrorsHold is how long a change of projects or registries may not be seen by
// those who ask by a registry's host.
const mirrorsHold = 5 * time.Second

// Mirror returns the project that is a cache of the registry of a host, as
// containerd names it ("docker.io"), or false. Of several it is the oldest.
func (s *Service) Mirror(ctx context.Context, host string) (string, bool, error) {
	s.mu.Lock()
	m := s.mirrors
	s.mu.Unlock()
	if time.Now().After(m.until) {
		projects, err := s.findMirrors(ctx)
		if err != nil {
			return "", false, fmt.Errorf("mirrors: %w", err)
		}
		m = mirrors{projects, time.Now().Add(mirrorsHold)}
		s.mu.Lock()
		s.mirrors = m
		s.mu.Unlock()
	}
	name, ok := m.projects[strings.ToLower(host)]
	return name, ok, nil
}

// system may see all projects.
var system = access.Caller{Kind: access.User, Name: "harbor#proxy-cache-service", Admin: true}

func (s *Service) findMirrors(ctx context.Context) (map[string]string, error) {
	endpoints, _, err := s.Endpoints.List(ctx, query.Query{Sorts: []query.Sort{{Field: "id"}}})
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, e := range endpoints {
		of := query.Filter{Field: "registry_id", Op: query.Exact, Value: e.ID}
		projects, _, err := s.Projects.List(ctx, system, query.Query{Filters: []query.Filter{of}, Sorts: []query.Sort{{Field: "project_id"}}})
		if err != nil {
			return nil, err
		}
		if len(projects) == 0 {
			continue
		}
		for _, host := range hosts(e.URL, e.Kind) {
			if found[host] == "" {
				found[host] = projects[0].Name
			}
		}
	}
	return found, nil
}

// hosts returns the names by which clients know a registry.
func hosts(text string, kind remote.Kind) []string {
	if kind == remote.DockerHub {
		return []string{"docker.io", "index.docker.io", "registry-1.docker.io"}
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil
	}
	return []string{strings.ToLower(u.Host)}
}
