package api

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/fault"
)

// apiLevel is the version of Harbor whose API this is, which clients look for
// in harbor_version before they use what came with it.
const apiLevel = "v2.14.0"

var errNoCertificate = fault.New(fault.NotFound, "NOT_FOUND", "the server has no authority of its own")

// system answers what there is to ask of the server as a whole.
type system struct {
	config   Config
	document func() json.RawMessage
	page     func() ([]byte, error) // the document for people
	health   health
}

func (s *system) ping(context.Context, *struct{}) (*text, error) {
	return &text{Type: "text/plain; charset=utf-8", Body: []byte("Pong")}, nil
}

type versionAnswer struct {
	Body struct {
		Version string `json:"version" doc:"of the API"`
	}
}

func (s *system) version(context.Context, *struct{}) (*versionAnswer, error) {
	out := &versionAnswer{}
	out.Body.Version = "v2.0"
	return out, nil
}

type documentAnswer struct {
	Body json.RawMessage
}

func (s *system) describe(context.Context, *struct{}) (*documentAnswer, error) {
	return &documentAnswer{Body: s.document()}, nil
}

type infoRequest struct{ Located }

type infoAnswer struct{ Body generalInfo }

// generalInfo leaves out what an anonymous caller is not told.
type generalInfo struct {
	AuthMode           string             `json:"auth_mode"`
	PrimaryAuthMode    bool               `json:"primary_auth_mode"`
	SelfRegistration   bool               `json:"self_registration"`
	BannerMessage      string             `json:"banner_message"`
	OIDCProviderName   string             `json:"oidc_provider_name"`
	AuthproxySettings  *authproxySettings `json:"authproxy_settings,omitempty"`
	CurrentTime        *moment            `json:"current_time,omitempty"`
	RegistryURL        string             `json:"registry_url,omitempty" doc:"host and port"`
	ExternalURL        string             `json:"external_url,omitempty"`
	Version            string             `json:"harbor_version,omitempty"`
	ProjectRestriction string             `json:"project_creation_restriction,omitempty"`
	ReadOnly           *bool              `json:"read_only,omitempty"`
	HasCARoot          *bool              `json:"has_ca_root,omitempty"`
	Storage            string             `json:"registry_storage_provider_name,omitempty"`
	Notifications      *bool              `json:"notification_enable,omitempty"`
}

type authproxySettings struct {
	Endpoint    string `json:"endpoint"`
	Review      string `json:"tokenreivew_endpoint"` // so spelt on the wire
	SkipSearch  bool   `json:"skip_search"`
	VerifyCert  bool   `json:"verify_cert"`
	Certificate string `json:"server_certificate"`
}

func (s *system) info(ctx context.Context, in *infoRequest) (*infoAnswer, error) {
	v, err := s.config.Settings.Get(ctx)
	if err != nil {
		return nil, err
	}
	out := generalInfo{AuthMode: v.AuthMode, PrimaryAuthMode: v.PrimaryAuthMode, SelfRegistration: v.SelfRegistration, BannerMessage: v.BannerMessage}
	if !access.From(ctx).Anonymous() {
		now, ca := moment(time.Now()), len(s.certificate()) > 0
		out.CurrentTime = &now
		out.RegistryURL, out.ExternalURL = in.base.Host, in.base.String()
		out.Version = apiLevel + "-" + cmp.Or(s.config.Version, "dev")
		out.ProjectRestriction = v.ProjectCreation
		out.ReadOnly, out.HasCARoot, out.Notifications = &v.ReadOnly, &ca, &v.Notifications
		out.Storage = s.config.Storage
	}
	return &infoAnswer{out}, nil
}

type volumesAnswer struct {
	Body struct {
		Storage []volume `json:"storage"`
	}
}

type volume struct {
	Total uint64 `json:"total" doc:"bytes"`
	Free  uint64 `json:"free" doc:"bytes"`
}

func (s *system) volumes(context.Context, *struct{}) (*volumesAnswer, error) {
	out := &volumesAnswer{}
	out.Body.Storage = []volume{}
	if s.config.Volume == nil {
		return out, nil
	}
	total, free, err := s.config.Volume()
	if err != nil {
		return nil, err
	}
	out.Body.Storage = append(out.Body.Storage, volume{total, free})
	return out, nil
}

func (s *system) cert(context.Context, *struct{}) (*file, error) {
	pem := s.certificate()
	if len(pem) == 0 {
		return nil, errNoCertificate
	}
	return &file{Type: "application/octet-stream", Disposition: "attachment; filename=ca.crt", Body: pem}, nil
}

func (s *system) certificate() []byte {
	if s.config.Certificate == nil {
		return nil
	}
	return s.config.Certificate()
}

type healthAnswer struct{ Body healthReport }

type healthReport struct {
	Status     string            `json:"status" enum:"healthy,unhealthy"`
	Components []componentHealth `json:"components"`
}

type componentHealth struct {
	Name   string `json:"name"`
	Status string `json:"status" enum:"healthy,unhealthy"`
	Error  string `json:"error,omitempty"`
}

func (s *system) look(ctx context.Context, _ *struct{}) (*healthAnswer, error) {
	return &healthAnswer{s.health.report(ctx, s.config.Components, s.config.Log)}, nil
}

// health remembers what its components said last, since anybody may ask and a
// check costs a write.
type health struct {
	mu   sync.Mutex
	at   time.Time
	last healthReport
}

const (
	healthy   = "healthy"
	unhealthy = "unhealthy"
)

// How long a report is good for, and how long a check may take.
const (
	healthLife    = 5 * time.Second
	healthTimeout = 10 * time.Second
)

// report returns what the components say, or said a moment ago. One that asks
// while another is being told waits for the same answer. Why one fails is for
// the log: who asks may be anybody.
func (h *health) report(ctx context.Context, components []Component, log *slog.Logger) healthReport {
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Since(h.at) < healthLife {
		return h.last
	}
	// The answer is for others too, so the end of this request does not end it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), healthTimeout)
	defer cancel()
	parts := make([]componentHealth, len(components))
	var all sync.WaitGroup
	for i, c := range components {
		all.Go(func() { parts[i] = c.health(ctx, log) })
	}
	all.Wait()
	h.last, h.at = healthReport{Status: healthy, Components: parts}, time.Now()
	for _, p := range parts {
		if p.Status != healthy {
			h.last.Status = unhealthy
		}
	}
	return h.last
}

func (c Component) health(ctx context.Context, log *slog.Logger) componentHealth {
	err := c.Check(ctx)
	if err == nil {
		return componentHealth{Name: c.Name, Status: healthy}
	}
	log.ErrorContext(ctx, "health", "component", c.Name, "error", err)
	return componentHealth{c.Name, unhealthy, "it does not answer as it should; the log says why"}
}
