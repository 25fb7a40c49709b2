//go:build e2e

package diskfull

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/berth-registry/berth/test/berth"
	"github.com/berth-registry/berth/test/registry"
)

const repo = "library/full"

// TestFullDisk fills the disk by pushing, and then to its last byte: pushes are
// refused in clear words, what was acknowledged can be pulled, and once there is
// room pushes work again, with and without a restart.
func TestFullDisk(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	d := mount(t, 48)
	s := berth.Run(t, berth.Options{Dir: d.path})
	c := registry.New(s.URL, "admin", berth.AdminPassword, 1)
	defer c.Close()
	p := &pusher{session: signIn(ctx, t, c)}

	p.pushUntilRefused(ctx, t, 1<<20)
	if len(p.acknowledged) < 10 {
		t.Errorf("only %d images of 1 MiB in 48 MiB", len(p.acknowledged))
	}
	d.fill(t)
	p.pushUntilRefused(ctx, t, 64)
	p.tagUntilRefused(ctx, t)
	p.check(ctx, t)
	signIn(ctx, t, c)
	p.check(ctx, t)

	d.makeRoom(t, 96)
	p.push(ctx, t, 1<<20)
	p.check(ctx, t)

	p.pushUntilRefused(ctx, t, 1<<20)
	d.fill(t)
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	d.makeRoom(t, 144)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	p.check(ctx, t)
	p.push(ctx, t, 1<<20)
	p.check(ctx, t)
}

func signIn(ctx context.Context, t *testing.T, c *registry.Client) *registry.Session {
	t.Helper()
	session, err := c.SignIn(ctx, registry.Scope(repo, registry.Push))
	if err != nil {
		t.Fatalf("signing in: %v", err)
	}
	return session
}

// A pusher pushes images of one layer and remembers what was acknowledged.
type pusher struct {
	session      *registry.Session
	count        int
	acknowledged []string // digests
}

func (p *pusher) pushOne(ctx context.Context, size int64) error {
	p.count++
	tag := fmt.Sprintf("v%d", p.count)
	im := registry.NewImage(tag, registry.NewBlob(size, tag))
	for _, b := range im.Blobs() {
		if err := p.session.PushBlob(ctx, repo, b); err != nil {
			return err
		}
	}
	if err := p.session.PutManifest(ctx, repo, tag, im.Manifest); err != nil {
		return err
	}
	p.acknowledged = append(p.acknowledged, im.Digest)
	return nil
}

func (p *pusher) push(ctx context.Context, t *testing.T, size int64) {
	t.Helper()
	if err := p.pushOne(ctx, size); err != nil {
		t.Errorf("a push where there is room: %v", err)
	}
}

// pushUntilRefused pushes until a push fails, which must be soon and must say
// why.
func (p *pusher) pushUntilRefused(ctx context.Context, t *testing.T, size int64) {
	t.Helper()
	for range 2000 {
		if err := p.pushOne(ctx, size); err != nil {
			checkRefusal(t, err)
			return
		}
	}
	t.Fatalf("2000 pushes of %d bytes and the disk is not full", size)
}

// tagUntilRefused pushes manifests alone, of which the bytes are in the
// database, until it has no room for another.
func (p *pusher) tagUntilRefused(ctx context.Context, t *testing.T) {
	t.Helper()
	for n := range 2000 {
		im := registry.NewImage(fmt.Sprintf("manifest %d", n), registry.NewBlob(1<<20, "v1"))
		if err := p.session.PutManifest(ctx, repo, im.Digest, im.Manifest); err != nil {
			checkRefusal(t, err)
			return
		}
		p.acknowledged = append(p.acknowledged, im.Digest)
	}
	t.Fatal("2000 manifests and the disk is not full")
}

var aboutSpace = regexp.MustCompile(`(?i)disk|space|storage|full`)

// checkRefusal checks that a refusal is an answer that says that it is for now and
// that there is no space.
func checkRefusal(t *testing.T, err error) {
	t.Helper()
	var e *registry.Error
	if !errors.As(err, &e) {
		t.Errorf("refused without an answer: %v", err)
		return
	}
	var answer struct {
		Errors []struct{ Code, Message string }
	}
	if err := json.Unmarshal([]byte(e.Body), &answer); err != nil || len(answer.Errors) == 0 {
		t.Errorf("refused without the envelope of the specification: %v", e)
		return
	}
	if e.Status != 503 && e.Status != 507 {
		t.Errorf("refused with status %d, which does not say that it is for now: %v", e.Status, e)
	}
	if !aboutSpace.MatchString(answer.Errors[0].Message) {
		t.Errorf("refused without saying why: %v", e)
	}
}

func (p *pusher) check(ctx context.Context, t *testing.T) {
	t.Helper()
	for _, digest := range p.acknowledged {
		if err := p.session.CheckImage(ctx, repo, digest); err != nil {
			t.Errorf("acknowledged content is harmed: %v", err)
		}
	}
}

// A disk is a file system of a few MiB in memory.
type disk struct{ path string }

func mount(t *testing.T, mib int) *disk {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not run: mounting a small file system needs root")
	}
	d := &disk{path: filepath.Join(t.TempDir(), "data")}
	if err := os.Mkdir(d.path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", d.path, "tmpfs", 0, size(mib)); err != nil {
		t.Fatalf("mount a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(d.path, 0); err != nil {
			t.Error(err)
		}
	})
	return d
}

func size(mib int) string { return fmt.Sprintf("size=%dm,mode=0700", mib) }

// filler is the file that takes what space is left.
func (d *disk) filler() string { return filepath.Join(d.path, "filler") }

// fill takes all space that is left, to the last byte.
func (d *disk) fill(t *testing.T) {
	t.Helper()
	f, err := os.OpenFile(d.filler(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for b := make([]byte, 4096); ; {
		if _, err := f.Write(b); err != nil {
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
			return
		}
	}
}

// makeRoom makes the disk larger and the filler go.
func (d *disk) makeRoom(t *testing.T, mib int) {
	t.Helper()
	if err := os.Remove(d.filler()); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", d.path, "tmpfs", syscall.MS_REMOUNT, size(mib)); err != nil {
		t.Fatalf("make the tmpfs larger: %v", err)
	}
}
