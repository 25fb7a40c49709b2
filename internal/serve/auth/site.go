package auth

import (
	"net/http"
	"strings"

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/serve/web"
	"github.com/berth-registry/berth/internal/session"
)

var (
	errSite  = fault.New(fault.Denied, "FORBIDDEN", "the request was made by a page of another site")
	errProof = fault.New(fault.Denied, "FORBIDDEN", "a request by a session needs the header "+proofHeader+", with the value that the last answer had")
)

// proofHeader is what answers to a session's requests tell its proof in, and
// what clients that are no browsers send it back in.
const proofHeader = "X-Harbor-CSRF-Token"

// protected has a handler see no change that another site's page makes.
func protected(next http.Handler) http.Handler {
	return web.Handle(func(w http.ResponseWriter, r *http.Request) error {
		if err := sameSite(r); err != nil {
			return err
		}
		next.ServeHTTP(w, r)
		return nil
	})
}

// sameSite returns errSite for a change that a browser sends for a page of
// another site: it sends the cookie along, and also the password that its user
// gave us. What is no browser says nothing of where it comes from, and passes.
func sameSite(r *http.Request) error {
	var pages http.CrossOriginProtection
	if pages.Check(r) == nil {
		return nil
	}
	// A proxy may have changed the Host, which is what is looked at.
	known := r.WithContext(r.Context())
	known.Host = strings.ToLower(web.External(r).Host)
	if pages.Check(known) == nil {
		return nil
	}
	return errSite
}

// ownPage reports whether a browser says that our own page makes a request, or
// its user by hand.
func ownPage(r *http.Request) bool {
	from := r.Header.Get("Sec-Fetch-Site")
	return from == "same-origin" || from == "none"
}

// meant returns errProof for a change made by a session where nothing says that
// its holder wants it: neither a browser, which sameSite has heard, nor the proof.
func meant(r *http.Request, s session.Session) error {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return nil
	}
	if r.Header.Get("Sec-Fetch-Site") != "" || r.Header.Get("Origin") != "" || s.Proves(r.Header.Get(proofHeader)) {
		return nil
	}
	return errProof
}
