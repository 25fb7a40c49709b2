package api

import (
	"context"

	"github.com/berth-registry/berth/internal/adapter"
	"github.com/berth-registry/berth/internal/scanner"
	"github.com/berth-registry/berth/internal/secret"
)

// scanners answers for scanners, and for which one a project has.
type scanners struct{ scanners *scanner.Service }

type scannerBody struct {
	UUID         string       `json:"uuid"`
	Name         string       `json:"name"`
	Description  string       `json:"description"`
	URL          string       `json:"url" format:"uri" doc:"of the built-in scanner, that of this server"`
	Disabled     bool         `json:"disabled"`
	Default      bool         `json:"is_default" doc:"whether projects have it that have chosen none"`
	Auth         string       `json:"auth" doc:"how the credential is sent: empty, Basic, Bearer or X-ScannerAdapter-API-Key"`
	Credential   string       `json:"access_credential" doc:"always empty: it is never shown"`
	SkipVerify   bool         `json:"skip_certVerify" doc:"whether certificates go unverified"`
	Internal     bool         `json:"use_internal_addr"`
	Created      moment       `json:"create_time"`
	Updated      moment       `json:"update_time"`
	Adapter      string       `json:"adapter"`
	Vendor       string       `json:"vendor"`
	Version      string       `json:"version"`
	Health       string       `json:"health" doc:"healthy or unhealthy, as it was found last"`
	Message      string       `json:"health_message,omitempty" doc:"why it is unhealthy; for administrators"`
	Capabilities scannerCanDo `json:"capabilities"`
}

type scannerCanDo struct {
	Vulnerability bool `json:"support_vulnerability"`
	SBOM          bool `json:"support_sbom"`
}

// asScanner returns what is shown of a scanner, of the built-in one with the address of
// the server.
func (l Located) asScanner(r scanner.Registration) scannerBody {
	b := scannerBody{
		UUID: r.ID, Name: r.Name, Description: r.Description, URL: r.URL, Disabled: r.Disabled, Default: r.Default, Auth: string(r.Auth), SkipVerify: r.SkipVerify, Internal: r.Internal,
		Created: moment(r.Created), Updated: moment(r.Updated), Adapter: r.Metadata.Scanner.Name, Vendor: r.Metadata.Scanner.Vendor, Version: r.Metadata.Scanner.Version,
		Health: "healthy", Message: r.HealthMessage, Capabilities: scannerCanDo{r.Metadata.Does(adapter.Vulnerabilities), r.Metadata.Does(adapter.SBOM)},
	}
	if !r.Healthy {
		b.Health = "unhealthy"
	}
	if r.Builtin() {
		b.URL = l.base.String()
	}
	return b
}

// asCandidate leaves out what the people of a project need not know.
func (l Located) asCandidate(r scanner.Registration) scannerBody {
	b := l.asScanner(r)
	b.Message = ""
	return b
}

type listScanners struct {
	Filtering
	Paging
	Located
}

func (s scanners) list(ctx context.Context, in *listScanners) (*list[scannerBody], error) {
	q, err := ask(in.Filtering, in.Paging)
	if err != nil {
		return nil, err
	}
	found, total, err := s.scanners.List(ctx, q)
	if err != nil {
		return nil, err
	}
	return page(in.Paging, found, total, in.asScanner), nil
}

// A scannerReq leaves out what is to stay, or to be as it is by itself.
type scannerReq struct {
	Name        string  `json:"name" required:"true" doc:"one of its own, of 1 to 64 characters"`
	Description *string `json:"description" nullable:"true"`
	URL         string  `json:"url" required:"true" format:"uri" doc:"of HTTP or HTTPS, one of its own; the API of the scanner is below it"`
	Auth        *string `json:"auth" nullable:"true" doc:"how the credential is sent: empty, Basic, Bearer or X-ScannerAdapter-API-Key"`
	Credential  *string `json:"access_credential" nullable:"true" doc:"for Basic, NAME:PASSWORD; missing or empty stands for the one that is kept for this URL's server"`
	SkipVerify  *bool   `json:"skip_certVerify" nullable:"true"`
	Internal    *bool   `json:"use_internal_addr" nullable:"true"`
	Disabled    *bool   `json:"disabled" nullable:"true"`
}

func (b scannerReq) registration() scanner.Registration {
	return scanner.Registration{
		Name: b.Name, Description: or(b.Description), URL: b.URL, Auth: adapter.Auth(or(b.Auth)), Credential: secret.New(or(b.Credential)),
		SkipVerify: or(b.SkipVerify), Internal: or(b.Internal), Disabled: or(b.Disabled),
	}
}

type createScanner struct {
	Body scannerReq `nameHint:"ScannerRegistrationReq"`
}

func (s scanners) create(ctx context.Context, in *createScanner) (*created, error) {
	id, err := s.scanners.Create(ctx, in.Body.registration())
	if err != nil {
		return nil, err
	}
	return &created{at("/scanners/%s", id)}, nil
}

type pingScanner struct {
	Body struct {
		Name       string `json:"name" required:"true"`
		URL        string `json:"url" required:"true" format:"uri"`
		Auth       string `json:"auth"`
		Credential string `json:"access_credential"`
		SkipVerify bool   `json:"skip_certVerify"`
	} `nameHint:"ScannerRegistrationSettings"`
}

func (s scanners) ping(ctx context.Context, in *pingScanner) (*changed, error) {
	b := in.Body
	return nil, s.scanners.Try(ctx, &scanner.Registration{URL: b.URL, Auth: adapter.Auth(b.Auth), Credential: secret.New(b.Credential), SkipVerify: b.SkipVerify})
}

type getScanner struct {
	ID string `path:"registration_id"`
	Located
}

type scannerAnswer struct {
	Body scannerBody `nameHint:"ScannerRegistration"`
}

func (s scanners) get(ctx context.Context, in *getScanner) (*scannerAnswer, error) {
	r, err := s.scanners.ByID(ctx, in.ID)
	return &scannerAnswer{in.asScanner(r)}, err
}

type updateScanner struct {
	ID   string     `path:"registration_id"`
	Body scannerReq `nameHint:"ScannerRegistrationReq"`
}

func (s scanners) update(ctx context.Context, in *updateScanner) (*nothing, error) {
	b := in.Body
	return nil, s.scanners.Update(ctx, in.ID, scanner.Change{
		Name: &b.Name, Description: b.Description, URL: &b.URL, Auth: (*adapter.Auth)(b.Auth), Credential: hidden(b.Credential),
		SkipVerify: b.SkipVerify, Internal: b.Internal, Disabled: b.Disabled,
	})
}

func (s scanners) delete(ctx context.Context, in *getScanner) (*scannerAnswer, error) {
	r, err := s.scanners.Delete(ctx, in.ID)
	return &scannerAnswer{in.asScanner(r)}, err
}

type setDefaultScanner struct {
	ID   string `path:"registration_id"`
	Body struct {
		Default bool `json:"is_default" doc:"of the one that is, only true: there always is one"`
	} `nameHint:"IsDefault"`
}

func (s scanners) makeDefault(ctx context.Context, in *setDefaultScanner) (*nothing, error) {
	if in.Body.Default {
		return nil, s.scanners.MakeDefault(ctx, in.ID)
	}
	r, err := s.scanners.ByID(ctx, in.ID)
	if err == nil && r.Default {
		err = scanner.ErrInvalid.With("it stays the default until another one is made that")
	}
	return nil, err
}

type scannerMetadata struct {
	Scanner      scannerName         `json:"scanner"`
	Capabilities []scannerCapability `json:"capabilities"`
	Properties   map[string]string   `json:"properties"`
}

type scannerName struct {
	Name    string `json:"name"`
	Vendor  string `json:"vendor"`
	Version string `json:"version"`
}

type scannerCapability struct {
	Type     string   `json:"type" doc:"vulnerability or sbom"`
	Consumes []string `json:"consumes_mime_types"`
	Produces []string `json:"produces_mime_types"`
}

type scannerMetadataAnswer struct {
	Body scannerMetadata `nameHint:"ScannerAdapterMetadata"`
}

func (s scanners) metadata(ctx context.Context, in *getScanner) (*scannerMetadataAnswer, error) {
	m, err := s.scanners.Metadata(ctx, in.ID)
	return &scannerMetadataAnswer{scannerMetadata{
		Scanner: scannerName(m.Scanner), Properties: m.Properties,
		Capabilities: all(m.Capabilities, func(c adapter.Capability) scannerCapability {
			return scannerCapability{string(c.Kind), c.Consumes, c.Produces}
		}),
	}}, err
}

type getProjectScanner struct {
	InProject
	Located
}

func (s scanners) ofProject(ctx context.Context, in *getProjectScanner) (*scannerAnswer, error) {
	r, err := s.scanners.OfProject(ctx, in.project.ID)
	return &scannerAnswer{in.asCandidate(r)}, err
}

type setProjectScanner struct {
	InProject
	Body struct {
		UUID string `json:"uuid" required:"true" maxLength:"64"`
	} `nameHint:"ProjectScanner"`
}

func (s scanners) choose(ctx context.Context, in *setProjectScanner) (*nothing, error) {
	return nil, s.scanners.Choose(ctx, in.project.ID, in.Body.UUID)
}

type listProjectScanners struct {
	InProject
	Filtering
	Paging
	Located
}

func (s scanners) candidates(ctx context.Context, in *listProjectScanners) (*list[scannerBody], error) {
	q, err := ask(in.Filtering, in.Paging)
	if err != nil {
		return nil, err
	}
	found, total, err := s.scanners.Candidates(ctx, q)
	if err != nil {
		return nil, err
	}
	return page(in.Paging, found, total, in.asCandidate), nil
}
