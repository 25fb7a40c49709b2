package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/berth-registry/berth/internal/helm"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/secret"
)

// Limits of an import.
const (
	importRequest = 10 * time.Minute // one request; a slow line may take minutes for the largest chart
	importTries   = 6                // of a request, where the server is busy
	importWait    = time.Minute      // between two of them, at most
	importPause   = 5 * time.Second  // where the server does not say how long to wait
	maxIndex      = 256 << 20        // bytes of a project's index
	maxAnswer     = 1 << 20          // bytes of another answer
)

var (
	// errLeft makes an import fail that left charts behind.
	errLeft = errors.New("some charts were not brought in; see above")
	// errNoProject is returned for the index of a project that is not there, which
	// looks the same as one that the user may not read.
	errNoProject = errors.New("project not found")
)

func newImport(c *cli) *cobra.Command {
	return group("import", "Bring in what is kept elsewhere, into a server that runs", newImportChartMuseum(c))
}

// importOptions are what an import is told.
type importOptions struct {
	server, user, ca, project  string
	password                   bool
	dryRun, createAll, replace bool
}

func newImportChartMuseum(c *cli) *cobra.Command {
	var o importOptions
	imp := &cobra.Command{
		Use:   "chartmuseum DIR",
		Short: "Upload the Helm charts of a folder of ChartMuseum",
		Long: "Upload the Helm charts that ChartMuseum keeps in a folder, with their provenance\n" +
			"files, the oldest first. A chart in DIR/team goes to the project \"team\", as Harbor\n" +
			"has it; charts in DIR itself go to the project that --project names. What is there\n" +
			"already is passed over, so that an import can be stopped and run again.\n\n" +
			"The exit code is 1 if a chart was not brought in: the output says which, and why.",
		Example: "  berth import chartmuseum /data/chart_storage --server https://registry.example.org \\\n" +
			"    --user admin --password-stdin --create-projects --dry-run < password",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			server, err := c.chartServer(cmd, o)
			if err != nil {
				return err
			}
			root, err := os.OpenRoot(args[0])
			if err != nil {
				return err
			}
			defer root.Close()
			found, err := findCharts(root.FS(), o.project)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			m := &chartImport{cli: c, o: o, server: server, found: found, there: map[string]digests{}}
			return m.run(cmd.Context())
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
	}
	flags := imp.Flags()
	flags.StringVar(&o.server, "server", "", "the server: https://registry.example.org (default: external_url of the configuration)")
	flags.StringVar(&o.user, "user", "", "the user or robot to sign in as")
	flags.BoolVar(&o.password, "password-stdin", false, "read the password from the first line of the standard input")
	flags.StringVar(&o.ca, "ca-file", "", "PEM file with certificates to trust besides the system's")
	flags.StringVar(&o.project, "project", "", "the project of charts in DIR itself, or the only one of its folders to take")
	flags.BoolVar(&o.dryRun, "dry-run", false, "change nothing, and say what would be done")
	flags.BoolVar(&o.createAll, "create-projects", false, "make the projects that are missing, as private ones")
	flags.BoolVar(&o.replace, "force", false, "replace what is there under the same version with other content")
	must(imp.MarkFlagFilename("ca-file"))
	must(imp.RegisterFlagCompletionFunc("project", func(_ *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
		if len(args) == 1 {
			entries, _ := os.ReadDir(args[0]) // a shell's completion is no place for complaints
			for _, e := range entries {
				if e.IsDir() {
					names = append(names, e.Name())
				}
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}))
	return imp
}

// A chartFile is a chart in a folder of ChartMuseum's, not read yet.
type chartFile struct {
	project, name string // name is the path below the folder
	changed       time.Time
	provenance    bool // there is a provenance file beside it
}

// A chartFolder is what was found in a folder of ChartMuseum's.
type chartFolder struct {
	root    fs.FS
	found   int         // charts, also those that are refused
	charts  []chartFile // the oldest first
	refused [][2]string // names of what is not looked at, and why
	strays  []string    // provenance files without a chart
}

// findCharts looks through a folder: charts in it are of the project, charts in
// its folders are of projects that are called like these. Of several folders, a
// project chooses its own. What symbolic links lead to outside of an os.Root is
// refused.
func findCharts(root fs.FS, project string) (*chartFolder, error) {
	f := &chartFolder{root: root}
	folders, err := f.look(".", project)
	if err != nil {
		return nil, err
	}
	own := f.found
	if own > 0 && project == "" {
		return nil, errors.New("charts are in the folder itself: name their project by --project")
	}
	for _, folder := range folders {
		if own == 0 && project != "" && folder != project {
			continue
		}
		if err := f.lookBelow(folder); err != nil {
			return nil, err
		}
		if own > 0 && f.found > own {
			return nil, fmt.Errorf("charts are in the folder itself and in %s: import each folder by itself", folder)
		}
	}
	if f.found == 0 {
		return nil, errors.New("there are no charts")
	}
	slices.SortFunc(f.charts, func(a, b chartFile) int {
		return cmp.Or(a.changed.Compare(b.changed), strings.Compare(a.name, b.name))
	})
	return f, nil
}

// look takes the charts of one folder and returns the folders in it.
func (f *chartFolder) look(folder, project string) (folders []string, err error) {
	entries, err := fs.ReadDir(f.root, folder)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, e := range entries {
		names[e.Name()] = true
	}
	for _, e := range entries {
		name := path.Join(folder, e.Name())
		info, err := fs.Stat(f.root, name)
		switch chart, isProvenance := strings.CutSuffix(e.Name(), ".prov"); {
		case err == nil && info.IsDir():
			folders = append(folders, name)
		case isChart(e.Name()):
			f.found++
			if why := unfit(info, err); why != "" {
				f.refused = append(f.refused, [2]string{name, why})
				continue
			}
			f.charts = append(f.charts, chartFile{project, name, info.ModTime(), names[e.Name()+".prov"]})
		case isProvenance && isChart(chart) && !names[chart]:
			f.strays = append(f.strays, name)
		case err != nil: // it may be a folder elsewhere
			f.refused = append(f.refused, [2]string{name, err.Error()})
		}
	}
	return folders, nil
}

// lookBelow takes the charts of a project's folder, in which no folder may have
// charts.
func (f *chartFolder) lookBelow(project string) error {
	folders, err := f.look(project, project)
	if err != nil {
		return err
	}
	for _, folder := range folders {
		err := fs.WalkDir(f.root, folder, func(name string, e fs.DirEntry, err error) error {
			if err == nil && !e.IsDir() && isChart(name) {
				err = fmt.Errorf("%s is in a folder of a folder (ChartMuseum's depth 2 or more), which is no project: import its folder by itself, with --project", name)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func isChart(name string) bool { return path.Ext(name) == ".tgz" }

// unfit returns why a chart is not looked at, or "".
func unfit(info fs.FileInfo, err error) string {
	switch {
	case err != nil:
		return err.Error()
	case !info.Mode().IsRegular():
		return "it is no file"
	case info.Size() > helm.MaxArchive:
		return fmt.Sprintf("it has %d bytes, and a chart has %d at most", info.Size(), helm.MaxArchive)
	}
	return ""
}

// A packedChart is a chart that was read.
type packedChart struct {
	name, version       string
	digest              string // of the archive, in hexadecimal
	archive, provenance []byte
}

// read reads a chart and its provenance file, and holds them against what a
// server takes.
func (f *chartFolder) read(c chartFile) (p packedChart, err error) {
	if p.archive, err = f.file(c.name, helm.MaxArchive); err != nil {
		return p, err
	}
	archive, err := helm.ReadArchive(bytes.NewReader(p.archive), int64(len(p.archive)))
	if err != nil {
		return p, err
	}
	metadata, err := archive.Metadata()
	if err != nil {
		return p, err
	}
	if err := errors.Join(oci.CheckRepository(c.project+"/"+metadata.Name), oci.CheckTag(helm.Tag(metadata.Version))); err != nil {
		return p, err
	}
	sum := sha256.Sum256(p.archive)
	p.name, p.version, p.digest = metadata.Name, metadata.Version, hex.EncodeToString(sum[:])
	if !c.provenance {
		return p, nil
	}
	if p.provenance, err = f.file(c.name+".prov", helm.MaxProvenance); err != nil {
		return p, err
	}
	says, err := helm.ParseProvenance(p.provenance)
	if err != nil {
		return p, err
	}
	return p, says.Check(p.name, p.version, "sha256:"+p.digest)
}

// file returns what is in a file of at most so many bytes.
func (f *chartFolder) file(name string, most int64) ([]byte, error) {
	info, err := fs.Stat(f.root, name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // a pipe would be waited for
		return nil, fmt.Errorf("%s is no file", name)
	}
	r, err := f.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	content, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(content)) > most {
		err = fmt.Errorf("%s has more than %d bytes", name, most)
	}
	return content, err
}

// digests are those of the archives that a project has, by chart and version.
type digests map[[2]string]string

// A chartImport is one import on its way.
type chartImport struct {
	cli    *cli
	o      importOptions
	server *chartServer
	found  *chartFolder
	there  map[string]digests // project -> what it has, and gets

	uploaded, replaced, signed, present, conflicts, refused int
}

func (m *chartImport) run(ctx context.Context) error {
	if err := m.prepare(ctx); err != nil {
		return err
	}
	for _, name := range m.found.strays {
		m.tell("provenance without a chart", name)
	}
	for _, r := range m.found.refused {
		m.refuse(r[0], r[1])
	}
	err := m.bringAll(ctx)
	m.tellSum()
	if err == nil && m.conflicts+m.refused > 0 {
		err = errLeft
	}
	return err
}

// prepare asks what is there, and makes the projects that are not.
func (m *chartImport) prepare(ctx context.Context) error {
	var missing []string
	for _, f := range m.found.charts {
		if _, asked := m.there[f.project]; asked {
			continue
		}
		there, err := m.server.index(ctx, f.project)
		if errors.Is(err, errNoProject) {
			missing, err = append(missing, f.project), nil
		}
		if err != nil {
			return err
		}
		m.there[f.project] = there
	}
	slices.Sort(missing)
	if len(missing) > 0 && !m.o.createAll {
		return fmt.Errorf("there is no project %s, or none that %s may read: make what is missing, or let --create-projects do it", strings.Join(missing, ", "), m.o.user)
	}
	for _, project := range missing {
		if m.o.dryRun {
			m.tell("would be made", "project "+project)
		} else if err := m.server.createProject(ctx, project); err != nil {
			return err
		}
	}
	return nil
}

func (m *chartImport) bringAll(ctx context.Context) error {
	start := time.Now()
	told, total := start, len(m.found.charts)
	for done, f := range m.found.charts {
		if time.Since(told) >= reports {
			told = time.Now()
			left := time.Since(start) / time.Duration(max(done, 1)) * time.Duration(total-done)
			fmt.Fprintf(m.cli.errs, "charts: %d of %d, about %s left\n", done, total, left.Round(time.Second))
		}
		if err := m.bring(ctx, f); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return nil
}

// bring brings in one chart. An error ends the import.
func (m *chartImport) bring(ctx context.Context, f chartFile) error {
	p, err := m.found.read(f)
	if err != nil {
		m.refuse(f.name, err.Error())
		return nil
	}
	there := m.there[f.project]
	key := [2]string{p.name, p.version}
	digest, known := there[key]
	switch {
	case digest == p.digest:
		return m.sign(ctx, f, p)
	case known && !m.o.replace:
		m.conflict(f, p)
		return nil
	case m.o.dryRun && known:
		m.tell("would be replaced", f.name, p.name, p.version)
	case m.o.dryRun:
		m.tell("would be uploaded", f.name, p.name, p.version)
	default:
		a, err := m.server.upload(ctx, f.project, p, m.o.replace)
		switch {
		case err != nil:
			return err
		case a.status == http.StatusConflict:
			m.conflict(f, p)
			return nil
		case a.status != http.StatusCreated:
			m.refuse(f.name, a.reason())
			return nil
		}
	}
	there[key] = p.digest
	m.uploaded++
	if known {
		m.replaced++
	}
	return nil
}

// sign adds the provenance file of a chart that is there without one.
func (m *chartImport) sign(ctx context.Context, f chartFile, p packedChart) error {
	add := false
	if f.provenance {
		signed, err := m.server.signed(ctx, f.project, p)
		if err != nil {
			return err
		}
		add = !signed
	}
	switch {
	case !add && m.o.dryRun:
		m.tell("is there", f.name, p.name, p.version)
	case add && m.o.dryRun:
		m.tell("would get its provenance", f.name, p.name, p.version)
	case add:
		a, err := m.server.sign(ctx, f.project, p)
		if err != nil {
			return err
		}
		if a.status != http.StatusCreated {
			m.refuse(f.name+".prov", a.reason())
			return nil
		}
	}
	m.present++
	if add {
		m.signed++
	}
	return nil
}

func (m *chartImport) conflict(f chartFile, p packedChart) {
	m.conflicts++
	m.tell("conflict", f.name, p.name, p.version, "is there with other content")
}

func (m *chartImport) refuse(name, why string) {
	m.refused++
	m.tell("refused", name, why)
}

// tell prints what happens to a file. What files say of themselves cannot move a
// terminal's cursor.
func (m *chartImport) tell(what, name string, more ...string) {
	line := what + ": " + name
	if len(more) > 0 {
		line += ": " + strings.Join(more, " ")
	}
	fmt.Fprintln(m.cli.out, strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, line))
}

func (m *chartImport) tellSum() {
	would := ""
	if m.o.dryRun {
		would = "would be "
	}
	fmt.Fprintf(m.cli.out, "%d charts %suploaded, %d of them in place of others; %d are there, and %d of them %sgiven provenance; %d conflicts; %d refused\n",
		m.uploaded, would, m.replaced, m.present, m.signed, would, m.conflicts, m.refused)
}

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
	a, err := s.do(ctx, http.MethodGet, path, "", nil, maxIndex)
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
