//go:build e2e

package replication

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/berth-registry/berth/test/berth"
	"github.com/berth-registry/berth/test/registry"
)

const images = 100

// BenchmarkCopies has Berth, skopeo and crane copy a repository of 100 tags, which
// have five layers in common and one of their own, from the same Berth to a new and
// empty Distribution registry each time:
//
//	go test -tags e2e -run '^$' -bench Copies -benchtime 1x -count 5 ./test/replication
func BenchmarkCopies(b *testing.B) {
	source := berth.Run(b, berth.Options{})
	crane, err := berth.Tool("crane")
	if err != nil {
		b.Fatal(err)
	}
	stock(b, source)
	login := []string{"--src-creds", "admin:" + berth.AdminPassword}
	from := source.Host + "/library/bench"
	auth := b.TempDir()
	if out, err := exec.Command("env", "DOCKER_CONFIG="+auth, crane, "auth", "login", "--insecure", source.Host, "-u", "admin", "-p", berth.AdminPassword).CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	for name, do := range map[string]func(host string) *exec.Cmd{
		"skopeo": func(host string) *exec.Cmd {
			args := append([]string{"sync", "--all", "--src", "docker", "--dest", "docker", "--src-tls-verify=false", "--dest-tls-verify=false"}, login...)
			return exec.Command("skopeo", append(args, from, host+"/library")...)
		},
		"crane": func(host string) *exec.Cmd {
			return exec.Command("env", "DOCKER_CONFIG="+auth, crane, "copy", "--insecure", "--all-tags", from, host+"/library/bench")
		},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				url := start(b, false)
				cmd := do(strings.TrimPrefix(url, "http://"))
				b.StartTimer()
				if out, err := cmd.CombinedOutput(); err != nil {
					b.Fatalf("%v: %s", err, out)
				}
				b.StopTimer()
				complete(b, url)
				b.StartTimer()
			}
		})
	}
	b.Run("berth", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			url := start(b, false)
			p := policy{t: b, ctx: b.Context(), api: source.Admin()}
			p.make("dest", url, "docker-registry", "", "", "library", map[string]any{"filters": filters("library/bench")})
			b.StartTimer()
			p.run()
			b.StopTimer()
			complete(b, url)
			b.StartTimer()
		}
	})
}

// stock fills a Berth with what is to be copied.
func stock(b *testing.B, s *berth.Server) {
	b.Helper()
	c := registry.New(s.URL, "admin", berth.AdminPassword, 4)
	b.Cleanup(c.Close)
	session, err := c.SignIn(b.Context(), registry.Scope("library/bench", registry.Push))
	if err != nil {
		b.Fatal(err)
	}
	var shared []registry.Blob
	for i := range 5 {
		shared = append(shared, registry.NewBlob(4<<20, fmt.Sprint("shared", i)))
	}
	for i := range images {
		im := registry.NewImage(fmt.Sprint("image", i), append(shared[:5:5], registry.NewBlob(200<<10, fmt.Sprint("own", i)))...)
		for _, blob := range im.Blobs() {
			if has, err := session.HasBlob(b.Context(), "library/bench", blob.Digest); err == nil && has {
				continue
			}
			if err := session.PushBlob(b.Context(), "library/bench", blob); err != nil {
				b.Fatal(err)
			}
		}
		if err := session.PutManifest(b.Context(), "library/bench", fmt.Sprint("t", i), im.Manifest); err != nil {
			b.Fatal(err)
		}
	}
}

// complete wants all tags in a registry.
func complete(b *testing.B, url string) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	c := registry.New(url, "", "", 1)
	defer c.Close()
	session, err := c.SignIn(ctx)
	if err != nil {
		b.Fatal(err)
	}
	tags, err := session.Tags(ctx, "library/bench", 1000, "")
	if err != nil || len(tags) != images {
		b.Fatalf("%d tags were copied: %v", len(tags), err)
	}
	if err := session.CheckImage(ctx, "library/bench", "t7"); err != nil {
		b.Fatal(err)
	}
}
