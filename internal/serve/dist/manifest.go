package dist

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/registry"
)

func (h *Handler) getManifest(w http.ResponseWriter, r *request) error {
	ref, err := oci.ParseReference(r.ref)
	if err != nil {
		return err
	}
	if inm := r.Header.Get("If-None-Match"); inm != "" {
		m, err := r.source.StatManifest(r.Context(), r.repo, ref, r.puller)
		if err != nil {
			return err
		}
		if matches(inm, m.Digest) {
			describeManifest(w, m)
			w.WriteHeader(http.StatusNotModified)
			return nil
		}
	}
	m, err := r.source.Manifest(r.Context(), r.repo, ref, r.puller)
	if err != nil {
		return err
	}
	describeManifest(w, m)
	_, _ = w.Write(m.Body) // the client may have gone, which is its own affair
	return nil
}

func (h *Handler) headManifest(w http.ResponseWriter, r *request) error {
	ref, err := oci.ParseReference(r.ref)
	if err != nil {
		return err
	}
	m, err := r.source.StatManifest(r.Context(), r.repo, ref, r.puller)
	if err != nil {
		return err
	}
	describeManifest(w, m)
	if matches(r.Header.Get("If-None-Match"), m.Digest) {
		w.WriteHeader(http.StatusNotModified)
	}
	return nil
}

func describeManifest(w http.ResponseWriter, m registry.Manifest) {
	header := w.Header()
	header.Set("Content-Type", m.MediaType)
	header.Set("Content-Length", strconv.FormatInt(m.Size, 10))
	describe(header, m.Digest)
}

// describe sets the headers that content of a digest has in common.
func describe(header http.Header, d oci.Digest) {
	header.Set("Docker-Content-Digest", string(d))
	header.Set("Etag", `"`+string(d)+`"`)
}

// matches reports whether an If-None-Match header names the digest, with or
// without the quotes that RFC 9110 asks for.
func matches(header string, d oci.Digest) bool {
	for tag := range strings.SplitSeq(header, ",") {
		tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
		if tag == "*" || strings.Trim(tag, `"`) == string(d) {
			return true
		}
	}
	return false
}

func (h *Handler) putManifest(w http.ResponseWriter, r *request) error {
	ref, err := oci.ParseReference(r.ref)
	if err != nil {
		return err
	}
	body, err := readManifest(w, r)
	if err != nil {
		return err
	}
	req := registry.PushRequest{Ref: ref, Tags: r.URL.Query()["tag"], MediaType: r.Header.Get("Content-Type"), Body: body}
	done, err := h.registry.PushManifest(r.Context(), r.repo, req)
	if err != nil {
		return err
	}
	header := w.Header()
	header.Set("Location", "/v2/"+r.repo.Name+"/manifests/"+string(done.Digest))
	header.Set("Docker-Content-Digest", string(done.Digest))
	if done.Subject != "" {
		header.Set("OCI-Subject", string(done.Subject))
	}
	if ref.Digest != "" {
		for _, tag := range req.Tags {
			header.Add("OCI-Tag", tag)
		}
	}
	w.WriteHeader(http.StatusCreated)
	return nil
}

// readManifest reads a body of at most oci.MaxManifest bytes.
func readManifest(w http.ResponseWriter, r *request) ([]byte, error) {
	if r.ContentLength > oci.MaxManifest {
		return nil, oci.ErrManifestTooLarge
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, oci.MaxManifest))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, oci.ErrManifestTooLarge
	}
	if err != nil {
		return nil, oci.ErrManifestInvalid.Saying("the body ended before it was complete").Because(err)
	}
	return body, nil
}

func (h *Handler) deleteManifest(w http.ResponseWriter, r *request) error {
	ref, err := oci.ParseReference(r.ref)
	if err != nil {
		return err
	}
	if err := h.registry.DeleteManifest(r.Context(), r.repo, ref); err != nil {
		return err
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}
