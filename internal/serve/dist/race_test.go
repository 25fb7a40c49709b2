package dist_test

import (
	"bytes"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/project"
)

// A crowd pushes, mounts and deletes the same few things at once, in two projects
// of which one is deleted and made again meanwhile. Each gets one of the answers
// that it may get, and what is left afterwards fits together.
func TestPushesMountsAndDeletionsAtOnce(t *testing.T) {
	each(t, func(s *server) {
		c := newCrowd(s)
		var all sync.WaitGroup
		for i := range 12 {
			all.Go(func() {
				dice := rand.New(rand.NewPCG(1, uint64(i)))
				for range 60 {
					c.act(dice)
				}
			})
		}
		all.Go(c.renewProject)
		all.Wait()
		c.fitsTogether()
	})
}

type crowd struct {
	*server
	contents [][]byte
	images   [][]byte
}

func newCrowd(s *server) *crowd {
	c := &crowd{server: s}
	for range 4 {
		c.contents = append(c.contents, random(2000))
	}
	for i := range c.contents {
		c.images = append(c.images, image(digest(c.contents[i]), digest(c.contents[(i+1)%len(c.contents)])))
	}
	return c
}

// may does a request that may end with one of the statuses.
func (c *crowd) may(method, path string, body []byte, h header, statuses ...int) *http.Response {
	res := c.do(admin, method, path, bytes.NewReader(body), h)
	if !slices.Contains(statuses, res.StatusCode) {
		text, _ := io.ReadAll(res.Body)
		c.Errorf("%s %s: %d %s", method, path, res.StatusCode, text)
	}
	return res
}

// act does something, of which 404 is nearly always a possible end: what it is
// about may be gone, and so may the project.
func (c *crowd) act(dice *rand.Rand) {
	repos := []string{"closed/a", "closed/b", "renewed/a"}
	repo, other := "/v2/"+repos[dice.IntN(3)], repos[dice.IntN(3)]
	content, image := c.contents[dice.IntN(len(c.contents))], c.images[dice.IntN(len(c.images))]
	tag := string(rune('a' + dice.IntN(3)))
	switch dice.IntN(10) {
	case 0, 1:
		c.may("POST", repo+"/blobs/uploads/?digest="+digest(content), content, nil, 201, 404, 403)
	case 2:
		if res := c.may("POST", repo+"/blobs/uploads/", nil, nil, 202, 404, 403); res.StatusCode == 202 {
			at := res.Header.Get("Location")
			c.may("PATCH", at, content[:100], nil, 202, 404, 403)
			c.may("PUT", at+"?digest="+digest(content), content[100:], nil, 201, 404, 403)
		}
	case 3:
		c.may("POST", repo+"/blobs/uploads/?mount="+digest(content)+"&from="+other, nil, nil, 201, 202, 404, 403)
	case 4, 5, 6:
		c.may("PUT", repo+"/manifests/"+tag, image, header{"Content-Type": imageType}, 201, 404, 403)
	case 7:
		c.may("DELETE", repo+"/manifests/"+digest(image), nil, nil, 202, 404, 403)
	case 8:
		c.may("DELETE", repo+"/blobs/"+digest(content), nil, nil, 202, 404, 412, 403)
	case 9:
		c.pull(repo, tag)
	}
}

// pull expects that a manifest that is there is one that was pushed, whole.
func (c *crowd) pull(repo, tag string) {
	res := c.may("GET", repo+"/manifests/"+tag, nil, nil, 200, 404, 403)
	if res.StatusCode != 200 {
		return
	}
	body, err := io.ReadAll(res.Body)
	if err != nil || !slices.ContainsFunc(c.images, func(m []byte) bool { return bytes.Equal(m, body) }) {
		c.Errorf("a manifest that nobody pushed: %s %v", body, err)
	}
}

// renewProject deletes the project "renewed" and makes it again.
func (c *crowd) renewProject() {
	ctx := access.With(c.Context(), admin)
	var id int64
	for range 40 {
		if id != 0 && c.projects.Delete(ctx, id) == nil {
			id = 0
		}
		if id == 0 {
			var err error
			if id, err = c.projects.Create(ctx, project.NewProject{Name: "renewed"}); err != nil {
				c.Error(err)
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// fitsTogether looks for what must not be there.
func (c *crowd) fitsTogether() {
	for what, from := range map[string]string{
		"references to blobs that the repository lacks": `artifact_blob b LEFT JOIN repository_blob r
			ON r.repository_id = b.repository_id AND r.digest = b.digest WHERE r.digest IS NULL`,
		"repositories that miscount their artifacts": `repository r WHERE artifact_count <> (SELECT count(*) FROM artifact a WHERE a.repository_id = r.id)`,
		"projects that miscount their repositories": `project p WHERE NOT deleted AND repo_count <>
			(SELECT count(*) FROM repository r WHERE r.project_id = p.id AND r.artifact_count > 0)`,
		"repositories of deleted projects":        `repository r JOIN project p ON p.id = r.project_id WHERE p.deleted`,
		"tags of artifacts of other repositories": `tag t JOIN artifact a ON a.id = t.artifact_id WHERE a.repository_id <> t.repository_id`,
	} {
		var n int
		if err := c.database.QueryRow(c.Context(), `SELECT count(*) FROM `+from).Scan(&n); err != nil || n > 0 {
			c.Errorf("%d %s, %v", n, what, err)
		}
	}
	known := map[string]bool{}
	rows, err := c.database.Query(c.Context(), `SELECT storage_key FROM blob`)
	if err != nil {
		c.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var key string
		if err := rows.Scan(&key); err != nil {
			c.Fatal(err)
		}
		known[key] = true
	}
	err = filepath.WalkDir(c.folder, func(path string, d fs.DirEntry, err error) error {
		key, _ := strings.CutPrefix(path, c.folder+"/")
		if err == nil && !d.IsDir() && strings.HasPrefix(key, "sha256/") {
			delete(known, key)
		}
		return err
	})
	if err != nil || len(known) > 0 {
		c.Errorf("%d blobs have no bytes: %v, %v", len(known), known, err)
	}
}
