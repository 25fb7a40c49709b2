//go:build e2e

package client

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/openpgp" //nolint:staticcheck // frozen, and enough to make a key for a test: what counts is what Helm makes of it

	"github.com/berth-registry/berth/test/berth"
)

// signer is whose key signs charts.
const signer = "Signer of Charts"

// TestCharts has Helm use the registry and the classic repository of a project,
// which are two ways to the same charts.
func TestCharts(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 3*time.Minute)
	t.Cleanup(cancel) // after what runs side by side
	w := &world{server: berth.Run(t, berth.Options{}), members: map[string]bool{}}
	admin := w.server.Admin()
	if err := admin.CreateProject(ctx, project, false); err != nil {
		t.Fatal(err)
	}
	var err error
	if w.robot, err = admin.CreateRobot(ctx, project, "robot", "pull", "push"); err != nil {
		t.Fatal(err)
	}
	if w.reader, err = admin.CreateRobot(ctx, project, "reader", "pull"); err != nil {
		t.Fatal(err)
	}
	user, sh := w.member(helm()), newShell(ctx, t, w)
	for person, c := range map[string]struct {
		user, secret string
		does         []func(*helmer)
	}{
		"user":     {user, password, []func(*helmer){bothWays, provenance}},
		"robot":    {w.robot.Name, w.robot.Secret, []func(*helmer){bothWays, dependencies}},
		"reader":   {w.reader.Name, w.reader.Secret, []func(*helmer){onlyReads}},
		"importer": {user, password, []func(*helmer){imports}},
	} {
		t.Run(person, func(t *testing.T) {
			t.Parallel()
			h := newHelmer(t, sh, person, c.user, c.secret)
			for _, do := range c.does {
				do(h)
			}
		})
	}
}

// A helmer is somebody who uses Helm, signed in both ways.
type helmer struct {
	*shell
	user, secret string
}

func newHelmer(t *testing.T, sh *shell, person, user, secret string) *helmer {
	t.Helper()
	h := &helmer{sh.as(t, person), user, secret}
	tool, err := berth.Tool("helm-cm-push")
	if err != nil {
		t.Fatal(err)
	}
	// As "helm plugin install" lays it, without what that fetches.
	h.vars["HELM_PLUGINS"] = h.path("plugins")
	if err := os.MkdirAll(h.path("plugins/cm-push"), 0o700); err != nil {
		t.Fatal(err)
	}
	h.write("plugins/cm-push/plugin.yaml", []byte("name: cm-push\nversion: 0.10.4\ncommand: "+tool+"\n"))
	must(t)(h.pipe(secret, "helm", "registry", "login", "--plain-http", h.host, "-u", user, "--password-stdin"))
	must(t)(h.pipe(secret, "helm", "repo", "add", "team", h.classic(), "--username", user, "--password-stdin"))
	return h
}

// classic and oci are the two addresses of the project's charts.
func (h *helmer) classic() string { return "http://" + h.host + "/chartrepo/" + project }
func (h *helmer) oci() string     { return "oci://" + h.host + "/" + project }

// helm runs Helm, and ends the test where that fails.
func (h *helmer) helm(args ...string) string {
	h.t.Helper()
	return must(h.t)(h.run("helm", args...))
}

// name is that of a chart of this person's.
func (h *helmer) name(chart string) string { return h.person() + "-" + chart }

// pack makes a chart, and returns its archive's path. It needs the charts that
// are given as lines of YAML.
func (h *helmer) pack(name, version string, needs ...string) (file string) {
	h.t.Helper()
	h.lay(name, version, needs...)
	h.helm("package", name)
	return name + "-" + version + ".tgz"
}

// lay writes the folder of a chart.
func (h *helmer) lay(name, version string, needs ...string) {
	h.t.Helper()
	if err := os.MkdirAll(h.path(name+"/templates"), 0o700); err != nil {
		h.t.Fatal(err)
	}
	about := fmt.Sprintf("apiVersion: v2\nname: %s\nversion: %s\ndescription: The chart %s\nmaintainers:\n- name: Ann\n  email: ann@example.org\n", name, version, name)
	if len(needs) > 0 {
		about += "dependencies:\n" + strings.Join(needs, "")
	}
	h.write(name+"/Chart.yaml", []byte(about))
	h.write(name+"/values.yaml", []byte("colour: blue\n"))
	h.write(name+"/README.md", []byte("# How to use "+name+"\n"))
	h.write(name+"/templates/config.yaml", []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ .Release.Name }}-{{ .Chart.Name }}'}\ndata: {colour: '{{ .Values.colour }}'}\n"))
}

// upload posts files to the classic repository as forms have them, by the fields
// "chart" and "prov": with a provenance file no client does it.
func (h *helmer) upload(path string, files map[string]string) {
	h.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for field, file := range files {
		content, err := os.ReadFile(h.path(file))
		if err != nil {
			h.t.Fatal(err)
		}
		part, err := form.CreateFormFile(field, file)
		if err != nil {
			h.t.Fatal(err)
		}
		_, _ = part.Write(content) // into memory
	}
	_ = form.Close()
	req, err := http.NewRequestWithContext(h.ctx, http.MethodPost, "http://"+h.host+"/api/chartrepo/"+project+path, &body)
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	req.SetBasicAuth(h.user, h.secret)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	if said, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusCreated || strings.TrimSpace(string(said)) != `{"saved":true}` {
		h.t.Fatalf("%v: %s: %s", files, res.Status, said)
	}
}

// fetched pulls a chart into an empty folder, and returns the digest of its
// archive.
func (h *helmer) fetched(chart, version string, more ...string) string {
	h.t.Helper()
	folder, err := os.MkdirTemp(h.home, "pulled-")
	if err != nil {
		h.t.Fatal(err)
	}
	h.helm(append([]string{"pull", chart, "--version", version, "--plain-http", "-d", folder}, more...)...)
	sum, err := h.sum(filepath.Join(filepath.Base(folder), filepath.Base(chart)+"-"+version+".tgz"))
	if err != nil {
		h.t.Fatal(err)
	}
	return sum
}

// uses does with a chart what people do before they install it, and installs it
// as far as that goes without a cluster.
func (h *helmer) uses(chart, version string) {
	h.t.Helper()
	name := filepath.Base(chart)
	out := h.helm("show", "all", chart, "--version", version, "--plain-http")
	for what, want := range map[string]string{"chart": "description: The chart " + name, "values": "colour: blue", "readme": "# How to use " + name} {
		if !strings.Contains(out, want) {
			h.t.Errorf("of %s it does not show the %s: %s", chart, what, out)
		}
	}
	for _, args := range [][]string{{"template"}, {"install", "--dry-run=client", "--disable-openapi-validation", "--kube-apiserver", noCluster(h.t)}} {
		out := h.helm(append(args, "release", chart, "--version", version, "--plain-http")...)
		if !strings.Contains(out, "release-"+name) || !strings.Contains(out, "colour: 'blue'") {
			h.t.Errorf("%s of %s: %s", args[0], chart, out)
		}
	}
}

// noCluster stands where Helm wants a cluster, also for an installation that it
// only tries out. It knows config maps and has none, so that all of Helm's own
// part of an installation runs: the chart is fetched, loaded, checked, rendered,
// and its objects are made. Nothing is sent to a cluster.
func noCluster(t *testing.T) (url string) {
	answers := map[string]string{
		"/version": `{"major": "1", "minor": "34", "gitVersion": "v1.34.0"}`,
		"/api":     `{"kind": "APIVersions", "versions": ["v1"]}`,
		"/apis":    `{"kind": "APIGroupList", "apiVersion": "v1", "groups": []}`,
		"/api/v1":  `{"kind": "APIResourceList", "groupVersion": "v1", "resources": [{"name": "configmaps", "kind": "ConfigMap", "namespaced": true}]}`,
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if answers[r.URL.Path] == "" {
			w.WriteHeader(http.StatusNotFound)
		}
		fmt.Fprint(w, answers[r.URL.Path])
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// bothWays brings one chart in by each way, and uses each by the other.
func bothWays(h *helmer) {
	t, pushed, uploaded := h.t, h.name("pushed"), h.name("uploaded")
	for _, version := range []string{"0.1.0", "0.2.0+build.7"} {
		h.helm("push", "--plain-http", h.pack(pushed, version), h.oci())
		h.helm("cm-push", h.pack(uploaded, version), "team")
	}
	h.helm("repo", "update")
	for _, name := range []string{pushed, uploaded} {
		out := h.helm("search", "repo", "team/"+name, "--versions")
		if lines := strings.Split(strings.TrimSpace(out), "\n"); len(lines) != 3 || !strings.Contains(lines[1], "0.2.0+build.7") || !strings.Contains(lines[2], "0.1.0") || !strings.Contains(lines[1], "The chart "+name) {
			t.Errorf("the search finds\n%s", out)
		}
	}
	sum, err := h.sum(pushed + "-0.2.0+build.7.tgz")
	if err != nil {
		t.Fatal(err)
	}
	if got := h.fetched("team/"+pushed, "0.2.0+build.7"); got != sum {
		t.Errorf("pushed with the digest %s, and pulled with %s", sum, got)
	}
	for _, version := range []string{"0.1.0", "0.2.0+build.7"} {
		if one, two := h.fetched("team/"+uploaded, version), h.fetched(h.oci()+"/"+uploaded, version); one != two {
			t.Errorf("uploaded, it has the digest %s by the repository and %s by the registry", one, two)
		}
	}
	h.uses("team/"+pushed, "0.1.0")
	h.uses(h.oci()+"/"+uploaded, "0.1.0")

	wantRefusal(t, "a version that is there", regexp.MustCompile("409: .*already exists"))(h.run("helm", "cm-push", uploaded+"-0.1.0.tgz", "team"))
	h.helm("cm-push", "--force", uploaded+"-0.1.0.tgz", "team")
}

// dependencies has a chart need charts of the same project, each by the other way
// than the one it came by.
func dependencies(h *helmer) {
	t, one, two, all := h.t, h.name("one"), h.name("two"), h.name("all")
	h.helm("push", "--plain-http", h.pack(one, "1.0.0"), h.oci())
	h.helm("cm-push", h.pack(two, "2.0.0"), "team")
	h.helm("repo", "update")
	need := func(name, version, repository string) string {
		return fmt.Sprintf("- {name: %s, version: %q, repository: %q}\n", name, version, repository)
	}
	h.lay(all, "3.0.0", need(one, "^1.0.0", h.classic()), need(two, "~2.0", h.oci()))
	h.helm("dependency", "update", all, "--plain-http")
	for _, file := range []string{one + "-1.0.0.tgz", two + "-2.0.0.tgz"} {
		if err := os.Remove(h.path(all + "/charts/" + file)); err != nil {
			t.Fatal(err)
		}
	}
	h.helm("dependency", "build", all, "--plain-http") // by Chart.lock
	h.helm("package", all)
	h.helm("push", "--plain-http", all+"-3.0.0.tgz", h.oci())
	h.helm("repo", "update")
	out := h.helm("template", "release", "team/"+all)
	for _, name := range []string{one, two, all} {
		if !strings.Contains(out, "release-"+name) {
			t.Errorf("%s is not in it:\n%s", name, out)
		}
	}
}

// provenance has charts signed, which come by each way, and verified by both.
func provenance(h *helmer) {
	t := h.t
	keys(h)
	pushed, uploaded, later := h.name("pushed-signed"), h.name("uploaded-signed"), h.name("signed-later")
	for _, name := range []string{pushed, uploaded, later} {
		h.lay(name, "1.0.0")
		h.helm("package", "--sign", "--key", signer, "--keyring", "secret.gpg", name)
		h.helm("verify", "--keyring", "public.gpg", name+"-1.0.0.tgz")
	}
	h.helm("push", "--plain-http", pushed+"-1.0.0.tgz", h.oci()) // with the file beside it
	h.upload("/charts", map[string]string{"chart": uploaded + "-1.0.0.tgz", "prov": uploaded + "-1.0.0.tgz.prov"})
	h.upload("/charts", map[string]string{"chart": later + "-1.0.0.tgz"})
	h.helm("repo", "update")
	wantRefusal(t, "a chart that is not signed", regexp.MustCompile("(?i)provenance"))(h.run("helm", "pull", "team/"+later, "--verify", "--keyring", "public.gpg"))
	h.upload("/prov", map[string]string{"prov": later + "-1.0.0.tgz.prov"})
	for _, name := range []string{pushed, uploaded, later} {
		sum, err := h.sum(name + "-1.0.0.tgz")
		if err != nil {
			t.Fatal(err)
		}
		for _, chart := range []string{"team/" + name, h.oci() + "/" + name} {
			if got := h.fetched(chart, "1.0.0", "--verify", "--keyring", h.path("public.gpg")); got != sum {
				t.Errorf("%s is another: %s", chart, got)
			}
		}
	}
	wantRefusal(t, "a key that nobody trusts", regexp.MustCompile("(?i)signature made by unknown entity"))(h.run("helm", "pull", "team/"+pushed, "--verify", "--keyring", "other.gpg"))
}

// keys writes the signer's keyrings, as "gpg --export" and "--export-secret-keys"
// do, and the public one of somebody else.
func keys(h *helmer) {
	h.t.Helper()
	for _, k := range []struct{ name, public, secret string }{{signer, "public.gpg", "secret.gpg"}, {"Somebody Else", "other.gpg", ""}} {
		key, err := openpgp.NewEntity(k.name, "", "signer@example.com", nil)
		if err != nil {
			h.t.Fatal(err)
		}
		var public, secret bytes.Buffer
		if err := key.SerializePrivate(&secret, nil); err != nil { // signs the key by itself too
			h.t.Fatal(err)
		}
		if err := key.Serialize(&public); err != nil {
			h.t.Fatal(err)
		}
		h.write(k.public, public.Bytes())
		if k.secret != "" {
			h.write(k.secret, secret.Bytes())
		}
	}
}

// onlyReads has somebody refused who may only read, and nobody let in.
func onlyReads(h *helmer) {
	h.helm("search", "repo", "team/")
	wantRefusal(h.t, "a robot that may only read", regexp.MustCompile("403: "))(h.run("helm", "cm-push", h.pack("forbidden", "1.0.0"), "team"))
	nobody := h.as(h.t, "nobody")
	wantRefusal(h.t, "nobody", regexp.MustCompile("401"))(nobody.run("helm", "repo", "add", "team", h.classic()))
	wantRefusal(h.t, "a wrong password", regexp.MustCompile("401"))(nobody.pipe("Not-the-password-1", "helm", "repo", "add", "team", h.classic(), "--username", h.user, "--password-stdin"))
}

// imports brings in a folder as ChartMuseum keeps it for Harbor.
func imports(h *helmer) {
	t := h.t
	keys(h)
	bin, err := berth.Binary()
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string]string{}
	for _, folder := range []string{project, "shelf"} {
		if err := os.MkdirAll(h.path("museum/"+folder), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, version := range []string{"1.0.0", "1.1.0-rc.1"} {
			name := folder + "-imported"
			h.lay(name, version)
			h.helm("package", "--sign", "--key", signer, "--keyring", "secret.gpg", "-d", "museum/"+folder, name)
			if sums[name+" "+version], err = h.sum("museum/" + folder + "/" + name + "-" + version + ".tgz"); err != nil {
				t.Fatal(err)
			}
		}
		h.write("museum/"+folder+"/index-cache.yaml", []byte("apiVersion: v1\nentries: {}\n"))
	}
	args := []string{"import", "chartmuseum", "museum", "--server", "http://" + h.host, "--user", h.user, "--password-stdin", "--create-projects"}
	if out := must(t)(h.pipe(h.secret, bin, args...)); !strings.Contains(out, "4 charts uploaded") {
		t.Errorf("the import says\n%s", out)
	}
	if out := must(t)(h.pipe(h.secret, bin, args...)); !strings.Contains(out, "0 charts uploaded") || !strings.Contains(out, "4 are there") {
		t.Errorf("the second import says\n%s", out)
	}
	must(t)(h.pipe(h.secret, "helm", "repo", "add", "shelf", strings.TrimSuffix(h.classic(), project)+"shelf", "--username", h.user, "--password-stdin"))
	h.helm("repo", "update")
	for chart, sum := range sums {
		name, version, _ := strings.Cut(chart, " ")
		repo := strings.TrimSuffix(name, "-imported")
		for _, from := range []string{repo + "/" + name, "oci://" + h.host + "/" + repo + "/" + name} {
			if got := h.fetched(from, version, "--verify", "--keyring", h.path("public.gpg")); got != sum {
				t.Errorf("%s %s is another: %s", from, version, got)
			}
		}
	}
}
