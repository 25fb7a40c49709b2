package dist

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/registry"
)

// beginUpload mounts a blob, takes one whole, or starts an upload, as the
// query says. A mount that cannot be done becomes an upload.
func (h *Handler) beginUpload(w http.ResponseWriter, r *request) error {
	q := r.URL.Query()
	if mount := q.Get("mount"); mount != "" {
		done, err := h.mount(w, r, mount, q.Get("from"))
		if done || err != nil {
			return err
		}
	}
	if digest := q.Get("digest"); digest != "" {
		return h.pushBlob(w, r, digest)
	}
	algorithm, err := algorithmOf(q.Get("digest-algorithm"), q.Get("mount"))
	if err != nil {
		return err
	}
	u, err := h.registry.BeginUpload(r.Context(), r.repo, algorithm)
	if err != nil {
		return err
	}
	describeUpload(w, r, u)
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// algorithmOf is the algorithm whose hash runs along with an upload.
func algorithmOf(given, mount string) (oci.Algorithm, error) {
	if given == "" {
		if d, err := oci.ParseDigest(mount); err == nil {
			return d.Algorithm(), nil
		}
		return oci.SHA256, nil
	}
	if a := oci.Algorithm(given); a.Valid() {
		return a, nil
	}
	return "", oci.ErrDigestInvalid.With("algorithm %q is not supported", given)
}

// mount reports whether it has answered. A repository that the client names must
// be in its token, as for a pull, and a client whose token lacks it is told so.
// Where it names none, its token cannot have been asked for the right one, and
// what its holder may pull decides.
func (h *Handler) mount(w http.ResponseWriter, r *request, mount, from string) (bool, error) {
	d, err := oci.ParseDigest(mount)
	if err != nil {
		return false, err
	}
	if from != "" {
		if oci.CheckRepository(from) != nil {
			return false, nil
		}
		if holder, token := h.mayPull(r.Context(), from); holder && !token {
			h.ask(w, r.Request, r.repo.Name, "push")
			return false, errUnauthorized.Saying("the token does not allow to pull from %s", from)
		}
	}
	err = h.registry.Mount(r.Context(), r.repo, from, d, func(name string) bool {
		holder, _ := h.mayPull(r.Context(), name)
		return holder
	})
	if errors.Is(err, registry.ErrBlobUnknown) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	createdBlob(w, r, d)
	return true, nil
}

func (h *Handler) pushBlob(w http.ResponseWriter, r *request, digest string) error {
	d, err := oci.ParseDigest(digest)
	if err != nil {
		return err
	}
	if _, err := h.registry.PushBlob(r.Context(), r.repo, d, registry.Chunk{From: registry.Any, Size: r.ContentLength, Body: r.Body}); err != nil {
		return err
	}
	createdBlob(w, r, d)
	return nil
}

func createdBlob(w http.ResponseWriter, r *request, d oci.Digest) {
	w.Header().Set("Location", "/v2/"+r.repo.Name+"/blobs/"+string(d))
	w.Header().Set("Docker-Content-Digest", string(d))
	w.WriteHeader(http.StatusCreated)
}

// describeUpload says where an upload is and how far it came. The address has
// no host, so that no proxy can make it wrong.
func describeUpload(w http.ResponseWriter, r *request, u registry.Upload) {
	header := w.Header()
	header.Set("Location", "/v2/"+r.repo.Name+"/blobs/uploads/"+u.ID)
	header.Set("Docker-Upload-UUID", u.ID)
	header.Set("Range", "0-"+strconv.FormatInt(max(u.Size-1, 0), 10))
}

func (h *Handler) getUpload(w http.ResponseWriter, r *request) error {
	u, err := h.registry.Upload(r.Context(), r.repo, r.ref)
	if err != nil {
		return err
	}
	describeUpload(w, r, u)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (h *Handler) patchUpload(w http.ResponseWriter, r *request) error {
	c, err := chunkOf(r.Request)
	if err != nil {
		return err
	}
	u, err := h.registry.Append(r.Context(), r.repo, r.ref, c)
	if u.ID != "" {
		describeUpload(w, r, u)
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

func (h *Handler) putUpload(w http.ResponseWriter, r *request) error {
	d, err := oci.ParseDigest(r.URL.Query().Get("digest"))
	if err != nil {
		return err
	}
	c, err := chunkOf(r.Request)
	if err != nil {
		return err
	}
	_, err = h.registry.Finish(r.Context(), r.repo, r.ref, d, c)
	if errors.Is(err, registry.ErrUploadRange) {
		// The client must learn where to go on.
		if u, uerr := h.registry.Upload(r.Context(), r.repo, r.ref); uerr == nil {
			describeUpload(w, r, u)
		}
	}
	if err != nil {
		return err
	}
	createdBlob(w, r, d)
	return nil
}

func (h *Handler) cancelUpload(w http.ResponseWriter, r *request) error {
	if err := h.registry.CancelUpload(r.Context(), r.repo, r.ref); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// chunkOf reads what a request says of its body. Content-Range is START-END,
// both inclusive, without a unit (distribution specification, "Pushing a blob
// in chunks"); RFC 9110's "bytes START-END/SIZE" is understood as well.
func chunkOf(r *http.Request) (registry.Chunk, error) {
	c := registry.Chunk{From: registry.Any, Size: r.ContentLength, Body: r.Body}
	text := r.Header.Get("Content-Range")
	if text == "" {
		return c, nil
	}
	from, to, err := parseRange(text)
	if err != nil {
		return c, err
	}
	size := to - from + 1
	if c.Size >= 0 && c.Size != size {
		return c, registry.ErrSize.With("Content-Range says %d bytes, Content-Length %d", size, c.Size)
	}
	c.From, c.Size = from, size
	return c, nil
}

func parseRange(text string) (int64, int64, error) {
	text, _, _ = strings.Cut(strings.TrimPrefix(text, "bytes "), "/")
	first, last, ok := strings.Cut(text, "-")
	if !ok {
		return 0, 0, errRange.With("%q", text)
	}
	from, err1 := strconv.ParseUint(first, 10, 62)
	to, err2 := strconv.ParseUint(last, 10, 62)
	if err1 != nil || err2 != nil || to < from {
		return 0, 0, errRange.With("%q", text)
	}
	return int64(from), int64(to), nil
}
