package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-registry/berth/internal/chart"
	"github.com/berth-registry/berth/internal/helm"
	"github.com/berth-registry/berth/internal/secret"
)

// A chartServer is the server that charts go to, as one user sees it.
type chartServer struct {
	url, user string
	password  secret.Text
	http      *http.Client
	errs      io.Writer
}

// chartServer returns the server that an import is told of.
func (c *cli) chartServer(cmd *cobra.Command, o importOptions) (*chartServer, error) {
	if o.user == "" || !o.password { // flags that cobra requires get in the way of the folder's completion
		return nil, errors.New("--user and --password-stdin are needed")
	}
	address := o.server
	if address == "" {
		s, err := c.settings(cmd)
		if err != nil {
			return nil, err
		}
		if address = s.ExternalURL; address == "" {
			return nil, errors.New("--server is needed where external_url is not set")
		}
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.User != nil || u.RawQuery != "" {
		return nil, fmt.Errorf("%q is no address of a server, like https://registry.example.org", address)
	}
	trusted, err := trust(o.ca)
	if err != nil {
		return nil, err
	}
	password, err := firstLine(c.in)
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}
	return &chartServer{
		url: u.Scheme + "://" + u.Host, user: o.user, password: password, errs: c.errs,
		http: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}, nil
}

// trust returns the system's certificates and those of a file, or nil where
// there is none, for the system's.
func trust(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, err
	}
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s has no certificate in PEM", file)
	}
	return pool, nil
}

// An answer of the server's.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// reason returns what the server says of a failure.
func (a answer) reason() string {
	var said struct {
		Error  string
		Errors []struct{ Message string }
	}
	_ = json.Unmarshal(a.body, &said) // what is no JSON says nothing
	switch {
	case said.Error != "":
		return said.Error
	case len(said.Errors) > 0:
		return said.Errors[0].Message
	}
	return fmt.Sprintf("the server answers %d %s", a.status, http.StatusText(a.status))
}

// do sends a request, again and again where the server asks to wait. That the
// user is unknown, and that the server stays busy, are errors.
func (s *chartServer) do(ctx context.Context, method, path, kind string, body []byte, most int64) (a answer, err error) {
	for try := 1; ; try++ {
		if a, err = s.once(ctx, method, path, kind, body, most); err != nil {
			return a, err
		}
		switch a.status {
		case http.StatusUnauthorized:
			return a, fmt.Errorf("%s %s: %s", method, path, a.reason())
		case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		default:
			return a, nil
		}
		if try == importTries {
			return a, fmt.Errorf("%s %s, %d times: %s", method, path, try, a.reason())
		}
		wait := a.wait()
		fmt.Fprintf(s.errs, "the server is busy: trying again in %s\n", wait)
		select {
		case <-ctx.Done():
			return a, ctx.Err()
		case <-time.After(wait):
		}
	}
}

// wait returns how long the server asks to wait, within bounds.
func (a answer) wait() time.Duration {
	after := a.header.Get("Retry-After")
	wait := importPause
	if seconds, err := strconv.Atoi(after); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(after); err == nil {
		wait = time.Until(at)
	}
	return min(max(wait, 0), importWait).Round(time.Second)
}

func (s *chartServer) once(ctx context.Context, method, path, kind string, body []byte, most int64) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, importRequest)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, s.url+path, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	req.SetBasicAuth(s.user, s.password.Reveal())
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, header: resp.Header}
	a.body, err = io.ReadAll(http.MaxBytesReader(nil, resp.Body, most))
	if err != nil {
		err = fmt.Errorf("%s %s: %w", method, path, err)
	}
	return a, err
}

// index returns what a project has, or nothing and errNoProject.
func (s *chartServer) index(ctx context.Context, project string) (digests, error) {
	found := digests{}
	path := "/chartrepo/" + url.PathEscape(project) + "/index.yaml"
	a, err := s.do(ctx, http.MethodGet, path, "", nil, chart.MaxIndex)
	if err != nil {
		return nil, err
	}
	var index struct {
		Error   string
		Entries map[string][]struct{ Version, Digest string }
	}
	if err := json.Unmarshal(a.body, &index); err != nil {
		return nil, fmt.Errorf("GET %s: the server answers %d, and with no JSON: is it Berth?", path, a.status)
	}
	switch {
	case (a.status == http.StatusNotFound || a.status == http.StatusForbidden) && index.Error != "":
		return found, errNoProject
	case a.status != http.StatusOK:
		return nil, fmt.Errorf("GET %s: %s", path, a.reason())
	}
	for name, versions := range index.Entries {
		for _, v := range versions {
			found[[2]string{name, v.Version}] = v.Digest
		}
	}
	return found, nil
}

func (s *chartServer) createProject(ctx context.Context, project string) error {
	body, err := json.Marshal(map[string]any{"project_name": project, "metadata": map[string]string{"public": "false"}})
	if err != nil {
		return err
	}
	a, err := s.do(ctx, http.MethodPost, "/api/v2.0/projects", "application/json", body, maxAnswer)
	if err == nil && a.status != http.StatusCreated {
		err = fmt.Errorf("create the project %s: %s", project, a.reason())
	}
	return err
}

// upload sends a chart, with its provenance file where it has one.
func (s *chartServer) upload(ctx context.Context, project string, p packedChart, replace bool) (answer, error) {
	path := "/api/chartrepo/" + url.PathEscape(project) + "/charts"
	if replace {
		path += "?force"
	}
	file := helm.File(p.name, p.version)
	parts := []part{{"chart", file, p.archive}}
	if p.provenance != nil {
		parts = append(parts, part{"prov", file + ".prov", p.provenance})
	}
	return s.form(ctx, path, parts...)
}

// signed reports whether a chart that is there has a provenance file.
func (s *chartServer) signed(ctx context.Context, project string, p packedChart) (bool, error) {
	path := "/chartrepo/" + url.PathEscape(project) + "/charts/" + url.PathEscape(helm.File(p.name, p.version)+".prov")
	a, err := s.do(ctx, http.MethodHead, path, "", nil, maxAnswer)
	if err == nil && a.status != http.StatusOK && a.status != http.StatusNotFound {
		err = fmt.Errorf("HEAD %s: %s", path, a.reason())
	}
	return a.status == http.StatusOK, err
}

// sign sends the provenance file of a chart that is there.
func (s *chartServer) sign(ctx context.Context, project string, p packedChart) (answer, error) {
	return s.form(ctx, "/api/chartrepo/"+url.PathEscape(project)+"/prov", part{"prov", helm.File(p.name, p.version) + ".prov", p.provenance})
}

// A part of a form is a file.
type part struct {
	field, file string
	content     []byte
}

// form sends files as browsers do.
func (s *chartServer) form(ctx context.Context, path string, parts ...part) (answer, error) {
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for _, p := range parts {
		to, err := w.CreateFormFile(p.field, p.file)
		if err != nil {
			return answer{}, err
		}
		if _, err := to.Write(p.content); err != nil {
			return answer{}, err
		}
	}
	if err := w.Close(); err != nil {
		return answer{}, err
	}
	return s.do(ctx, http.MethodPost, path, w.FormDataContentType(), body.Bytes(), maxAnswer)
}
