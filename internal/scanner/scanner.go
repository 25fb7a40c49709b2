// Package scanner keeps which scanners there are: the one that comes with the server,
// and others that administrators have named, with where each is, how it is spoken to,
// what it says of itself and whether it was well when it was last looked at; and which
// of them a project has. It promises that there is always exactly one default, that the
// built-in one stays as it is, and that a credential is sent to the server that it was
// given for and to no other, even if somebody writes into the database. How scanners
// are spoken to is adapter's affair, and scanning is for others.
package scanner

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/adapter"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/outbound"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/secret"
)

// Faults of scanners.
var (
	ErrNotFound  = fault.New(fault.NotFound, "NOT_FOUND", "scanner not found")
	ErrExists    = fault.New(fault.Conflict, "CONFLICT", "there is a scanner of that name or URL already")
	ErrInvalid   = fault.New(fault.Invalid, "BAD_REQUEST", "invalid scanner")
	ErrUnhealthy = fault.New(fault.Invalid, "BAD_REQUEST", "the scanner is unhealthy")
	ErrChanged   = fault.New(fault.Conflict, "CONFLICT", "the scanner was changed meanwhile; read it again")
	ErrBuiltin   = fault.New(fault.Denied, "FORBIDDEN", "the built-in scanner stays as it is")
	ErrDisabled  = fault.New(fault.Precondition, "PRECONDITION", "the scanner is disabled")
	ErrSecret    = fault.New(fault.Precondition, "PRECONDITION", "the scanner's credential cannot be read: it was kept for another URL, or sealed with another key; give it again")
)

// BuiltinID is the id of the scanner that comes with the server. It never changes.
const BuiltinID = "5a1c3f0e-7b7d-4f5e-9a86-2f6c1d0b9e42"

// builtinName is what it is called.
const builtinName = "Berth"

// Self is what the built-in scanner of a version of the program says that it is.
func Self(version string) finding.Scanner {
	return finding.Scanner{Name: builtinName, Vendor: builtinName, Version: version}
}

// reserved are names that clients take for those of built-in scanners: here and in
// Harbor.
var reserved = []string{builtinName, "Trivy"}

// What there may be.
const (
	maxName        = 64 // characters
	maxDescription = 1024
)

// A Registration is a scanner that there is.
type Registration struct {
	ID          string // a UUID
	Name        string
	Description string

	URL        string // as adapter.Settings has it; empty of the built-in one
	Auth       adapter.Auth
	Credential secret.Text
	Sealed     []byte // the same as it is kept; empty for none
	SkipVerify bool   // of certificates
	Internal   bool   // it reaches the registry by the address that is for neighbours

	Disabled bool // it scans nothing, and no project can choose it
	Default  bool // of the projects that have chosen none

	Metadata      adapter.Metadata // as it last said
	Healthy       bool
	HealthMessage string // why not
	Checked       time.Time

	Created time.Time // zero of the built-in one, as Updated is
	Updated time.Time
	Version int64 // another one with every change, but of its health
}

// Builtin reports whether it is the one that comes with the server.
func (r Registration) Builtin() bool { return r.ID == BuiltinID }

// A Change is what is to be otherwise; what is nil stays.
type Change struct {
	Name, Description, URL *string

	Auth       *adapter.Auth
	Credential *secret.Text // an empty one stands for the one that is kept
	SkipVerify *bool
	Internal   *bool
	Disabled   *bool
}

// A Store keeps scanners. The built-in one is among them. Each method is one
// transaction. All return ErrNotFound for a scanner that there is none of.
type Store interface {
	// Create keeps a new scanner, or returns ErrExists.
	Create(ctx context.Context, r Registration, by event.Actor) error
	// ByID returns one. It reads one row by its key.
	ByID(ctx context.Context, id string) (Registration, error)
	// OfProject returns the one that a project has chosen, or else the default, or else
	// the built-in one.
	OfProject(ctx context.Context, projectID int64) (Registration, error)
	// ChosenBy returns the id of that one.
	ChosenBy(ctx context.Context, projectID int64) (string, error)
	// List lists them, or those that are enabled.
	List(ctx context.Context, enabled bool, q query.Query) ([]Registration, int64, error)
	// Update keeps a scanner in place of that of its id and version, and gives it the
	// next version. It returns ErrChanged, and ErrExists.
	Update(ctx context.Context, r Registration, changed []string, by event.Actor) error
	// Delete removes one. Who has chosen it has chosen none then.
	Delete(ctx context.Context, id string, by event.Actor) error
	// MakeDefault makes one the default in place of the one that is, or returns
	// ErrDisabled.
	MakeDefault(ctx context.Context, id string, by event.Actor) error
	// Choose makes one a project's, or returns ErrDisabled, or a fault of the kind
	// NotFound where there is no such project.
	Choose(ctx context.Context, projectID int64, id string, by event.Actor) error

	// Claim returns up to n scanners but the built-in one that were last looked at
	// before a time, the longest ago first, and notes that they are now: no other node
	// gets them.
	Claim(ctx context.Context, before, now time.Time, n int) ([]Registration, error)
	// Found notes how one was found and what it said of itself, unless it has another
	// version meanwhile.
	Found(ctx context.Context, r Registration) error
}

// A Service is what the rest of the program asks about scanners. The caller of the
// context is who makes a change. It is safe for concurrent use.
type Service struct {
	// Updated says of when what the built-in scanner knows of vulnerabilities is; zero
	// where it knows nothing. It is set before the service is used, or nil.
	Updated func(context.Context) (time.Time, error)

	store  Store
	sealer *secret.Sealer
	rules  outbound.Rules
	self   finding.Scanner
	log    *slog.Logger
}

// New returns a service, whose connections follow the rules. version is that of the
// program, and so of the built-in scanner.
func New(store Store, sealer *secret.Sealer, rules outbound.Rules, version string, log *slog.Logger) *Service {
	if version == "" {
		version = "unknown"
	}
	return &Service{store: store, sealer: sealer, rules: rules, self: Self(version), log: log}
}

// Create makes a registration of a scanner that answers, and returns its id. It is not
// the default. It returns ErrInvalid, ErrUnhealthy, ErrExists, and adapter.ErrSettings.
func (s *Service) Create(ctx context.Context, r Registration) (string, error) {
	if err := named(r); err != nil {
		return "", err
	}
	if err := s.Try(ctx, &r); err != nil {
		return "", err
	}
	r.ID, r.Created = uuid.NewString(), time.Now()
	r.Updated, r.Checked, r.Healthy, r.HealthMessage, r.Version = r.Created, r.Created, true, "", 1
	r.Sealed = s.seal(r)
	return r.ID, s.store.Create(ctx, r, access.From(ctx).Actor())
}

// Try brings a registration that need not be kept into its form, and asks the scanner
// what it is, with the Credential. It returns ErrUnhealthy, and adapter.ErrSettings.
func (s *Service) Try(ctx context.Context, r *Registration) error {
	r.Sealed = nil
	return s.ask(ctx, r)
}

// ByID returns a registration, or ErrNotFound. Its credential is sealed.
func (s *Service) ByID(ctx context.Context, id string) (Registration, error) {
	r, err := s.store.ByID(ctx, id)
	return s.complete(ctx, r, err)
}

// OfProject returns the scanner that a project has: the one that it has chosen, or else
// the default. There always is one; it may be disabled, or unhealthy.
func (s *Service) OfProject(ctx context.Context, projectID int64) (Registration, error) {
	r, err := s.store.OfProject(ctx, projectID)
	return s.complete(ctx, r, err)
}

// ChosenBy returns the id of the scanner that a project has, as OfProject.
func (s *Service) ChosenBy(ctx context.Context, projectID int64) (string, error) {
	return s.store.ChosenBy(ctx, projectID)
}

// List lists all scanners, the built-in one first.
func (s *Service) List(ctx context.Context, q query.Query) ([]Registration, int64, error) {
	return s.list(ctx, false, q)
}

// Candidates lists those that a project can choose.
func (s *Service) Candidates(ctx context.Context, q query.Query) ([]Registration, int64, error) {
	return s.list(ctx, true, q)
}

func (s *Service) list(ctx context.Context, enabled bool, q query.Query) ([]Registration, int64, error) {
	all, total, err := s.store.List(ctx, enabled, q)
	for i := range all {
		all[i], err = s.complete(ctx, all[i], err)
	}
	return all, total, err
}

// Update changes a registration. Where what the scanner is reached by changes, it must
// answer; where its URL leads to another server, a credential must be given again. It
// returns ErrInvalid, ErrNotFound, ErrBuiltin, ErrUnhealthy, ErrExists, ErrChanged where
// somebody else changed it at the same time, and adapter.ErrSettings.
func (s *Service) Update(ctx context.Context, id string, c Change) error {
	old, err := s.changeable(ctx, id)
	if err != nil {
		return err
	}
	r := old
	apply(&r, c)
	if err := named(r); err != nil {
		return err
	}
	r.Updated = time.Now()
	if r.URL != old.URL || r.Auth != old.Auth || r.SkipVerify != old.SkipVerify || !r.Credential.Empty() {
		if err := s.ask(ctx, &r); err != nil {
			return err
		}
		r.Checked, r.Healthy, r.HealthMessage = r.Updated, true, ""
	}
	if !r.Credential.Empty() {
		r.Sealed = s.seal(r)
	}
	return s.store.Update(ctx, r, changed(old, r), access.From(ctx).Actor())
}

// Delete removes a registration and returns it as it was. Projects that had it have the
// default then; where it was that, the built-in one is. It returns ErrNotFound, and
// ErrBuiltin.
func (s *Service) Delete(ctx context.Context, id string) (Registration, error) {
	old, err := s.changeable(ctx, id)
	if err == nil {
		err = s.store.Delete(ctx, id, access.From(ctx).Actor())
	}
	return old, err
}

func (s *Service) changeable(ctx context.Context, id string) (Registration, error) {
	if id == BuiltinID {
		return Registration{}, ErrBuiltin
	}
	return s.store.ByID(ctx, id)
}

// MakeDefault makes a scanner that of all projects that have chosen none. It returns
// ErrNotFound, and ErrDisabled.
func (s *Service) MakeDefault(ctx context.Context, id string) error {
	return s.store.MakeDefault(ctx, id, access.From(ctx).Actor())
}

// Choose makes a scanner a project's, whatever the default is. It returns ErrNotFound,
// ErrDisabled, and a fault of the kind NotFound where there is no such project.
func (s *Service) Choose(ctx context.Context, projectID int64, id string) error {
	return s.store.Choose(ctx, projectID, id, access.From(ctx).Actor())
}

// Client returns what speaks to a scanner that is not the built-in one, as a
// registration has it that was read here. Its user closes it. It returns ErrBuiltin,
// ErrSecret, and adapter.ErrSettings.
func (s *Service) Client(r Registration) (*adapter.Client, error) {
	if r.Builtin() {
		return nil, ErrBuiltin.With("it is spoken to by no one")
	}
	settings, err := s.settings(r)
	if err != nil {
		return nil, err
	}
	return adapter.Open(s.rules, settings)
}

// complete fills in what the built-in scanner is.
func (s *Service) complete(ctx context.Context, r Registration, err error) (Registration, error) {
	if err != nil || !r.Builtin() {
		return r, err
	}
	r.Metadata, r.Healthy, r.HealthMessage = s.builtin(), true, ""
	if s.Updated == nil {
		return r, nil
	}
	at, err := s.Updated(ctx)
	if err == nil && !at.IsZero() {
		r.Metadata.Properties[updatedAt] = at.UTC().Format(time.RFC3339)
	}
	return r, err
}

// updatedAt is the property of a scanner that says how new what it knows is.
const updatedAt = "harbor.scanner-adapter/vulnerability-database-updated-at"

// builtin is what the built-in scanner says of itself.
func (s *Service) builtin() adapter.Metadata {
	images := []string{oci.MediaTypeImageManifest, oci.MediaTypeDockerManifest}
	return adapter.Metadata{
		Scanner: s.self,
		Capabilities: []adapter.Capability{
			{Kind: adapter.Vulnerabilities, Consumes: images, Produces: []string{finding.MediaTypeReport, finding.MediaTypeNativeReport}},
			{Kind: adapter.SBOM, Consumes: images, Produces: []string{adapter.MediaTypeSBOM}},
		},
		Properties: map[string]string{"harbor.scanner-adapter/scanner-type": "os-package-vulnerability"},
	}
}

// settings are what a client is made of, with the Credential or else with the sealed
// one.
func (s *Service) settings(r Registration) (adapter.Settings, error) {
	credential := r.Credential
	if credential.Empty() && len(r.Sealed) > 0 {
		text, err := s.sealer.Open(r.Sealed, sealedAs(r))
		if err != nil {
			return adapter.Settings{}, ErrSecret.Because(err)
		}
		credential = secret.New(string(text))
	}
	return adapter.Settings{URL: r.URL, Auth: r.Auth, Credential: credential, SkipVerify: r.SkipVerify}, nil
}

// seal returns the credential as it is kept: bound to the id and to the server, so that
// it opens for no other.
func (s *Service) seal(r Registration) []byte {
	if r.Credential.Empty() {
		return nil
	}
	return s.sealer.Seal([]byte(r.Credential.Reveal()), sealedAs(r))
}

func sealedAs(r Registration) string { return fmt.Sprintf("scanner/%s/%s", r.ID, origin(r.URL)) }

// origin is the part of a URL that says which server it leads to.
func origin(text string) string {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil {
		return text
	}
	return u.Scheme + "://" + strings.ToLower(u.Host)
}

// apply makes a change. What is kept as a credential goes where it is for nothing, and
// where it would be sent to another server.
func apply(r *Registration, c Change) {
	was := origin(r.URL)
	set(&r.Name, c.Name)
	set(&r.Description, c.Description)
	set(&r.URL, c.URL)
	set(&r.Auth, c.Auth)
	set(&r.Credential, c.Credential)
	set(&r.SkipVerify, c.SkipVerify)
	set(&r.Internal, c.Internal)
	set(&r.Disabled, c.Disabled)
	if origin(r.URL) != was || r.Auth == adapter.NoAuth || !r.Credential.Empty() {
		r.Sealed = nil
	}
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// named checks what people call a scanner.
func named(r Registration) error {
	switch n := utf8.RuneCountInString(r.Name); {
	case n == 0 || n > maxName || !utf8.ValidString(r.Name) || strings.ContainsFunc(r.Name, func(c rune) bool { return c < ' ' || c == 0x7f }):
		return ErrInvalid.With("name: it must have 1 to %d characters", maxName)
	case slices.ContainsFunc(reserved, func(name string) bool { return strings.EqualFold(name, strings.TrimSpace(r.Name)) }):
		return ErrInvalid.With("name: %s is a name of built-in scanners", r.Name)
	case len(r.Description) > maxDescription || !utf8.ValidString(r.Description) || strings.Contains(r.Description, "\x00"):
		return ErrInvalid.With("description: at most %d bytes", maxDescription)
	}
	return nil
}

// changed names what is otherwise, as clients call it.
func changed(old, now Registration) (names []string) {
	for _, f := range []struct {
		name string
		is   bool
	}{
		{"name", old.Name != now.Name}, {"description", old.Description != now.Description}, {"url", old.URL != now.URL},
		{"auth", old.Auth != now.Auth}, {"access_credential", string(old.Sealed) != string(now.Sealed)}, {"skip_certVerify", old.SkipVerify != now.SkipVerify},
		{"use_internal_addr", old.Internal != now.Internal}, {"disabled", old.Disabled != now.Disabled},
	} {
		if f.is {
			names = append(names, f.name)
		}
	}
	return names
}
