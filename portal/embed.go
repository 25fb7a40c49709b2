// Package portal holds what "make portal" built of the web application beside
// it. How it is served is for internal/serve/portal to say.
package portal

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// Files returns the built application: index.html and all that it loads, each
// text also packed (.br, .gz). Where it was not built, there is no index.html.
func Files() fs.FS {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // the name is right
	}
	return files
}
