//go:build e2e

package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/berth-registry/berth/test/berth"
	"github.com/berth-registry/berth/test/registry"
)

const (
	common = 40 // layers that all images are made of, beside their own
	most   = 60 // things that a worker keeps
)

// A thing is an image or an index that a worker has pushed.
type thing struct {
	repo  string
	image registry.Image // of an index only the manifest
	index bool
}

func (x thing) place() place { return place{x.repo, x.image.Digest} }

// A worker is one client, which lives through all crashes. Its tags and its
// manifests are its own, so that it knows what must have become of them; its
// layers are everybody's.
type worker struct {
	name   string
	random *rand.Rand
	count  int
	things []thing

	*life
	session *registry.Session
	api     *berth.API
}

// work does one thing after the other until the server is gone. An error before
// that is returned.
func (w *worker) work(ctx context.Context) error {
	for {
		err := w.step(ctx)
		if w.killed.Load() {
			return nil
		}
		if err != nil {
			return err
		}
		w.stepped()
	}
}

func (w *worker) step(ctx context.Context) error {
	w.count++
	repo := w.any(w.repos())
	if len(w.things) > most {
		return w.delete(ctx)
	}
	switch w.random.IntN(16) {
	case 0:
		return w.leaveOpen(ctx, repo)
	case 1, 2:
		return w.pushIndex(ctx, repo)
	case 3:
		return w.pushImage(ctx, repo, "") // which nothing holds
	case 4:
		return w.delete(ctx)
	case 5, 6:
		return w.untag(ctx)
	case 7, 8:
		return w.retag(ctx)
	case 9, 10:
		return w.copy(ctx)
	case 11:
		return w.dropMine(ctx)
	}
	return w.pushImage(ctx, repo, w.tag())
}

func (w *worker) any(names []string) string { return names[w.random.IntN(len(names))] }

// tag is a new one, or one that this worker moves from one thing to another.
func (w *worker) tag() string {
	if w.random.IntN(3) == 0 {
		return fmt.Sprintf("moving-%s-%d", w.name, w.random.IntN(3))
	}
	return fmt.Sprintf("v%s-%d", w.name, w.count)
}

// thing returns one of those that must still be there, as far as is known.
func (w *worker) thing() (thing, bool) {
	w.things = slices.DeleteFunc(w.things, func(x thing) bool { return w.journal.fate(x.place()) == abandoned })
	if len(w.things) == 0 {
		return thing{}, false
	}
	return w.things[w.random.IntN(len(w.things))], true
}

// newImage returns one of its own layers and of some that all images share.
func (w *worker) newImage() registry.Image {
	w.count++
	id := fmt.Sprintf("%s/%d", w.name, w.count)
	var layers []registry.Blob
	for range 1 + w.random.IntN(2) {
		layers = append(layers, registry.NewBlob(30<<10, fmt.Sprint("common ", w.random.IntN(common))))
	}
	size := int64(w.random.IntN(64 << 10))
	if w.random.IntN(20) == 0 {
		size = 2 << 20
	}
	return registry.NewImage(id, append(layers, registry.NewBlob(size, id))...)
}

// pushImage pushes a new image; without a tag, by its digest.
func (w *worker) pushImage(ctx context.Context, repo, tag string) error {
	im := w.newImage()
	err := w.bring(ctx, "push an image", repo, tag, im)
	if err == nil {
		w.things = append(w.things, thing{repo: repo, image: im})
	}
	return err
}

// bring pushes an image as clients do, who ask for each blob, and mount or send
// what is not there. That something of it is collected before the manifest comes
// happens only where garbage does not wait.
func (w *worker) bring(ctx context.Context, how, repo, tag string, im registry.Image) error {
	for _, b := range im.Blobs() {
		if err := w.pushBlob(ctx, repo, b); err != nil {
			return err
		}
	}
	return w.put(ctx, how, repo, tag, im, w.impatient)
}

// put pushes a manifest. Where some of its blobs may be gone, they are sent again
// if need be.
func (w *worker) put(ctx context.Context, how, repo, tag string, im registry.Image, gone bool) error {
	var blobs []string
	for _, b := range im.Blobs() {
		blobs = append(blobs, b.Digest)
	}
	reference := tag
	if tag == "" {
		reference = im.Digest
	}
	w.journal.pushing(w.name, how, repo, tag, im.Digest, blobs...)
	for {
		err := w.session.PutManifest(ctx, repo, reference, im.Manifest)
		if err == nil {
			w.journal.pushed(w.name, how, repo, tag, im.Digest)
			return nil
		}
		if !gone || registry.StatusOf(err) != http.StatusNotFound {
			return fmt.Errorf("%s: %w", how, err)
		}
		w.journal.count("send layers again", 1)
		for _, b := range im.Blobs() {
			if err := w.session.PushBlob(ctx, repo, b); err != nil {
				return err
			}
		}
	}
}

func (w *worker) pushBlob(ctx context.Context, repo string, b registry.Blob) error {
	has, err := w.session.HasBlob(ctx, repo, b.Digest)
	if err != nil || has {
		return err
	}
	switch w.random.IntN(3) {
	case 0:
		err = w.mount(ctx, repo, b)
	case 1:
		err = w.pushChunks(ctx, repo, b)
	default:
		err = w.session.PushBlob(ctx, repo, b)
	}
	if err == nil {
		w.journal.note(w.name+" sent", place{repo, b.Digest}.String(), b.Digest)
		w.journal.blob(place{repo, b.Digest})
	}
	return err
}

// mount mounts a blob from another repository if it is there, and sends it
// otherwise.
func (w *worker) mount(ctx context.Context, repo string, b registry.Blob) error {
	from := w.any(w.repos())
	mounted, at, err := w.session.Mount(ctx, repo, from, b.Digest)
	if err != nil {
		return err
	}
	if mounted {
		w.journal.note(w.name+" mounted from "+from, b.Digest)
		w.journal.count("mount", 1)
		return nil
	}
	if at, err = w.session.Append(ctx, at, b, 0, b.Size); err != nil {
		return err
	}
	return w.session.Commit(ctx, at, b.Digest)
}

func (w *worker) pushChunks(ctx context.Context, repo string, b registry.Blob) error {
	at, err := w.session.Begin(ctx, repo)
	if err != nil {
		return err
	}
	middle := 1 + w.random.Int64N(b.Size-1)
	if at, err = w.session.Append(ctx, at, b, 0, middle); err != nil {
		return err
	}
	if at, err = w.session.Append(ctx, at, b, middle, b.Size); err != nil {
		return err
	}
	return w.session.Commit(ctx, at, b.Digest)
}

// leaveOpen sends half a blob, which can be gone on with after the crash.
func (w *worker) leaveOpen(ctx context.Context, repo string) error {
	b := registry.NewBlob(50<<10, fmt.Sprint("open ", w.name, w.count))
	at, err := w.session.Begin(ctx, repo)
	if err != nil {
		return err
	}
	half := b.Size / 2
	if at, err = w.session.Append(ctx, at, b, 0, half); err != nil {
		return err
	}
	w.journal.count("leave an upload open", 1)
	w.journal.upload(upload{repo, at, b, half})
	return nil
}

func (w *worker) pushIndex(ctx context.Context, repo string) error {
	var images []registry.Image
	var digests []string
	for range 2 {
		im := w.newImage()
		if err := w.bring(ctx, "push a child", repo, "", im); err != nil {
			return err
		}
		images, digests = append(images, im), append(digests, im.Digest)
	}
	x := registry.Image{Manifest: registry.NewIndex(images...)}
	w.journal.lists(x.Digest, digests)
	tag := w.tag()
	w.journal.pushing(w.name, "push an index", repo, tag, x.Digest)
	if err := w.session.PutManifest(ctx, repo, tag, x.Manifest); err != nil {
		return err
	}
	w.journal.pushed(w.name, "push an index", repo, tag, x.Digest)
	w.things = append(w.things, thing{repo, x, true})
	return nil
}

// retag lets a tag stand for an image that is there, or was until something
// collected it for having no tag.
func (w *worker) retag(ctx context.Context) error {
	x, ok := w.thing()
	if !ok || x.index { // whose children would have to be sent again
		return nil
	}
	if w.random.IntN(2) == 0 {
		return w.put(ctx, "retag", x.repo, w.tag(), x.image, true)
	}
	return w.bring(ctx, "retag", x.repo, w.tag(), x.image)
}

// untag deletes a tag.
func (w *worker) untag(ctx context.Context) error {
	x, ok := w.thing()
	if !ok {
		return nil
	}
	tags := w.journal.tagsOf(x.repo, x.image.Digest)
	if len(tags) == 0 {
		return nil
	}
	p := place{x.repo, w.any(tags)}
	w.journal.untagging(w.name, p)
	err := w.session.Delete(ctx, p.repo, p.reference)
	if err == nil {
		w.journal.untagged(w.name, p)
	}
	return err
}

// delete deletes a thing with all its tags. It may have been collected before
// where it had none.
func (w *worker) delete(ctx context.Context) error {
	x, ok := w.thing()
	if !ok {
		return nil
	}
	tags := w.journal.tagsOf(x.repo, x.image.Digest)
	w.journal.deleting(w.name, x.place())
	err := w.session.Delete(ctx, x.repo, x.image.Digest)
	if err == nil || len(tags) == 0 && registry.StatusOf(err) == http.StatusNotFound {
		w.journal.deleted(w.name, x.place())
		return nil
	}
	return err
}

// copy copies a thing that has a tag to another repository, with all its tags.
func (w *worker) copy(ctx context.Context) error {
	x, ok := w.thing()
	if !ok {
		return nil
	}
	tags := w.journal.tagsOf(x.repo, x.image.Digest)
	to := thing{w.any(w.repos()), x.image, x.index}
	if len(tags) == 0 || to.repo == x.repo || x.index && w.journal.fate(to.place()) != abandoned {
		return nil // an index that is there may go in this moment, with its children
	}
	for _, tag := range tags {
		w.journal.pushing(w.name, "copy from "+x.repo, to.repo, tag, x.image.Digest)
	}
	from := x.repo + "@" + x.image.Digest
	for {
		_, err := w.api.Do(ctx, "POST", where(to.repo)+"/artifacts?"+url.Values{"from": {from}}.Encode(), nil, nil)
		if err == nil {
			break
		}
		if !w.impatient || !missing(err) {
			return err
		}
	}
	for _, tag := range tags {
		w.journal.pushed(w.name, "copy", to.repo, tag, x.image.Digest)
	}
	w.things = append(w.things, to)
	return nil
}

// where is the path of a repository in the API.
func where(repo string) string {
	p, name, _ := strings.Cut(repo, "/")
	return "/projects/" + p + "/repositories/" + name
}

// dropMine pushes an image into a repository of its own, and deletes that.
func (w *worker) dropMine(ctx context.Context) error {
	repo := w.mine(w.name)
	if err := w.pushImage(ctx, repo, w.tag()); err != nil {
		return err
	}
	return w.drop(ctx, repo)
}

// drop deletes a repository, which may not be there where nothing was ever pushed
// into it.
func (w *worker) drop(ctx context.Context, repo string) error {
	there := w.journal.dropping(w.name, repo)
	_, err := w.api.Do(ctx, "DELETE", where(repo), nil, nil)
	if err != nil && (there || !missing(err)) {
		return fmt.Errorf("delete a repository: %w", err)
	}
	w.journal.dropped(w.name, repo)
	return nil
}

// missing reports whether the API answered that something is not there.
func missing(err error) bool { return strings.Contains(err.Error(), ": 404 Not Found: ") }
