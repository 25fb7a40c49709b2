package ldap

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	ldap "github.com/go-ldap/ldap/v3"

	"github.com/berth-registry/berth/internal/account"
)

// parallel is how many groups are looked up at once where the settings allow it.
const parallel = 8

// A node is an entry whose groups are looked for.
type node struct {
	dn     string
	login  string   // of a user
	listed []string // DNs of groups, as the entry has them
}

// memberships returns the groups that a person is in, by themselves or through
// other groups, and whether one of them is that of the administrators. Groups
// that do not meet the settings' filter count for nothing; without a filter none
// does, but for the administrators' where the person's own entry lists it.
func (c *conversation) memberships(p Person) (groups []account.Group, admin bool, err error) {
	chief, _ := canonical(c.cfg.GroupAdminDN)
	seen := map[string]bool{}
	for level := []node{{p.dn, p.Name, p.groups}}; len(level) > 0 && len(groups) < maxGroups; {
		above, err := c.parents(level)
		if err != nil {
			return nil, false, err
		}
		above = slices.DeleteFunc(above, func(dn string) bool {
			key, err := canonical(dn)
			known := err != nil || seen[key]
			seen[key] = true
			admin = admin || key != "" && key == chief
			return known
		})
		found, err := c.lookUp(above)
		if err != nil {
			return nil, false, err
		}
		level = nil
		for _, e := range found {
			groups = append(groups, c.group(e))
			level = append(level, node{dn: e.DN, listed: e.GetEqualFoldAttributeValues(c.cfg.GroupMembership)})
		}
	}
	return groups[:min(len(groups), maxGroups)], admin, nil
}

// parents returns the DNs of the groups that the entries are members of: those
// that they list or, of entries that list none, those that list them. Not every
// directory keeps both.
func (c *conversation) parents(level []node) (dns []string, err error) {
	var silent []node
	for _, n := range level {
		dns = append(dns, n.listed...)
		if len(n.listed) == 0 && c.cfg.GroupFilter != "" {
			silent = append(silent, n)
		}
	}
	for some := range slices.Chunk(silent, 50) {
		var filter strings.Builder
		for _, n := range some {
			who := ldap.EscapeFilter(n.dn)
			filter.WriteString("(member=" + who + ")(uniqueMember=" + who + ")")
			if n.login != "" {
				filter.WriteString("(memberUid=" + ldap.EscapeFilter(n.login) + ")")
			}
		}
		found, err := c.search(c.groupBase(), c.cfg.GroupScope, both(c.cfg.GroupFilter, "(|"+filter.String()+")"), maxGroups, "1.1")
		if err != nil && !ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
			return nil, err
		}
		for _, e := range found {
			dns = append(dns, e.DN)
		}
	}
	return dns, nil
}

func (c *conversation) groupBase() string {
	if c.cfg.GroupBaseDN == "" {
		return c.cfg.BaseDN
	}
	return c.cfg.GroupBaseDN
}

// groupName returns the attribute that names groups.
func (c *conversation) groupName() string {
	if c.cfg.GroupName == "" {
		return "cn"
	}
	return c.cfg.GroupName
}

// group returns what is to be kept of a group's entry.
func (c *conversation) group(e *ldap.Entry) account.Group {
	key, _ := canonical(e.DN)
	g := account.Group{Kind: account.LDAPGroup, Name: e.GetEqualFoldAttributeValue(c.groupName()), DN: e.DN, Key: key}
	if g.Name == "" {
		g.Name = e.DN
	}
	return g
}

// lookUp returns the entries of those groups that meet the settings.
func (c *conversation) lookUp(dns []string) ([]*ldap.Entry, error) {
	if c.cfg.GroupFilter == "" {
		return nil, nil
	}
	found, failed := make([]*ldap.Entry, len(dns)), make([]error, len(dns))
	turns := make(chan struct{}, 1)
	if c.cfg.GroupParallel {
		turns = make(chan struct{}, parallel)
	}
	var wg sync.WaitGroup
	for i, dn := range dns[:min(len(dns), maxGroups)] {
		turns <- struct{}{}
		wg.Go(func() {
			found[i], failed[i] = c.groupEntry(dn)
			<-turns
		})
	}
	wg.Wait()
	return slices.DeleteFunc(found, func(e *ldap.Entry) bool { return e == nil }), errors.Join(failed...)
}

// groupEntry returns the entry of a group that meets the settings, or nil.
func (c *conversation) groupEntry(dn string) (*ldap.Entry, error) {
	if !within(dn, c.groupBase(), c.cfg.GroupScope) {
		return nil, nil //nolint:nilnil // no entry is no error
	}
	filter := enclosed(c.cfg.GroupFilter)
	if filter == "" {
		filter = "(objectClass=*)"
	}
	return c.entry(dn, filter, c.groupName(), c.cfg.GroupMembership)
}

// SearchGroups returns the group of a DN or, where that is empty, groups whose
// name has a text in it, at most 100. They have no ids. It returns ErrDN, ErrUnset
// or ErrFailed.
func (s *Service) SearchGroups(ctx context.Context, dn, name string) (found []account.Group, err error) {
	if dn != "" {
		if _, err := canonical(dn); err != nil {
			return nil, err
		}
	}
	err = s.converse(ctx, func(c *conversation) error {
		if dn != "" {
			e, err := c.groupEntry(dn)
			if e != nil {
				found = append(found, c.group(e))
			}
			return err
		}
		named := "(" + c.groupName() + "=*" + ldap.EscapeFilter(name) + "*)"
		all, err := c.search(c.groupBase(), c.cfg.GroupScope, both(c.cfg.GroupFilter, named), maxFound, c.groupName())
		for _, e := range all {
			if _, err := canonical(e.DN); err == nil {
				found = append(found, c.group(e))
			}
		}
		return err
	})
	return found, err
}

// CreateGroup keeps a group of the directory and returns its id. It is named as
// in the directory where name is empty. It returns ErrDN, ErrNoGroup, ErrUnset,
// ErrFailed or what account.Service.CreateGroup returns.
func (s *Service) CreateGroup(ctx context.Context, dn, name string) (int64, error) {
	if _, err := canonical(dn); err != nil {
		return 0, err
	}
	found, err := s.SearchGroups(ctx, dn, "")
	if err != nil {
		return 0, err
	}
	if len(found) == 0 {
		return 0, ErrNoGroup
	}
	if name = strings.TrimSpace(name); name != "" {
		found[0].Name = name
	}
	return s.accounts.CreateGroup(ctx, found[0])
}

// Group returns the group of a DN, and keeps it where it is not kept yet, as
// CreateGroup does. It returns ErrUnavailable in place of ErrUnset and ErrFailed.
func (s *Service) Group(ctx context.Context, dn string) (account.Group, error) {
	key, err := canonical(dn)
	if err != nil {
		return account.Group{}, err
	}
	g, err := s.accounts.GroupByKey(ctx, account.LDAPGroup, key)
	if !errors.Is(err, account.ErrGroupNotFound) {
		return g, err
	}
	id, err := s.CreateGroup(ctx, dn, "")
	if err != nil && !errors.Is(err, account.ErrGroupExists) { // made by another meanwhile
		return account.Group{}, concealed(err)
	}
	if err == nil {
		return s.accounts.Group(ctx, id)
	}
	return s.accounts.GroupByKey(ctx, account.LDAPGroup, key)
}

// Key returns what account keeps of a DN to tell groups apart, or ErrDN.
func Key(dn string) (string, error) { return canonical(dn) }
