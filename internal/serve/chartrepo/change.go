package chartrepo

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"

	"github.com/berth-registry/berth/internal/chart"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/helm"
	"github.com/berth-registry/berth/internal/label"
)

var (
	errForm  = fault.New(fault.Invalid, "BAD_REQUEST", "invalid upload")
	errLabel = fault.New(fault.Invalid, "BAD_REQUEST", "invalid label")
)

// The fields of a form.
const (
	chartField      = "chart"
	provenanceField = "prov"
)

// maxBody is how many bytes a request may have that brings a chart: a chart, its
// provenance file, and what a form writes around them.
const maxBody = helm.MaxArchive + helm.MaxProvenance + 64<<10

// saved is the answer to whoever brought something.
var saved = map[string]bool{"saved": true}

// receiving serves what brings charts: it reads the fields of the request, when
// another chart may be received, and gives them to keep.
func (h *Handler) receiving(keep func(*request, map[string][]byte) error) func(http.ResponseWriter, *request) error {
	return func(w http.ResponseWriter, r *request) error {
		select {
		case h.turns <- struct{}{}:
			defer func() { <-h.turns }()
		case <-r.Context().Done():
			return r.Context().Err()
		}
		got, err := receive(w, r)
		if err == nil {
			err = keep(r, got)
		}
		if err != nil {
			return err
		}
		return answer(w, http.StatusCreated, saved)
	}
}

// upload keeps a chart. A provenance file alone is taken as well, for a chart
// that is there.
func (h *Handler) upload(r *request, got map[string][]byte) error {
	switch {
	case got[chartField] != nil:
		return h.charts.Upload(r.Context(), r.project, chart.Upload{Archive: got[chartField], Provenance: got[provenanceField], Replace: forced(r)})
	case got[provenanceField] != nil:
		return h.charts.Sign(r.Context(), r.project, got[provenanceField])
	}
	return errForm.With("the field %q with a packed chart is missing", chartField)
}

func (h *Handler) sign(r *request, got map[string][]byte) error {
	if got[provenanceField] == nil {
		return errForm.With("the field %q with a provenance file is missing", provenanceField)
	}
	return h.charts.Sign(r.Context(), r.project, got[provenanceField])
}

// forced reports whether a chart may take the place of one that is there: by the
// parameter alone, whatever its value says but no.
func forced(r *request) bool {
	q := r.URL.Query()
	no, err := strconv.ParseBool(q.Get("force"))
	return q.Has("force") && (err != nil || no)
}

// receive reads the fields of a form, or a body that is one of them.
func receive(w http.ResponseWriter, r *request) (map[string][]byte, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil && kind == "multipart/form-data" {
		return receiveForm(r)
	}
	content, err := readField(r.Body, chartField)
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(content, []byte("-----BEGIN PGP SIGNED MESSAGE")) {
		return map[string][]byte{provenanceField: content}, nil
	}
	return map[string][]byte{chartField: content}, nil
}

func receiveForm(r *request) (map[string][]byte, error) {
	form, err := r.MultipartReader()
	if err != nil {
		return nil, errForm.With("it is no form").Because(err)
	}
	got := map[string][]byte{}
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return got, nil
		}
		if err != nil {
			return nil, broken(err)
		}
		name := part.FormName()
		if name != chartField && name != provenanceField {
			return nil, errForm.With("the field %.64q is none: there are %q and %q", name, chartField, provenanceField)
		}
		if got[name] != nil {
			return nil, errForm.With("the field %q is there twice", name)
		}
		if got[name], err = readField(part, name); err != nil {
			return nil, err
		}
	}
}

// readField reads a chart or a provenance file. It returns a fault that names
// the field.
func readField(r io.Reader, name string) ([]byte, error) {
	limit := int64(helm.MaxArchive)
	if name == provenanceField {
		limit = helm.MaxProvenance
	}
	content, err := io.ReadAll(io.LimitReader(r, limit+1))
	switch {
	case err != nil:
		return nil, broken(err)
	case int64(len(content)) > limit:
		return nil, helm.ErrTooLarge.With("%s has more than %d bytes", name, limit)
	case len(content) == 0:
		return nil, errForm.With("%s is empty", name)
	}
	return content, nil
}

// broken returns the failure to read a body: too large, or the client's.
func broken(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return err
	}
	return errForm.With("it ended before it was complete").Because(err)
}

func (h *Handler) remove(w http.ResponseWriter, r *request) error {
	return h.charts.Delete(r.Context(), r.project, r.PathValue("name"), r.PathValue("version"))
}

func (h *Handler) removeAll(w http.ResponseWriter, r *request) error {
	return h.charts.DeleteAll(r.Context(), r.project, r.PathValue("name"))
}

func (h *Handler) labelsOf(w http.ResponseWriter, r *request) error {
	v, err := h.asked(r)
	if err != nil {
		return err
	}
	labels, err := h.labels.OfArtifacts(r.Context(), []int64{v.ArtifactID})
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, bodies(labels[v.ArtifactID]))
}

// maxLabel is how many bytes a request may have that names a label.
const maxLabel = 64 << 10

func (h *Handler) attach(w http.ResponseWriter, r *request) error {
	v, err := h.asked(r)
	if err != nil {
		return err
	}
	var named struct{ ID int64 }
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxLabel)).Decode(&named); err != nil || named.ID <= 0 {
		return errLabel.With(`the body must be {"id":NUMBER}`)
	}
	return h.labels.Attach(r.Context(), artifactOf(r.project, v), named.ID)
}

func (h *Handler) detach(w http.ResponseWriter, r *request) error {
	v, err := h.asked(r)
	if err != nil {
		return err
	}
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return errLabel.With("its id must be a number")
	}
	return h.labels.Detach(r.Context(), artifactOf(r.project, v), id)
}

func artifactOf(p chart.Project, v chart.Version) label.Artifact {
	return label.Artifact{Where: event.Where{ProjectID: p.ID, Project: p.Name, Repository: p.Name + "/" + v.Name}, Digest: v.Digest}
}
