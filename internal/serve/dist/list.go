package dist

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/oci"
)

const (
	maxPage      = 10_000 // names in one list, also where the client gave no n
	maxReferrers = 1_000  // descriptors in one list of referrers
	// maxReferrersBytes keeps a list of referrers a manifest that clients accept.
	maxReferrersBytes = oci.MaxManifest - 64<<10
)

func (h *Handler) listTags(w http.ResponseWriter, r *request) error {
	n, err := pageSize(r.URL.Query())
	if err != nil {
		return err
	}
	last, err := textOf(r.URL.Query(), "last")
	if err != nil {
		return err
	}
	names, err := r.source.Tags(r.Context(), r.repo, last, n+1)
	if err != nil {
		return err
	}
	names = page(w, r.Request, names, n)
	return writeJSON(w, struct {
		Name string   `json:"name"`
		Tags []string `json:"tags"`
	}{r.repo.Name, names})
}

func (h *Handler) listCatalog(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", "GET")
		return errMethod
	}
	caller := access.From(r.Context())
	if err := access.Check(caller, access.OfSystem("catalog", "read"), nil); err != nil {
		if !caller.Anonymous() && !caller.Bearer {
			return errDenied.Saying("only who may read the system's catalog may list all repositories")
		}
		w.Header().Set("WWW-Authenticate", h.challenge(r, "registry:catalog:*"))
		return errUnauthorized
	}
	n, err := pageSize(r.URL.Query())
	if err != nil {
		return err
	}
	last, err := textOf(r.URL.Query(), "last")
	if err != nil {
		return err
	}
	names, err := h.registry.Repositories(r.Context(), last, n+1)
	if err != nil {
		return err
	}
	names = page(w, r, names, n)
	return writeJSON(w, struct {
		Repositories []string `json:"repositories"`
	}{names})
}

// pageSize reads n, which is cut to maxPage however large it is.
func pageSize(q url.Values) (int, error) {
	text := q.Get("n")
	if text == "" {
		return maxPage, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, errPage.With("%q", text)
	}
	return int(min(n, maxPage)), nil
}

// textOf reads what is to be compared with text in the database. Not every
// database takes all bytes for text.
func textOf(q url.Values, key string) (string, error) {
	text := q.Get(key)
	if !utf8.ValidString(text) || strings.Contains(text, "\x00") {
		return "", errText.With("%s", key)
	}
	return text, nil
}

// page cuts a list that was asked for with one name more than the page holds,
// and links to the next page where there is one.
func page(w http.ResponseWriter, r *http.Request, names []string, n int) []string {
	if n > 0 && len(names) > n {
		q := url.Values{"last": {names[n-1]}, "n": {strconv.Itoa(n)}}
		link(w, r.URL.Path, q)
	}
	names = names[:min(n, len(names))]
	if names == nil {
		return []string{}
	}
	return names
}

// link points to the next page (RFC 8288).
func link(w http.ResponseWriter, path string, q url.Values) {
	w.Header().Set("Link", "<"+path+"?"+q.Encode()+`>; rel="next"`)
}

// listReferrers answers an index of the artifacts whose subject is the digest.
// The pages are linked by the id of the last artifact.
func (h *Handler) listReferrers(w http.ResponseWriter, r *request) error {
	d, err := oci.ParseDigest(r.ref)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	artifactType, err := textOf(q, "artifactType")
	if err != nil {
		return err
	}
	after, err := strconv.ParseInt(q.Get("last"), 10, 64)
	if err != nil && q.Get("last") != "" {
		return errPage.Saying("last must be taken from the Link header of the page before")
	}
	found, err := r.source.Referrers(r.Context(), r.repo, d, artifactType, after, maxReferrers+1)
	if err != nil {
		return err
	}
	if artifactType != "" {
		w.Header().Set("OCI-Filters-Applied", "artifactType")
	}
	index, n := referrersIndex(found)
	if n < len(found) {
		next := url.Values{"last": {strconv.FormatInt(found[n-1].ID, 10)}}
		if artifactType != "" {
			next.Set("artifactType", artifactType)
		}
		link(w, r.URL.Path, next)
	}
	send(w, oci.MediaTypeImageIndex, index)
	return nil
}

// referrersIndex takes as many of the artifacts as one index may hold, at least
// one where there is one, and says how many.
func referrersIndex(found []artifact.Referrer) (index []byte, n int) {
	const head = `{"schemaVersion":2,"mediaType":"` + oci.MediaTypeImageIndex + `","manifests":[`
	size := len(head) + len("]}")
	for _, r := range found[:min(len(found), maxReferrers)] {
		if size += len(r.Descriptor) + 1; size > maxReferrersBytes && n > 0 {
			break
		}
		n++
	}
	index = append(make([]byte, 0, min(size, maxReferrersBytes)), head...)
	for i, r := range found[:n] {
		if i > 0 {
			index = append(index, ',')
		}
		index = append(index, r.Descriptor...)
	}
	return append(index, "]}"...), n
}

func writeJSON(w http.ResponseWriter, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	send(w, "application/json", text)
	return nil
}

func send(w http.ResponseWriter, mediaType string, body []byte) {
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // the client may have gone, which is its own affair
}
