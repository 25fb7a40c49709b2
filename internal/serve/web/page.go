package web

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/berth-registry/berth/internal/query"
)

// Links returns the value of the header Link for a page of a list of total
// rows, or "": the paths of the pages before and after this one, with the
// request's other parameters. A size of 0 or below is one of
// query.MaxUnpaged.
func Links(u *url.URL, total int64, page, size int) string {
	rows, page := int64(size), max(page, 1)
	if rows <= 0 {
		rows = query.MaxUnpaged
	}
	pages := (total + rows - 1) / rows
	var links []string
	if page > 1 && int64(page) <= pages {
		links = append(links, "<"+at(u, page-1, size)+`>; rel="prev"`)
	}
	if int64(page) < pages {
		links = append(links, "<"+at(u, page+1, size)+`>; rel="next"`)
	}
	return strings.Join(links, " , ")
}

// at returns the path and query of another page.
func at(u *url.URL, page, size int) string {
	values := u.Query()
	values.Set("page", strconv.Itoa(page))
	values.Set("page_size", strconv.Itoa(size))
	return u.EscapedPath() + "?" + readable.Replace(values.Encode())
}

// readable writes the characters of the query language plainly, where they can
// neither end the link nor divide it.
var readable = strings.NewReplacer("%3D", "=", "%7E", "~", "%5B", "[", "%5D", "]", "%7B", "{", "%7D", "}",
	"%28", "(", "%29", ")", "%3A", ":", "%2F", "/", "%40", "@", "%21", "!", "%2A", "*", "%24", "$")
