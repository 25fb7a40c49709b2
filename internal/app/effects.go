package app

import (
	"context"
	"net/http"
	"time"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/serve/web"
	"github.com/berth-registry/berth/internal/setting"
)

var errReadOnly = fault.New(fault.Denied, "DENIED", "the server is read-only at present: nothing can be changed but its configuration")

// readOnly refuses every change while the setting read_only is on.
type readOnly struct {
	settings *setting.Service
	next     http.Handler
}

// changesNothing are the requests that change no content although their method
// may, and the one that ends the state.
var changesNothing = map[string]bool{
	"PUT /api/v2.0/configurations":   true,
	"POST /api/v2.0/registries/ping": true,
	"POST /api/v2.0/scanners/ping":   true,
	"POST /c/login":                  true,
	"POST /c/userExists":             true,
	"POST /service/token":            true,
}

// ServeHTTP stands before all doors.
func (h readOnly) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
	default:
		if changesNothing[r.Method+" "+r.URL.Path] {
			break
		}
		v, err := h.settings.Get(r.Context())
		if err == nil && v.ReadOnly {
			err = errReadOnly
		}
		if err != nil {
			web.Error(w, r, err)
			return
		}
	}
	h.next.ServeHTTP(w, r)
}

// isReadOnly is the question of the garbage collection.
func isReadOnly(settings *setting.Service) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		v, err := settings.Get(ctx)
		return v.ReadOnly, err
	}
}

// projectsRestricted is project's question.
func (a *App) projectsRestricted(ctx context.Context) (bool, error) {
	v, err := a.settings.Get(ctx)
	return v.ProjectCreation == setting.AdminOnly, err
}

// accountsLocal is account's question.
func (a *App) accountsLocal(ctx context.Context) (bool, error) {
	v, err := a.settings.Get(ctx)
	return v.AuthMode == setting.AuthDatabase, err
}

// projectLimit is project's question.
func (a *App) projectLimit(ctx context.Context) (int64, error) {
	v, err := a.settings.Get(ctx)
	return v.QuotaDefault, err
}

// robotPrefix is robot's question.
func (a *App) robotPrefix(ctx context.Context) (string, error) {
	v, err := a.settings.Get(ctx)
	return v.RobotPrefix, err
}

// pullsOmit is registry's question about pulls.
func (a *App) pullsOmit(ctx context.Context) (artifact.Omit, error) {
	v, err := a.settings.Get(ctx)
	return artifact.Omit{Times: v.PullTimeOff, Counts: v.PullCountOff, Events: v.PullAuditOff, Scans: v.ScannerPullTimeOff}, err
}

// tokenLifetime is token's question. The largest number of minutes is more than
// a duration holds, and than any token lives.
func (a *App) tokenLifetime(ctx context.Context) (time.Duration, error) {
	v, err := a.settings.Get(ctx)
	return time.Duration(min(v.TokenMinutes, 1<<24)) * time.Minute, err
}

// sessionTimeout is session's question, with the bound of tokenLifetime.
func (a *App) sessionTimeout(ctx context.Context) (time.Duration, error) {
	v, err := a.settings.Get(ctx)
	return time.Duration(min(v.SessionMinutes, 1<<24)) * time.Minute, err
}
