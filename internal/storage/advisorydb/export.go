package advisorydb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"

	"github.com/berth-registry/berth/internal/advisory"
	"github.com/berth-registry/berth/internal/osv"
)

// Export implements advisory.Store.
func (s *Store) Export(ctx context.Context, w io.Writer) (err error) {
	r, err := s.Open(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	f, err := os.Open(s.path(dbName(r.Generation())))
	if err != nil {
		return fmt.Errorf("export advisories: %w", err)
	}
	defer f.Close()
	z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return fmt.Errorf("export advisories: %w", err)
	}
	if _, err := io.Copy(z, during{ctx, f}); err != nil {
		return errors.Join(fmt.Errorf("export advisories: %w", err), z.Close())
	}
	return z.Close()
}

// Import implements advisory.Store.
func (s *Store) Import(ctx context.Context, r io.Reader) (advisory.Generation, error) {
	return s.publish(func(path string) (bool, error) {
		if err := s.receive(ctx, path, r); err != nil {
			return false, err
		}
		err := s.verify(ctx, path)
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		return err == nil, err
	})
}

// receive unpacks to a file.
func (s *Store) receive(ctx context.Context, path string, r io.Reader) error {
	z, err := zstd.NewReader(during{ctx, r}, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(128<<20))
	if err != nil {
		return damaged(err)
	}
	defer z.Close()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("import advisories: %w", err)
	}
	in := &source{Reader: io.LimitReader(z, s.limits.imported+1)}
	n, err := io.Copy(f, in)
	err = errors.Join(err, f.Close())
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case in.err != nil:
		return damaged(in.err)
	case err != nil:
		return fmt.Errorf("import advisories: %w", err)
	case n > s.limits.imported:
		return advisory.ErrDamaged.With("it has more than %d bytes", s.limits.imported)
	}
	return nil
}

// A source remembers its own failure, which is not that of who reads.
type source struct {
	io.Reader

	err error
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// during is a reader that ends with its context.
type during struct {
	context.Context //nolint:containedctx // of whoever reads
	io.Reader
}

// Read implements io.Reader.
func (d during) Read(p []byte) (int, error) {
	if err := d.Err(); err != nil {
		return 0, err
	}
	return d.Reader.Read(p)
}

// verify looks at all of a file that came from elsewhere: that SQLite can read it,
// that it has the tables it should and nothing else, and that each record in them
// is one that would have been kept.
func (s *Store) verify(ctx context.Context, path string) (err error) {
	pool, err := connect(path, reading, 2)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	if err := isOurs(ctx, pool); err != nil {
		return damaged(err)
	}
	var sound string
	if err := pool.QueryRowContext(ctx, `PRAGMA integrity_check(1)`).Scan(&sound); err != nil || sound != "ok" {
		return damaged(errors.Join(fmt.Errorf("integrity check: %s", sound), err))
	}
	r := &reader{generation: &generation{store: s, pool: pool}}
	if err := errors.Join(r.verifyRecords(ctx), r.verifyLists(ctx)); err != nil {
		return damaged(err)
	}
	return nil
}

// verifyRecords looks at all advisories with what is affected.
func (r *reader) verifyRecords(ctx context.Context) error {
	var last int64
	var record osv.Record
	err := r.each(ctx, `SELECT f.advisory, a.name, a.body, f.ecosystem, f.package, f.body
		FROM affected f LEFT JOIN advisory a ON a.id = f.advisory ORDER BY f.advisory`, nil, func(scan func(...any) error) error {
		var id int64
		var name string
		var body, affected []byte
		var p osv.Package
		if err := scan(&id, &name, &body, &p.Ecosystem, &p.Name, &affected); err != nil {
			return err
		}
		if id != last {
			if err := asKept(record); err != nil {
				return err
			}
			last, record = id, osv.Record{}
			if err := unpack(r.store.unpack, body, &record); err != nil {
				return err
			}
		}
		if record.ID != name {
			return fmt.Errorf("advisory %.80q says that it is %.80q", name, record.ID)
		}
		more, err := readAffected(affected, p)
		record.Affected = append(record.Affected, more...)
		return err
	})
	return errors.Join(err, asKept(record))
}

// asKept returns an error where a record is not one that an update would keep.
func asKept(r osv.Record) error {
	if r.ID == "" {
		return nil
	}
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	again, err := osv.Parse(text)
	if err == nil && len(again.Affected) != len(r.Affected) {
		err = fmt.Errorf("advisory %s is not as it would be kept", r.ID)
	}
	return err
}

// verifyLists looks at what there is besides.
func (r *reader) verifyLists(ctx context.Context) error {
	_, err := r.Sources(ctx)
	return errors.Join(err,
		r.each(ctx, `SELECT body FROM score`, nil, func(scan func(...any) error) error {
			var body []byte
			return errors.Join(scan(&body), json.Unmarshal(body, &score{}))
		}),
		r.each(ctx, `SELECT cve FROM exploited WHERE since NOT GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'
			UNION ALL SELECT cve FROM likelihood WHERE NOT (score BETWEEN 0 AND 1 AND percentile BETWEEN 0 AND 1)`, nil, func(scan func(...any) error) error {
			var cve string
			return errors.Join(scan(&cve), fmt.Errorf("what is said of %.80q cannot be", cve))
		}))
}
