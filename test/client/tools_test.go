//go:build e2e

package client

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func crane() client {
	return client{
		name: "crane",
		login: func(sh *shell, user, secret string) (string, error) {
			return sh.pipe(secret, "crane", "auth", "login", sh.host, "-u", user, "--password-stdin")
		},
		logout: func(sh *shell) (string, error) { return sh.run("crane", "auth", "logout", sh.host) },
		push: func(sh *shell, r reference) (string, error) {
			file := sh.image(r.String(), "amd64", "crane for "+sh.person())
			if out, err := sh.run("crane", "push", file, r.String()); err != nil {
				return out, err
			}
			return sh.run("crane", "digest", "--tarball", file)
		},
		pull: func(sh *shell, r reference) (string, error) {
			if out, err := sh.run("crane", "pull", r.String(), "pulled.tar"); err != nil {
				return out, err
			}
			return sh.run("crane", "digest", "--tarball", "pulled.tar")
		},
		says: words{
			wrongPassword: badPassword,
			noPull:        mayNotPull,
			noPush:        regexp.MustCompile("(?i)unauthorized"),
			readOnly:      mayNotPush,
			expired:       hasExpired,
			disabled:      isDisabled,
		},
		more: craneMore,
	}
}

func craneMore(t *testing.T, w *world, sh *shell) {
	repo := w.server.Host + "/" + project + "/crane-more"
	for _, arch := range []string{"amd64", "arm64"} {
		must(t)(sh.run("crane", "push", sh.image(repo, arch, "crane "+arch), repo+":"+arch))
	}
	must(t)(sh.run("crane", "index", "append", "-m", repo+":amd64", "-m", repo+":arm64", "-t", repo+":multi"))
	must(t)(sh.run("crane", "validate", "--remote", repo+":multi"))
	must(t)(sh.run("crane", "copy", repo+":multi", repo+"-copy:multi"))
	must(t)(sh.run("crane", "validate", "--remote", repo+"-copy:multi"))
	if got := must(t)(sh.run("crane", "ls", repo)); got != "amd64\narm64\nmulti\n" {
		t.Errorf("tags: %q", got)
	}
	index := strings.TrimSpace(must(t)(sh.run("crane", "digest", repo+":multi")))
	must(t)(sh.run("crane", "delete", repo+"@"+index))
	wantRefusal(t, "a deleted index", regexp.MustCompile("MANIFEST_UNKNOWN"))(sh.run("crane", "manifest", repo+":multi"))
	must(t)(sh.run("crane", "validate", "--remote", repo+":arm64"))
}

func regctl() client {
	login := func(sh *shell, user, secret string) (string, error) {
		return all(
			func() (string, error) {
				return sh.run("regctl", "registry", "set", "--skip-check", "--tls", "disabled", sh.host)
			},
			func() (string, error) {
				return sh.pipe(secret, "regctl", "registry", "login", sh.host, "-u", user, "--pass-stdin")
			},
		)
	}
	return client{
		name:   "regctl",
		login:  login,
		logout: func(sh *shell) (string, error) { return sh.run("regctl", "registry", "logout", sh.host) },
		push: func(sh *shell, r reference) (string, error) {
			return all(
				func() (string, error) {
					return sh.run("regctl", "image", "import", "ocidir://pushed:v1", sh.image(r.String(), "amd64", "regctl for "+sh.person()))
				},
				func() (string, error) { return sh.run("regctl", "image", "copy", "ocidir://pushed:v1", r.String()) },
				func() (string, error) { return sh.run("regctl", "image", "digest", "ocidir://pushed:v1") },
			)
		},
		pull: func(sh *shell, r reference) (string, error) {
			return all(
				func() (string, error) { return sh.run("regctl", "image", "copy", r.String(), "ocidir://pulled:v1") },
				func() (string, error) { return sh.run("regctl", "image", "digest", "ocidir://pulled:v1") },
			)
		},
		says: words{
			wrongPassword: regexp.MustCompile("unauthorized"),
			noPull:        regexp.MustCompile("unauthorized"),
			noPush:        regexp.MustCompile("unauthorized"),
			readOnly:      regexp.MustCompile("unauthorized"),
			expired:       regexp.MustCompile("unauthorized"),
			disabled:      regexp.MustCompile("unauthorized"),
		},
		more: regctlMore,
	}
}

func regctlMore(t *testing.T, w *world, sh *shell) {
	repo := w.server.Host + "/" + project + "/regctl-more"
	for _, arch := range []string{"amd64", "arm64"} {
		must(t)(sh.run("regctl", "image", "import", repo+":"+arch, sh.image(repo, arch, "regctl "+arch)))
	}
	must(t)(sh.run("regctl", "index", "create", repo+":multi", "--ref", repo+":amd64", "--platform", "linux/amd64", "--ref", repo+":arm64", "--platform", "linux/arm64"))
	must(t)(sh.run("regctl", "image", "copy", repo+":multi", "ocidir://multi:v1"))
	one := strings.TrimSpace(must(t)(sh.run("regctl", "image", "digest", "--platform", "linux/arm64", repo+":multi")))
	if two := strings.TrimSpace(must(t)(sh.run("regctl", "image", "digest", repo+":arm64"))); one != two {
		t.Errorf("the index has %s for arm64, the image is %s", one, two)
	}

	const kind = "application/vnd.example.note"
	must(t)(sh.pipe("a note", "regctl", "artifact", "put", "--artifact-type", kind, "--subject", repo+":amd64"))
	if list := must(t)(sh.run("regctl", "artifact", "list", repo+":amd64", "--filter-artifact-type", kind)); !strings.Contains(list, kind) {
		t.Errorf("the referrers are\n%s", list)
	}
	if got := must(t)(sh.run("regctl", "artifact", "get", "--subject", repo+":amd64", "--filter-artifact-type", kind)); got != "a note" {
		t.Errorf("the artifact is %q", got)
	}

	must(t)(sh.run("regctl", "manifest", "delete", "--force-tag-dereference", repo+":multi"))
	must(t)(sh.run("regctl", "tag", "delete", repo+":arm64"))
	if got := must(t)(sh.run("regctl", "tag", "ls", repo)); got != "amd64\n" {
		t.Errorf("tags: %q", got)
	}
}

func oras() client {
	return client{
		name: "oras",
		login: func(sh *shell, user, secret string) (string, error) {
			return sh.pipe(secret, "oras", "login", "--plain-http", sh.host, "-u", user, "--password-stdin")
		},
		logout: func(sh *shell) (string, error) { return sh.run("oras", "logout", sh.host) },
		push: func(sh *shell, r reference) (string, error) {
			sh.write("note.txt", []byte("oras for "+sh.person()))
			if out, err := sh.run("oras", "push", "--plain-http", "--artifact-type", "application/vnd.example.note", r.String(), "note.txt:text/plain"); err != nil {
				return out, err
			}
			return sh.sum("note.txt")
		},
		pull: func(sh *shell, r reference) (string, error) {
			if out, err := sh.run("oras", "pull", "--plain-http", "-o", "pulled", r.String()); err != nil {
				return out, err
			}
			return sh.sum("pulled/note.txt")
		},
		says: words{
			wrongPassword: badPassword,
			noPull:        mayNotPull,
			noPush:        regexp.MustCompile("(?i)unauthorized"),
			readOnly:      mayNotPush,
			expired:       hasExpired,
			disabled:      isDisabled,
		},
		more: orasMore,
	}
}

func orasMore(t *testing.T, w *world, sh *shell) {
	repo := w.server.Host + "/" + project + "/oras-more"
	oras := func(args ...string) (string, error) { return sh.run("oras", append(args, "--plain-http")...) }
	sh.write("subject.txt", []byte("a subject"))
	sh.write("report.txt", []byte("a report on it"))
	must(t)(oras("push", repo+":v1", "subject.txt:text/plain"))
	must(t)(oras("attach", "--artifact-type", "application/vnd.example.report", repo+":v1", "report.txt:text/plain"))

	var found struct {
		Referrers []struct{ Digest, ArtifactType string }
	}
	out := must(t)(oras("discover", "--format", "json", repo+":v1"))
	if err := json.Unmarshal([]byte(out), &found); err != nil || len(found.Referrers) != 1 {
		t.Fatalf("the referrers are %s (%v)", out, err)
	}
	report := found.Referrers[0]
	if report.ArtifactType != "application/vnd.example.report" {
		t.Errorf("the referrer is a %s", report.ArtifactType)
	}
	must(t)(oras("pull", "-o", "report", repo+"@"+report.Digest))
	if got, err := sh.sum("report/report.txt"); err != nil || got != digest([]byte("a report on it")) {
		t.Errorf("the report that was pulled is another: %v", err)
	}

	must(t)(sh.run("oras", "copy", "-r", "--from-plain-http", "--to-plain-http", repo+":v1", repo+"-copy:v1"))
	if out := must(t)(oras("discover", repo+"-copy:v1")); !strings.Contains(out, "application/vnd.example.report") {
		t.Errorf("the copy's referrers are %s", out)
	}
	must(t)(oras("manifest", "delete", "--force", repo+"@"+report.Digest))
	must(t)(oras("manifest", "delete", "--force", repo+":v1"))
	wantRefusal(t, "a deleted artifact", regexp.MustCompile("not found"))(oras("pull", repo+":v1"))
}

// helm names what it pushes after the chart, so the chart is named after the
// repository.
func helm() client {
	chart := func(r reference) string { return fmt.Sprintf("%s-%s.tgz", filepath.Base(r.repo), r.tag) }
	return client{
		name: "helm",
		login: func(sh *shell, user, secret string) (string, error) {
			return sh.pipe(secret, "helm", "registry", "login", "--plain-http", sh.host, "-u", user, "--password-stdin")
		},
		logout: func(sh *shell) (string, error) { return sh.run("helm", "registry", "logout", sh.host) },
		push: func(sh *shell, r reference) (string, error) {
			name := filepath.Base(r.repo)
			_, err := all(
				func() (string, error) { return sh.run("helm", "create", name) },
				func() (string, error) {
					return "", os.WriteFile(sh.path(name+"/README.md"), []byte(sh.person()), 0o600)
				},
				func() (string, error) { return sh.run("helm", "package", name, "--version", r.tag) },
			)
			if err != nil {
				return "", err
			}
			if out, err := sh.run("helm", "push", "--plain-http", chart(r), "oci://"+r.host+"/"+filepath.Dir(r.repo)); err != nil {
				return out, err
			}
			return sh.sum(chart(r))
		},
		pull: func(sh *shell, r reference) (string, error) {
			if err := os.MkdirAll(sh.path("pulled"), 0o700); err != nil {
				return "", err
			}
			if out, err := sh.run("helm", "pull", "--plain-http", "oci://"+r.host+"/"+r.repo, "--version", r.tag, "-d", "pulled"); err != nil {
				return out, err
			}
			return sh.sum(filepath.Join("pulled", chart(r)))
		},
		says: words{
			wrongPassword: badPassword,
			noPull:        mayNotPull,
			noPush:        regexp.MustCompile("(?i)unauthorized"),
			readOnly:      mayNotPush,
			expired:       hasExpired,
			disabled:      isDisabled,
		},
		more: helmMore,
	}
}

func helmMore(t *testing.T, w *world, sh *shell) {
	at := "oci://" + w.server.Host + "/" + project
	must(t)(sh.run("helm", "create", "helm-more"))
	for _, version := range []string{"0.1.0", "0.2.0"} {
		must(t)(sh.run("helm", "package", "helm-more", "--version", version))
		must(t)(sh.run("helm", "push", "--plain-http", "helm-more-"+version+".tgz", at))
	}
	// Without a version helm lists the tags and takes the newest.
	if out := must(t)(sh.run("helm", "show", "chart", "--plain-http", at+"/helm-more")); !strings.Contains(out, "version: 0.2.0") {
		t.Errorf("the chart is\n%s", out)
	}
	if out := must(t)(sh.run("helm", "template", "--plain-http", "release", at+"/helm-more", "--version", "0.1.0")); !strings.Contains(out, "kind: Deployment") {
		t.Errorf("the chart makes\n%s", out)
	}
	var needs []any
	path := "/projects/" + project + "/repositories/helm-more/artifacts/0.2.0/additions/dependencies"
	if _, err := w.server.Admin().Do(t.Context(), "GET", path, nil, &needs); err != nil || needs == nil || len(needs) != 0 {
		t.Errorf("the chart needs %v, %v", needs, err)
	}
}
