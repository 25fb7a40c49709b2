package remote

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// A Kind of registry. Its name is stored, and told to clients: it never changes.
type Kind string

// The kinds.
const (
	Harbor       Kind = "harbor"
	DockerHub    Kind = "docker-hub"
	Distribution Kind = "docker-registry"
	Huawei       Kind = "huawei-SWR"
	Google       Kind = "google-gcr"
	Amazon       Kind = "aws-ecr"
	Azure        Kind = "azure-acr"
	Alibaba      Kind = "ali-acr"
	JFrog        Kind = "jfrog-artifactory"
	Quay         Kind = "quay"
	GitLab       Kind = "gitlab"
	Docker       Kind = "dtr"
	Tencent      Kind = "tencent-tcr"
	GitHub       Kind = "github-ghcr"
	Volcengine   Kind = "volcengine-cr"
)

// A vendor is in what a kind differs from the distribution specification. What is
// nil is as there.
type vendor struct {
	// base returns the URL of the registry's API.
	base func(home *url.URL) *url.URL
	// check says whether the credentials are right, where /v2/ alone does not.
	check func(ctx context.Context, r *Registry) error
	// login makes a name and a password of the account and its secret.
	login func(ctx context.Context, r *Registry) (name, password string, err error)
	// repositories lists what the account may see.
	repositories func(ctx context.Context, r *Registry, fn func([]string) error) error
	// prepare makes what a repository needs before it is written to.
	prepare func(ctx context.Context, r *Registry, repository string, public bool) error

	about Info
}

// Info is what people are told of a kind, who enter such a registry.
type Info struct {
	Endpoints   []Place // the URLs that it may have; empty: any
	Fixed       bool    // it has that one URL
	Account     string  // what the account is always called; empty: any
	SecretFile  bool    // the secret is the content of a file
	Labels      bool    // it can be asked for artifacts by their labels
	Components  int     // that the name of each repository has; 0: any number
	Official    string  // what a name of one component has before it in full; empty: nothing
	Description string
}

// A Place is a URL by the name that people know it by.
type Place struct{ Name, URL string }

var vendors = map[Kind]vendor{
	Harbor:       {check: checkHarbor, repositories: harborRepositories, prepare: prepareHarbor, about: Info{Labels: true, Description: "Harbor, and Berth"}},
	DockerHub:    {base: hubRegistry, repositories: noCatalog, about: Info{Endpoints: []Place{{"hub.docker.com", "https://hub.docker.com"}}, Fixed: true, Components: 2, Official: "library", Description: "Docker Hub"}},
	Distribution: {about: Info{Description: "any registry of the distribution specification"}},
	Huawei:       {about: Info{Endpoints: places("https://swr.%s.myhuaweicloud.com", "ap-southeast-1", "ap-southeast-3", "cn-east-2", "cn-east-3", "cn-north-1", "cn-north-4", "cn-south-1", "cn-southwest-2"), Description: "Huawei Cloud SWR"}},
	Google:       {about: Info{Endpoints: []Place{{"gcr.io", "https://gcr.io"}, {"us.gcr.io", "https://us.gcr.io"}, {"eu.gcr.io", "https://eu.gcr.io"}, {"asia.gcr.io", "https://asia.gcr.io"}}, Account: "_json_key", SecretFile: true, Description: "Google Container Registry and Artifact Registry"}},
	Amazon:       {login: amazonLogin, prepare: prepareAmazon, about: Info{Description: "Amazon ECR: https://ACCOUNT.dkr.ecr.REGION.amazonaws.com, with an access key and its secret"}},
	Azure:        {about: Info{Description: "Azure Container Registry"}},
	Alibaba:      {about: Info{Endpoints: places("https://registry.%s.aliyuncs.com", "ap-northeast-1", "ap-southeast-1", "cn-beijing", "cn-hangzhou", "cn-hongkong", "cn-shanghai", "cn-shenzhen", "eu-central-1", "us-east-1", "us-west-1"), Description: "Alibaba Cloud Container Registry"}},
	JFrog:        {about: Info{Description: "JFrog Artifactory"}},
	Quay:         {about: Info{Description: "Quay"}},
	GitLab:       {about: Info{Description: "GitLab"}},
	Docker:       {about: Info{Description: "Docker Trusted Registry"}},
	Tencent:      {about: Info{Description: "Tencent Container Registry"}},
	GitHub:       {repositories: noCatalog, about: Info{Endpoints: []Place{{"ghcr.io", "https://ghcr.io"}}, Fixed: true, Description: "GitHub Container Registry"}},
	Volcengine:   {about: Info{Description: "Volcengine Container Registry"}},
}

func places(form string, regions ...string) (all []Place) {
	for _, r := range regions {
		all = append(all, Place{r, fmt.Sprintf(form, r)})
	}
	return all
}

// Kinds returns the kinds of registries, in the order of their names.
func Kinds() []Kind { return slices.Sorted(maps.Keys(vendors)) }

// About returns what people are told of a kind.
func About(k Kind) (Info, bool) {
	v, ok := vendors[k]
	return v.about, ok
}

// FullName returns the whole name of a repository of a registry of some kind:
// alpine is library/alpine in Docker Hub.
func FullName(k Kind, repository string) string {
	official := vendors[k].about.Official
	if official == "" || strings.Contains(repository, "/") {
		return repository
	}
	return official + "/" + repository
}

// CheckName returns ErrName where a registry of some kind can have no repository of
// a name that is one otherwise.
func CheckName(k Kind, repository string) error {
	about := vendors[k].about
	if n := strings.Count(repository, "/") + 1; about.Components > 0 && n != about.Components {
		return ErrName.With("%s has names of %d components, and %s has %d", about.Description, about.Components, short(repository), n)
	}
	return nil
}

// hubRegistry is where Docker Hub's images are: people know it by its site.
func hubRegistry(home *url.URL) *url.URL {
	switch home.Hostname() {
	case "hub.docker.com", "docker.io", "index.docker.io", "registry-1.docker.io":
		return &url.URL{Scheme: "https", Host: "registry-1.docker.io"}
	}
	return home // a mirror
}

// noCatalog is of registries that do not list their repositories.
func noCatalog(context.Context, *Registry, func([]string) error) error {
	return ErrUnsupported.With("it lists no repositories: name those that are wanted without * and ?, or as {one,other}")
}
