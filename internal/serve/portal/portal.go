// Package portal serves the web application: its files, which browsers keep for
// as long as they like, and index.html for every page that the application knows
// by its address. What a page shows it asks the API for, like every other client;
// nothing here looks at who is calling.
package portal

import (
	"bytes"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/berth-registry/berth/internal/serve/web"
)

// unbuilt is the page of a program that was built without the portal.
//
//go:embed unbuilt.html
var unbuilt []byte

const (
	index = "index.html"

	// placeholder is what the built index.html has in place of a nonce.
	placeholder = "{{nonce}}"

	// forever is for files whose names change with their content.
	forever = "public, max-age=31536000, immutable"
)

// policy is what a browser may do on our pages. Scripts are files of ours, and
// nothing is made of text. Styles are too, or have the answer's nonce: the
// library of components writes some when it knows the size of the window.
const policy = "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-%s'; img-src 'self' data:; font-src 'self'; " +
	"connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// A Portal is an http.Handler for everything that is no other door's.
type Portal struct {
	files fs.FS
	page  []byte // index.html, or nil where there is none
}

// New returns what serves the built files. Without an index.html among them it
// says instead how they are built.
func New(files fs.FS) (*Portal, error) {
	page, err := fs.ReadFile(files, index)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("portal: %w", err)
	}
	return &Portal{files, page}, nil
}

// ServeHTTP answers with a file, or to a browser that goes to a page, with the
// application. Other programs that ask for what is not there learn so.
func (p *Portal) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	web.SetOperation(r, "portal")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		web.Error(w, r, web.ErrNoRoute)
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	if p.has(name) {
		p.file(w, r, name)
		return
	}
	if name != "" && (path.Ext(name) != "" && strings.HasPrefix(name, "assets/") || !navigates(r)) {
		web.Error(w, r, web.ErrNoRoute)
		return
	}
	p.index(w, r)
}

// has reports whether a name is one of the files to be asked for.
func (p *Portal) has(name string) bool {
	info, err := fs.Stat(p.files, name)
	return err == nil && info.Mode().IsRegular() && name != index && !strings.HasPrefix(path.Base(name), ".") && !packed(name)
}

// navigates reports whether somebody goes to a page: programs that look for
// something else do not ask for HTML.
func navigates(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

// index answers with the application, or with the page that says that it is not
// there.
func (p *Portal) index(w http.ResponseWriter, r *http.Request) {
	nonce, page := rand.Text(), unbuilt
	if p.page != nil {
		page = bytes.ReplaceAll(p.page, []byte(placeholder), []byte(nonce))
	}
	h := w.Header()
	h.Set("Content-Security-Policy", fmt.Sprintf(policy, nonce))
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "text/html; charset=utf-8")
	send(w, r, page)
}

// file answers with a file in the smallest form that the client takes.
func (p *Portal) file(w http.ResponseWriter, r *http.Request, name string) {
	h := w.Header()
	h.Set("Content-Type", mediaType(name))
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-cache")
	if strings.HasPrefix(name, "assets/") {
		h.Set("Cache-Control", forever)
	}
	h.Add("Vary", "Accept-Encoding")
	for _, e := range encodings {
		if !takes(r, e.name) {
			continue
		}
		body, err := fs.ReadFile(p.files, name+e.suffix)
		if err == nil {
			h.Set("Content-Encoding", e.name)
			send(w, r, body)
			return
		}
	}
	body, err := fs.ReadFile(p.files, name)
	if err != nil {
		web.Error(w, r, fmt.Errorf("portal: %w", err))
		return
	}
	send(w, r, body)
}

func send(w http.ResponseWriter, r *http.Request, body []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(body) // a client that is gone cannot be told
	}
}

// encodings are the packed forms of files, the smallest first.
var encodings = []struct{ name, suffix string }{{"br", ".br"}, {"gzip", ".gz"}}

func packed(name string) bool {
	return strings.HasSuffix(name, ".br") || strings.HasSuffix(name, ".gz")
}

// takes reports whether a client reads an encoding: it names it, and not with
// the weight 0.
func takes(r *http.Request, encoding string) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, weight, _ := strings.Cut(part, ";")
		if strings.TrimSpace(name) != encoding {
			continue
		}
		q, ok := strings.CutPrefix(strings.ReplaceAll(weight, " ", ""), "q=")
		n, err := strconv.ParseFloat(q, 64)
		return !ok || err == nil && n > 0
	}
	return false
}

// mediaType returns that of a file, whatever the machine's own tables say.
func mediaType(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".woff2":
		return "font/woff2"
	case ".json", ".webmanifest":
		return "application/json"
	}
	if t := mime.TypeByExtension(path.Ext(name)); t != "" {
		return t
	}
	return "application/octet-stream"
}
