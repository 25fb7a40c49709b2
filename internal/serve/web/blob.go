package web

import (
	"io"
	"net/http"
	"time"

	"github.com/berth-registry/berth/internal/blob"
)

// SendBlob answers with content: the ranges of it that are asked for, and only
// where the conditions of the request hold for the header Etag. Content that is
// a blob.Filer is handed to the kernel. The caller closes it.
func SendBlob(w http.ResponseWriter, r *http.Request, content blob.Reader) {
	var body io.ReadSeeker = content
	if f, ok := content.(blob.Filer); ok {
		body = f.File()
	}
	http.ServeContent(w, r, "", time.Time{}, body)
}
