package chartrepo

import (
	"bufio"
	"net/http"
	"strings"

	"github.com/klauspost/compress/gzhttp"
	"github.com/klauspost/compress/gzip"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/chart"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/serve/web"
)

// askAgain is for what may be kept, but is to be asked for by its name each time:
// an index changes, a version may be replaced, and so may the caller's rights.
const askAgain = "no-cache"

// indexType is what an index is: YAML, of which JSON is a part.
const indexType = "application/x-yaml"

func (h *Handler) index(w http.ResponseWriter, r *request) error {
	x, err := h.charts.Index(r.Context(), r.project, r.knows)
	if err != nil {
		return err
	}
	return h.write(w, r, x)
}

// merged is of all projects that the caller may pull from. A robot's permissions
// and a member's roles are those of whole projects.
func (h *Handler) merged(w http.ResponseWriter, r *request) error {
	ctx := r.Context()
	caller := access.From(ctx)
	x, err := h.charts.Merged(ctx, func(name string) (bool, error) {
		p, err := h.projects.Access(ctx, caller, name)
		if fault.OfKind(err, fault.NotFound) {
			return false, nil
		}
		return err == nil && access.Allowed(caller, pull, &p), err
	}, r.knows)
	if err != nil {
		return err
	}
	return h.write(w, r, x)
}

// knows reports whether the client has an index already. The same index is
// compressed or not, so that its name is a weak one.
func (r *request) knows(validator string) bool {
	for _, said := range r.Header.Values("If-None-Match") {
		for one := range strings.SplitSeq(said, ",") {
			one = strings.TrimSpace(one)
			if one == "*" || strings.TrimPrefix(one, "W/") == `"`+validator+`"` {
				return true
			}
		}
	}
	return false
}

// compressed packs what it is given where the client asks for that, as fast as
// can be: an index is large and says the same things again and again.
var compressed = func() func(http.Handler) http.HandlerFunc {
	wrap, err := gzhttp.NewWrapper(gzhttp.CompressionLevel(gzip.BestSpeed), gzhttp.ContentTypes([]string{indexType}))
	if err != nil {
		panic(err) // the options are constants
	}
	return wrap
}()

func (h *Handler) write(w http.ResponseWriter, r *request, x chart.Index) error {
	header := w.Header()
	header.Set("Etag", `W/"`+x.Validator()+`"`)
	header.Set("Cache-Control", askAgain)
	if x.Known() {
		header.Set("Vary", "Accept-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	header.Set("Content-Type", indexType)
	compressed(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			return
		}
		out := bufio.NewWriterSize(w, 64<<10)
		_, _ = x.WriteTo(out) // a client that is gone cannot be told
		_ = out.Flush()
	})).ServeHTTP(w, r.Request)
	return nil
}

func (h *Handler) file(w http.ResponseWriter, r *request) error {
	f, err := h.charts.Open(r.Context(), r.project, r.PathValue("file"), r.Method != http.MethodHead)
	if err != nil {
		return err
	}
	defer f.Close()
	w.Header().Set("Content-Type", "application/gzip")
	if f.Provenance {
		w.Header().Set("Content-Type", "application/pgp-signature")
	}
	w.Header().Set("Etag", `"`+string(f.Digest)+`"`)
	w.Header().Set("Cache-Control", askAgain)
	web.SendBlob(w, r.Request, f.Reader)
	return nil
}
