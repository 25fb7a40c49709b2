package advisorydb

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/berth-registry/berth/internal/advisory"
	"github.com/berth-registry/berth/internal/feed"
	"github.com/berth-registry/berth/internal/osv"
)

// readers is how many connections read a generation.
const readers = 4

// A generation is an open file. Its last user closes it.
type generation struct {
	store  *Store
	number advisory.Generation
	pool   *sql.DB
	refs   atomic.Int64

	knows, about *sql.Stmt
}

// open opens a generation, with one reference to it. The caller holds s.mu.
func (s *Store) open(ctx context.Context, number advisory.Generation) (*generation, error) {
	path := s.path(dbName(number))
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("advisories: %w", err)
	}
	pool, err := connect(path, reading, readers)
	if err != nil {
		return nil, err
	}
	g := &generation{store: s, number: number, pool: pool}
	ctx = context.WithoutCancel(ctx) // others use it too
	err = isOurs(ctx, pool)
	if errors.Is(err, errVersion) {
		err = advisory.ErrNone.Because(err)
	}
	if err == nil {
		err = g.prepare(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), pool.Close())
	}
	g.refs.Store(1)
	s.inUse[number]++
	return g, nil
}

// prepare opens all connections now, since the file may lose its name.
func (g *generation) prepare(ctx context.Context) error {
	if err := g.connect(ctx, readers); err != nil {
		return err
	}
	return g.statements(ctx)
}

// connect opens n connections at the same time, and gives them to the pool.
func (g *generation) connect(ctx context.Context, n int) error {
	c, err := g.pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	var sources int
	if err := c.QueryRowContext(ctx, `SELECT count(*) FROM source`).Scan(&sources); err != nil || n == 1 {
		return err
	}
	return g.connect(ctx, n-1)
}

func (g *generation) statements(ctx context.Context) (err error) {
	g.knows, err = g.pool.PrepareContext(ctx, `SELECT EXISTS (SELECT 1 FROM affected WHERE ecosystem = ?)`)
	if err != nil {
		return err
	}
	g.about, err = g.pool.PrepareContext(ctx, `SELECT a.body, f.body FROM affected f JOIN advisory a ON a.id = f.advisory
		WHERE f.ecosystem = ? AND f.package = ? ORDER BY a.name, a.source`)
	return err
}

// release gives back a reference. The last one closes the file, which goes if it is
// not the newest any more.
func (g *generation) release() error {
	if g.refs.Add(-1) > 0 {
		return nil
	}
	err := g.pool.Close()
	s := g.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inUse[g.number]--; s.inUse[g.number] > 0 {
		return err
	}
	delete(s.inUse, g.number)
	if newest, missing := s.current(); missing == nil && newest > g.number {
		if gone := os.Remove(s.path(dbName(g.number))); !errors.Is(gone, os.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	}
	return err
}

// A reader is one use of a generation.
type reader struct {
	*generation

	done atomic.Bool
}

// Close implements advisory.Reader. Once is enough.
func (r *reader) Close() error {
	if r.done.Swap(true) {
		return nil
	}
	return r.release()
}

// Generation implements advisory.Reader.
func (r *reader) Generation() advisory.Generation { return r.number }

// Knows implements advisory.Reader.
func (r *reader) Knows(ctx context.Context, ecosystem string) (is bool, err error) {
	return is, r.knows.QueryRowContext(ctx, ecosystem).Scan(&is)
}

// About implements advisory.Reader.
func (r *reader) About(ctx context.Context, ecosystem, name string) (all []osv.Record, err error) {
	rows, err := r.about.QueryContext(ctx, ecosystem, name)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var body, affected sql.RawBytes
		if err := rows.Scan(&body, &affected); err != nil {
			return nil, err
		}
		var record osv.Record
		if err := unpack(r.store.unpack, body, &record); err != nil {
			return nil, err
		}
		if record.Affected, err = readAffected(affected, osv.Package{Ecosystem: ecosystem, Name: name}); err != nil {
			return nil, fmt.Errorf("read advisory %s: %w", record.ID, err)
		}
		all = append(all, record)
	}
	return all, rows.Err()
}

// unpack reads an advisory's body.
func unpack(z *zstd.Decoder, body []byte, to *osv.Record) error {
	text, err := z.DecodeAll(body, nil)
	if err == nil {
		err = json.Unmarshal(text, to)
	}
	if err != nil {
		return fmt.Errorf("read advisory: %w", err)
	}
	return nil
}

// readAffected reads what an advisory says of a package.
func readAffected(text []byte, p osv.Package) (all []osv.Affected, err error) {
	err = json.Unmarshal(text, &all)
	for i := range all {
		all[i].Package = p
	}
	return all, err
}

// maxScores is how many are read of one CVE.
const maxScores = 16

// CVEs implements advisory.Reader.
func (r *reader) CVEs(ctx context.Context, ids []string) (map[string]advisory.CVE, error) {
	all := map[string]advisory.CVE{}
	for len(ids) > 0 {
		batch := ids[:min(len(ids), atATime)]
		ids = ids[len(batch):]
		if err := errors.Join(r.scores(ctx, batch, all), r.exploited(ctx, batch, all), r.likely(ctx, batch, all)); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// A score is what is kept of one.
type score struct {
	Severity []osv.Severity `json:"severity,omitempty"`
	CWEs     []string       `json:"cwes,omitempty"`
}

func (r *reader) scores(ctx context.Context, ids []string, all map[string]advisory.CVE) error {
	return r.each(ctx, `SELECT s.cve, a.name, s.body FROM score s JOIN advisory a ON a.id = s.advisory WHERE s.cve IN (`+in(len(ids))+`) ORDER BY s.cve, a.name`, ids, func(scan func(...any) error) error {
		var cve, name string
		var body []byte
		if err := scan(&cve, &name, &body); err != nil {
			return err
		}
		c := all[cve]
		if len(c.Scores) == maxScores {
			return nil
		}
		var s score
		if err := json.Unmarshal(body, &s); err != nil {
			return fmt.Errorf("read score: %w", err)
		}
		c.Scores = append(c.Scores, advisory.Score{Advisory: name, Severity: s.Severity, CWEs: s.CWEs})
		all[cve] = c
		return nil
	})
}

func (r *reader) exploited(ctx context.Context, ids []string, all map[string]advisory.CVE) error {
	return r.each(ctx, `SELECT cve, since FROM exploited WHERE cve IN (`+in(len(ids))+`)`, ids, func(scan func(...any) error) error {
		var cve, since string
		err := scan(&cve, &since)
		c := all[cve]
		c.Exploited = since
		all[cve] = c
		return err
	})
}

func (r *reader) likely(ctx context.Context, ids []string, all map[string]advisory.CVE) error {
	return r.each(ctx, `SELECT cve, score, percentile FROM likelihood WHERE cve IN (`+in(len(ids))+`)`, ids, func(scan func(...any) error) error {
		var l feed.Likelihood
		err := scan(&l.CVE, &l.Score, &l.Percentile)
		c := all[l.CVE]
		c.Likelihood = &l
		all[l.CVE] = c
		return err
	})
}

// each reads rows, for parameters that are texts.
func (r *reader) each(ctx context.Context, q string, texts []string, see func(scan func(...any) error) error) error {
	args := make([]any, len(texts))
	for i, t := range texts {
		args[i] = t
	}
	rows, err := r.pool.QueryContext(ctx, q, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := see(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Sources implements advisory.Reader.
func (r *reader) Sources(ctx context.Context) (all []advisory.Source, err error) {
	err = r.each(ctx, `SELECT name, origin, at, newest, records, malicious, mark FROM source ORDER BY name`, nil, func(scan func(...any) error) error {
		var s advisory.Source
		var at, newest int64
		err := scan(&s.Name, &s.Origin, &at, &newest, &s.Records, &s.Malicious, &s.Mark)
		s.At, s.Newest = when(at), when(newest)
		all = append(all, s)
		return err
	})
	return all, err
}

func when(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

// atATime is how many parameters a statement has at most.
const atATime = 256

func in(n int) string { return strings.TrimSuffix(strings.Repeat("?,", n), ",") }

// Seen implements advisory.Reader.
func (r *reader) Seen(ctx context.Context, source string, ids []string) (map[string]time.Time, error) {
	seen := make(map[string]time.Time, len(ids))
	for len(ids) > 0 {
		batch := ids[:min(len(ids), atATime)]
		ids = ids[len(batch):]
		err := r.each(ctx, `SELECT name, seen FROM advisory WHERE source = ? AND name IN (`+in(len(batch))+`)`, append([]string{source}, batch...), func(scan func(...any) error) error {
			var name string
			var at int64
			err := scan(&name, &at)
			seen[name] = when(at)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return seen, nil
}

// IDs implements advisory.Reader.
func (r *reader) IDs(ctx context.Context, source string, see func(id string)) error {
	return r.each(ctx, `SELECT name FROM advisory WHERE source = ?`, []string{source}, func(scan func(...any) error) error {
		var name string
		err := scan(&name)
		see(name)
		return err
	})
}
