package dist

import (
	"net/http"
	"strconv"

	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/serve/web"
)

func (h *Handler) getBlob(w http.ResponseWriter, r *request) error {
	d, err := oci.ParseDigest(r.ref)
	if err != nil {
		return err
	}
	b, content, err := r.source.OpenBlob(r.Context(), r.repo, d)
	if err != nil {
		return err
	}
	defer content.Close()
	describe(w.Header(), b.Digest)
	w.Header().Set("Content-Type", "application/octet-stream")
	web.SendBlob(w, r.Request, content)
	return nil
}

func (h *Handler) headBlob(w http.ResponseWriter, r *request) error {
	d, err := oci.ParseDigest(r.ref)
	if err != nil {
		return err
	}
	b, err := r.source.StatBlob(r.Context(), r.repo, d, r.puller.MayPush)
	if err != nil {
		return err
	}
	header := w.Header()
	describe(header, b.Digest)
	header.Set("Content-Type", "application/octet-stream")
	header.Set("Content-Length", strconv.FormatInt(b.Size, 10))
	header.Set("Accept-Ranges", "bytes")
	if matches(r.Header.Get("If-None-Match"), b.Digest) {
		w.WriteHeader(http.StatusNotModified)
	}
	return nil
}

func (h *Handler) deleteBlob(w http.ResponseWriter, r *request) error {
	d, err := oci.ParseDigest(r.ref)
	if err != nil {
		return err
	}
	if err := h.registry.DeleteBlob(r.Context(), r.repo, d); err != nil {
		return err
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}
