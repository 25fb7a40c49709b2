package api

import (
	"context"

	"github.com/berth-registry/berth/internal/endpoint"
	"github.com/berth-registry/berth/internal/label"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/remote"
	"github.com/berth-registry/berth/internal/secret"
)

// registries answers for other registries, which to copy from and to.
type registries struct {
	endpoints *endpoint.Service
	labels    *label.Service
}

type registryBody struct {
	ID          int64               `json:"id"`
	Name        string              `json:"name" doc:"one of its own, of 1 to 64 characters"`
	Description string              `json:"description"`
	Type        string              `json:"type" doc:"see /replication/adapters"`
	URL         string              `json:"url" doc:"of HTTP or HTTPS"`
	Insecure    bool                `json:"insecure" doc:"whether certificates go unverified"`
	Roots       string              `json:"ca_certificate,omitempty" nullable:"true" doc:"authorities in PEM that are trusted in place of the server's own"`
	Credential  *registryCredential `json:"credential,omitempty" doc:"missing: it is spoken to as nobody"`
	Status      string              `json:"status" doc:"healthy or unhealthy, as it was found last"`
	Message     string              `json:"status_message,omitempty" doc:"why it is unhealthy"`
	Budget      *registryBudget     `json:"rate_limit,omitempty" readOnly:"true" doc:"missing: the registry has not told this node of one"`
	Created     moment              `json:"creation_time"`
	Updated     moment              `json:"update_time"`
}

// registryBudget is remote.Budget.
type registryBudget struct {
	Limit     int    `json:"limit" doc:"how many pulls the registry allows in each window"`
	Remaining int    `json:"remaining" doc:"how many it still allowed when it last said so"`
	Window    int64  `json:"window" doc:"in seconds; 0: it does not say"`
	At        moment `json:"time" doc:"when it last said so"`
}

type registryCredential struct {
	Type   string `json:"type" doc:"basic, oauth or secret"`
	Key    string `json:"access_key"`
	Secret string `json:"access_secret,omitempty" doc:"what is kept is never shown: five stars stand for it"`
}

func asRegistry(e endpoint.Endpoint) registryBody {
	b := registryBody{
		ID: e.ID, Name: e.Name, Description: e.Description, Type: string(e.Kind), URL: e.URL, Insecure: e.SkipVerify, Roots: e.Roots,
		Status: "healthy", Message: e.HealthMessage, Created: moment(e.Created), Updated: moment(e.Updated),
	}
	if !e.Healthy {
		b.Status = "unhealthy"
	}
	if e.Account != "" {
		b.Credential = &registryCredential{Type: e.CredentialType, Key: e.Account}
		if len(e.Sealed) > 0 {
			b.Credential.Secret = endpoint.Unchanged
		}
	}
	return b
}

// show adds to an endpoint what its registry says of how much it allows.
func (r registries) show(e endpoint.Endpoint) registryBody {
	b := asRegistry(e)
	if left := r.endpoints.Budget(e.ID); left.Limit > 0 {
		b.Budget = &registryBudget{left.Limit, left.Remaining, int64(left.Window.Seconds()), moment(left.At)}
	}
	return b
}

type listRegistries struct {
	Filtering
	Paging
	Name string `query:"name" doc:"a part of the name"`
}

func (r registries) list(ctx context.Context, in *listRegistries) (*list[registryBody], error) {
	q, err := ask(in.Filtering, in.Paging)
	if err != nil {
		return nil, err
	}
	if in.Name != "" {
		q = q.Where(query.Filter{Field: "name", Op: query.Fuzzy, Value: in.Name})
	}
	found, total, err := r.endpoints.List(ctx, q)
	if err != nil {
		return nil, err
	}
	return page(in.Paging, found, total, r.show), nil
}

type createRegistry struct {
	Body registryBody `nameHint:"Registry"`
}

func (r registries) create(ctx context.Context, in *createRegistry) (*created, error) {
	b := in.Body
	e := endpoint.Endpoint{Name: b.Name, Description: b.Description, Kind: remote.Kind(b.Type), URL: b.URL, SkipVerify: b.Insecure, Roots: b.Roots}
	if c := b.Credential; c != nil {
		e.CredentialType, e.Account, e.Secret = c.Type, c.Key, secret.New(c.Secret)
	}
	id, err := r.endpoints.Create(ctx, e)
	if err != nil {
		return nil, err
	}
	return &created{at("/registries/%d", id)}, nil
}

type registryChange struct {
	Name           *string `json:"name" nullable:"true"`
	Description    *string `json:"description" nullable:"true"`
	URL            *string `json:"url" nullable:"true" doc:"where it leads to another server, and access_secret is not given, the secret that is kept goes"`
	CredentialType *string `json:"credential_type" nullable:"true"`
	Key            *string `json:"access_key" nullable:"true"`
	Secret         *string `json:"access_secret" nullable:"true" doc:"five stars stand for the one that is kept"`
	Insecure       *bool   `json:"insecure" nullable:"true"`
	Roots          *string `json:"ca_certificate" nullable:"true"`
}

type registryTrial struct {
	ID             *int64  `json:"id" nullable:"true" doc:"of a registry that is kept: of the rest, only the credential counts"`
	Type           *string `json:"type" nullable:"true"`
	URL            *string `json:"url" nullable:"true"`
	CredentialType *string `json:"credential_type" nullable:"true"`
	Key            *string `json:"access_key" nullable:"true"`
	Secret         *string `json:"access_secret" nullable:"true" doc:"five stars stand for the one that is kept"`
	Insecure       *bool   `json:"insecure" nullable:"true"`
	Roots          *string `json:"ca_certificate" nullable:"true"`
}

// hidden is a text that may not be there and does not print itself.
func hidden(text *string) *secret.Text {
	if text == nil {
		return nil
	}
	t := secret.New(*text)
	return &t
}

// or returns what a pointer points to, or the zero value.
func or[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

type pingRegistry struct {
	Body registryTrial `nameHint:"RegistryPing"`
}

func (r registries) ping(ctx context.Context, in *pingRegistry) (*changed, error) {
	b := in.Body
	if b.ID != nil {
		return nil, r.endpoints.Ping(ctx, *b.ID, endpoint.Change{CredentialType: b.CredentialType, Account: b.Key, Secret: hidden(b.Secret)})
	}
	return nil, r.endpoints.Try(ctx, &endpoint.Endpoint{
		Kind: remote.Kind(or(b.Type)), URL: or(b.URL), CredentialType: or(b.CredentialType), Account: or(b.Key), Secret: secret.New(or(b.Secret)),
		SkipVerify: or(b.Insecure), Roots: or(b.Roots),
	})
}

type getRegistry struct {
	ID int64 `path:"id" doc:"0 is this registry itself"`
	Located
}

type registryAnswer struct {
	Body registryBody `nameHint:"Registry"`
}

func (r registries) get(ctx context.Context, in *getRegistry) (*registryAnswer, error) {
	e, err := r.endpoints.ByID(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if e.ID == endpoint.LocalID {
		e.URL = in.base.String()
	}
	return &registryAnswer{r.show(e)}, nil
}

type updateRegistry struct {
	ID   int64          `path:"id"`
	Body registryChange `nameHint:"RegistryUpdate"`
}

func (r registries) update(ctx context.Context, in *updateRegistry) (*nothing, error) {
	b := in.Body
	return nil, r.endpoints.Update(ctx, in.ID, endpoint.Change{
		Name: b.Name, Description: b.Description, URL: b.URL, CredentialType: b.CredentialType, Account: b.Key, Secret: hidden(b.Secret),
		SkipVerify: b.Insecure, Roots: b.Roots,
	})
}

type deleteRegistry struct {
	ID int64 `path:"id"`
}

func (r registries) delete(ctx context.Context, in *deleteRegistry) (*nothing, error) {
	return nil, r.endpoints.Delete(ctx, in.ID)
}

type registryInfo struct {
	Type        string        `json:"type"`
	Description string        `json:"description"`
	Filters     []filterStyle `json:"supported_resource_filters"`
	Triggers    []string      `json:"supported_triggers"`
	ByChunk     bool          `json:"supported_copy_by_chunk,omitempty"`
}

type filterStyle struct {
	Type   string   `json:"type" doc:"name, tag, label or resource"`
	Style  string   `json:"style" doc:"how it is entered: input, radio or list"`
	Values []string `json:"values" doc:"what there is to choose from"`
}

type registryInfoAnswer struct {
	Body registryInfo `nameHint:"RegistryInfo"`
}

func (r registries) info(ctx context.Context, in *getRegistry) (*registryInfoAnswer, error) {
	e, err := r.endpoints.ByID(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	about, _ := remote.About(e.Kind)
	b := registryInfo{
		Type: string(e.Kind), Description: about.Description, Triggers: []string{"manual", "scheduled"}, ByChunk: e.Kind == remote.Harbor,
		Filters: []filterStyle{{"name", "input", []string{}}, {"tag", "input", []string{}}},
	}
	if about.Labels {
		names, err := r.labelsOf(ctx, e)
		if err != nil {
			return nil, err
		}
		b.Filters = append(b.Filters, filterStyle{"label", "list", names})
	}
	b.Filters = append(b.Filters, filterStyle{"resource", "radio", []string{"image", "artifact"}})
	if e.ID == endpoint.LocalID {
		b.Triggers = append(b.Triggers, "event_based")
	}
	return &registryInfoAnswer{b}, nil
}

// labelsOf returns the labels of all projects that a registry has. What one that is
// unhealthy has is not known; it can be told of all the same.
func (r registries) labelsOf(ctx context.Context, e endpoint.Endpoint) ([]string, error) {
	names := []string{}
	if e.ID == endpoint.LocalID {
		found, _, err := r.labels.List(ctx, label.Global, 0, query.Query{})
		return append(names, all(found, func(l label.Label) string { return l.Name })...), err
	}
	some, err := r.endpoints.Labels(ctx, e)
	return append(names, some...), err
}

type registryKinds struct{ Body []string }

func (registries) kinds(context.Context, *struct{}) (*registryKinds, error) {
	return &registryKinds{all(remote.Kinds(), asText[remote.Kind])}, nil
}

type registryProvider struct {
	Endpoint   providerEndpoint   `json:"endpoint_pattern"`
	Credential providerCredential `json:"credential_pattern"`
}

type providerEndpoint struct {
	Type   string          `json:"endpoint_type" doc:"EndpointPatternTypeStandard for any URL, EndpointPatternTypeFix for that one, EndpointPatternTypeList for one of some"`
	Places []providerPlace `json:"endpoints"`
}

type providerPlace struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

type providerCredential struct {
	KeyType    string `json:"access_key_type" doc:"AccessKeyTypeStandard, or AccessKeyTypeFix for what access_key_data says"`
	Key        string `json:"access_key_data"`
	SecretType string `json:"access_secret_type" doc:"AccessSecretTypePass, or AccessSecretTypeFile for the content of a file"`
	Secret     string `json:"access_secret_data"`
}

type registryProviders struct {
	Body map[string]registryProvider
}

func (registries) providers(context.Context, *struct{}) (*registryProviders, error) {
	out := &registryProviders{map[string]registryProvider{}}
	for _, kind := range remote.Kinds() {
		about, _ := remote.About(kind)
		out.Body[string(kind)] = asProvider(about)
	}
	return out, nil
}

func asProvider(about remote.Info) registryProvider {
	p := registryProvider{
		Endpoint:   providerEndpoint{"EndpointPatternTypeStandard", all(about.Endpoints, func(at remote.Place) providerPlace { return providerPlace{at.Name, at.URL} })},
		Credential: providerCredential{KeyType: "AccessKeyTypeStandard", SecretType: "AccessSecretTypePass"},
	}
	switch {
	case about.Fixed:
		p.Endpoint.Type = "EndpointPatternTypeFix"
	case len(about.Endpoints) > 0:
		p.Endpoint.Type = "EndpointPatternTypeList"
	}
	if about.Account != "" {
		p.Credential.KeyType, p.Credential.Key = "AccessKeyTypeFix", about.Account
	}
	if about.SecretFile {
		p.Credential.SecretType = "AccessSecretTypeFile"
	}
	return p
}
