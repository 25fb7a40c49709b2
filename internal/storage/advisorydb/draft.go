package advisorydb

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"

	"github.com/berth-registry/berth/internal/advisory"
	"github.com/berth-registry/berth/internal/feed"
	"github.com/berth-registry/berth/internal/osv"
)

// Next implements advisory.Store.
func (s *Store) Next(ctx context.Context, change func(advisory.Draft) (bool, error)) (g advisory.Generation, err error) {
	return s.publish(func(path string) (bool, error) {
		pool, err := s.begin(ctx, path)
		if err != nil {
			return false, err
		}
		wanted, err := change(&draft{pool, s})
		return wanted, errors.Join(err, pool.Close())
	})
}

// publish lets write fill a file, and makes it the newest generation if it says so.
func (s *Store) publish(write func(path string) (bool, error)) (g advisory.Generation, err error) {
	unlock, err := s.lock()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if err := s.sweep(); err != nil {
		return 0, err
	}
	if g, err = s.next(); err != nil {
		return 0, err
	}
	path := s.path(dbName(g))
	wanted, err := write(path + newSuffix)
	if err == nil && wanted {
		err = s.install(g, path)
	}
	if err != nil || !wanted {
		_ = os.Remove(path + newSuffix) // the next one sweeps what stays
		return 0, err
	}
	return g, s.sweep()
}

// install makes a file the newest generation, when it is on the disk.
func (s *Store) install(g advisory.Generation, path string) error {
	f, err := os.Open(path + newSuffix)
	if err != nil {
		return fmt.Errorf("advisories: %w", err)
	}
	if err := errors.Join(f.Sync(), f.Close(), os.Rename(path+newSuffix, path)); err != nil {
		return fmt.Errorf("advisories: %w", err)
	}
	return s.replace(currentName, fmt.Appendf(nil, "%d\n", g))
}

// begin returns the connection to a copy of the newest generation. One of another
// form counts for none: an update brings all of it again.
func (s *Store) begin(ctx context.Context, path string) (*sql.DB, error) {
	newest, err := s.current()
	if errors.Is(err, advisory.ErrNone) {
		return s.empty(ctx, path)
	}
	if err != nil {
		return nil, err
	}
	if err := copyFile(path, s.path(dbName(newest))); err != nil {
		return nil, err
	}
	pool, err := connect(path, writing, 1)
	if err != nil {
		return nil, err
	}
	err = isOurs(ctx, pool)
	if err == nil {
		return pool, nil
	}
	if err = errors.Join(err, pool.Close()); !errors.Is(err, errVersion) {
		return nil, err
	}
	return s.empty(ctx, path)
}

// empty returns the connection to a new file, or to one that is emptied.
func (s *Store) empty(ctx context.Context, path string) (*sql.DB, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("advisories: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("advisories: %w", err)
	}
	pool, err := connect(path, writing, 1)
	if err != nil {
		return nil, err
	}
	if err := create(ctx, pool); err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	return pool, nil
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("advisories: %w", err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("advisories: %w", err)
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// A draft is an advisory.Draft.
type draft struct {
	pool  *sql.DB
	store *Store
}

// Within implements advisory.Draft.
func (d *draft) Within(ctx context.Context, fn func(advisory.Writer) error) error {
	tx, err := d.pool.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("advisories: %w", err)
	}
	w := &writer{ctx: ctx, tx: tx, pack: d.store.pack, statements: map[string]*sql.Stmt{}}
	if err := fn(w); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// A writer is an advisory.Writer within a transaction.
type writer struct {
	ctx        context.Context //nolint:containedctx // of the transaction
	tx         *sql.Tx
	pack       *zstd.Encoder
	statements map[string]*sql.Stmt
}

// statement returns one that is prepared, for as long as the transaction lasts.
func (w *writer) statement(q string) (*sql.Stmt, error) {
	if s := w.statements[q]; s != nil {
		return s, nil
	}
	s, err := w.tx.PrepareContext(w.ctx, q)
	if err == nil {
		w.statements[q] = s
	}
	return s, err
}

func (w *writer) exec(q string, args ...any) error {
	s, err := w.statement(q)
	if err != nil {
		return err
	}
	_, err = s.ExecContext(w.ctx, args...)
	return err
}

// Clear implements advisory.Writer.
func (w *writer) Clear(source string) error {
	switch source {
	case advisory.Exploited:
		return w.exec(`DELETE FROM exploited`)
	case advisory.Likelihoods:
		return w.exec(`DELETE FROM likelihood`)
	}
	for _, q := range []string{
		`DELETE FROM affected WHERE advisory IN (SELECT id FROM advisory WHERE source = ?)`,
		`DELETE FROM score WHERE advisory IN (SELECT id FROM advisory WHERE source = ?)`,
		`DELETE FROM advisory WHERE source = ?`,
	} {
		if err := w.exec(q, source); err != nil {
			return err
		}
	}
	return nil
}

// Forget implements advisory.Writer.
func (w *writer) Forget(source string, ids []string) error {
	for _, id := range ids {
		for _, q := range []string{
			`DELETE FROM affected WHERE advisory = (SELECT id FROM advisory WHERE source = ? AND name = ?)`,
			`DELETE FROM score WHERE advisory = (SELECT id FROM advisory WHERE source = ? AND name = ?)`,
			`DELETE FROM advisory WHERE source = ? AND name = ?`,
		} {
			if err := w.exec(q, source, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// Put implements advisory.Writer.
func (w *writer) Put(source string, e advisory.Entry) (bool, error) {
	holds := e.Withdrawn.IsZero()
	affected := e.Affected
	e.Affected = nil
	var body []byte
	if holds {
		text, err := json.Marshal(e.Record)
		if err != nil {
			return false, fmt.Errorf("keep advisory %s: %w", e.ID, err)
		}
		body = w.pack.EncodeAll(text, nil)
	}
	s, err := w.statement(`INSERT INTO advisory (source, name, seen, body) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING id`)
	if err != nil {
		return false, err
	}
	var id int64
	err = s.QueryRowContext(w.ctx, source, e.ID, e.Seen.UnixMicro(), body).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil || !holds {
		return err == nil, err
	}
	return true, errors.Join(w.affected(id, affected), w.score(id, e))
}

// affected keeps what an advisory says of packages: one row for each.
func (w *writer) affected(id int64, all []osv.Affected) error {
	by := map[osv.Package][]osv.Affected{}
	for _, a := range all {
		p := a.Package
		a.Package = osv.Package{}
		by[p] = append(by[p], a)
	}
	for p, all := range by {
		text, err := json.Marshal(all)
		if err != nil {
			return fmt.Errorf("keep advisory: %w", err)
		}
		if err := w.exec(`INSERT INTO affected (ecosystem, package, advisory, body) VALUES (?, ?, ?, ?)`, p.Ecosystem, p.Name, id, string(text)); err != nil {
			return err
		}
	}
	return nil
}

// score keeps how severe an advisory says that its only CVE is.
func (w *writer) score(id int64, e advisory.Entry) error {
	if e.CVE == "" || len(e.Severity)+len(e.Specific.CWEs) == 0 {
		return nil
	}
	text, err := json.Marshal(score{e.Severity, e.Specific.CWEs})
	if err != nil {
		return fmt.Errorf("keep score: %w", err)
	}
	return w.exec(`INSERT INTO score (cve, advisory, body) VALUES (?, ?, ?)`, e.CVE, id, string(text))
}

// Exploit implements advisory.Writer.
func (w *writer) Exploit(cve, since string) error {
	return w.exec(`INSERT INTO exploited (cve, since) VALUES (?, ?) ON CONFLICT DO NOTHING`, cve, since)
}

// Likely implements advisory.Writer.
func (w *writer) Likely(l feed.Likelihood) error {
	return w.exec(`INSERT INTO likelihood (cve, score, percentile) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, l.CVE, l.Score, l.Percentile)
}

// Note implements advisory.Writer.
func (w *writer) Note(s advisory.Source) error {
	q, args := `SELECT count(*) FROM advisory WHERE source = ? AND body IS NOT NULL`, []any{s.Name}
	switch s.Name {
	case advisory.Exploited:
		q, args = `SELECT count(*) FROM exploited`, nil
	case advisory.Likelihoods:
		q, args = `SELECT count(*) FROM likelihood`, nil
	}
	if err := w.tx.QueryRowContext(w.ctx, q, args...).Scan(&s.Records); err != nil {
		return err
	}
	return w.exec(`INSERT INTO source (name, origin, at, newest, records, malicious, mark) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (name) DO UPDATE SET origin = excluded.origin, at = excluded.at, newest = excluded.newest, records = excluded.records, malicious = excluded.malicious, mark = excluded.mark`,
		s.Name, s.Origin, s.At.UnixMicro(), s.Newest.UnixMicro(), s.Records, s.Malicious, s.Mark)
}
