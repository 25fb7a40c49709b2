package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/berth-registry/berth/internal/adapter"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/query"
	scanners "github.com/berth-registry/berth/internal/scanner"
	"github.com/berth-registry/berth/internal/storage/db"
)

// Scanners keeps which scanners there are. It is a scanner.Store.
type Scanners struct{ db *db.DB }

// NewScanners returns the scanners in d.
func NewScanners(d *db.DB) *Scanners { return &Scanners{d} }

const (
	// theDefault is the id of the default: the system's choice is kept as that of the
	// project 0.
	theDefault = `COALESCE((SELECT scanner_id FROM scanner_choice WHERE project_id = 0), '` + scanners.BuiltinID + `')`

	scannerOnly   = `id, name, description, url, auth, sealed, skip_verify, internal, disabled, metadata, healthy, health_message, version, created, updated, checked`
	scannerFields = scannerOnly + `, id = ` + theDefault
)

var scannerListing = listing{
	fields: scannerFields,
	from:   `scanner`,
	columns: map[string]column{
		"uuid":              {"id", text},
		"name":              {"name", text},
		"description":       {"description", text},
		"url":               {"url", text},
		"disabled":          {"disabled", flag},
		"is_default":        {"(id = " + theDefault + ")", flag},
		"skip_certVerify":   {"skip_verify", flag},
		"use_internal_addr": {"internal", flag},
		"health":            {"CASE WHEN healthy THEN 'healthy' ELSE 'unhealthy' END", text},
		"create_time":       {"created", moment},
		"update_time":       {"updated", moment},
	},
	order: []query.Sort{{Field: "create_time"}},
	id:    "id",
}

// A storedMetadata is what a scanner said of itself, as it is kept.
type storedMetadata struct {
	Name         string             `json:"name"`
	Vendor       string             `json:"vendor"`
	Version      string             `json:"version"`
	Capabilities []storedCapability `json:"capabilities"`
	Properties   map[string]string  `json:"properties"`
}

type storedCapability struct {
	Kind     adapter.Kind `json:"kind"`
	Consumes []string     `json:"consumes"`
	Produces []string     `json:"produces"`
}

func metadataText(m adapter.Metadata) (string, error) {
	kept := storedMetadata{Name: m.Scanner.Name, Vendor: m.Scanner.Vendor, Version: m.Scanner.Version, Properties: m.Properties}
	for _, c := range m.Capabilities {
		kept.Capabilities = append(kept.Capabilities, storedCapability(c))
	}
	text, err := json.Marshal(kept)
	return string(text), err
}

func metadataOf(text string) (m adapter.Metadata, err error) {
	var kept storedMetadata
	if err := json.Unmarshal([]byte(text), &kept); err != nil {
		return m, fmt.Errorf("metadata: %w", err)
	}
	m.Scanner, m.Properties = finding.Scanner{Name: kept.Name, Vendor: kept.Vendor, Version: kept.Version}, kept.Properties
	for _, c := range kept.Capabilities {
		m.Capabilities = append(m.Capabilities, adapter.Capability(c))
	}
	return m, nil
}

// scanScanner scans scannerFields, or scannerOnly for who knows which is the default.
func scanScanner[R scanner](row R, more ...any) (r scanners.Registration, err error) {
	var created, updated, checked int64
	var said string
	err = row.Scan(append([]any{&r.ID, &r.Name, &r.Description, &r.URL, &r.Auth, &r.Sealed, &r.SkipVerify, &r.Internal, &r.Disabled, &said, &r.Healthy, &r.HealthMessage, &r.Version,
		&created, &updated, &checked}, more...)...)
	if err != nil {
		return r, err
	}
	if len(r.Sealed) == 0 {
		r.Sealed = nil
	}
	r.Created, r.Updated, r.Checked = timeOf(created), timeOf(updated), timeOf(checked)
	r.Metadata, err = metadataOf(said)
	return r, err
}

func scanRegistration[R scanner](row R) (scanners.Registration, error) {
	var isDefault bool
	r, err := scanScanner(row, &isDefault)
	r.Default = isDefault
	return r, err
}

func scannerError(err error) error {
	switch {
	case errors.Is(err, db.ErrDuplicate):
		return scanners.ErrExists
	case err != nil:
		return fmt.Errorf("scanner: %w", err)
	}
	return nil
}

func noScanner(id string) error { return scanners.ErrNotFound.Saying("scanner %.64s not found", id) }

// Create implements scanner.Store.
func (s *Scanners) Create(ctx context.Context, r scanners.Registration, by event.Actor) error {
	said, err := metadataText(r.Metadata)
	if err != nil {
		return err
	}
	return scannerError(s.db.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`INSERT INTO scanner (id, name, description, url, auth, sealed, skip_verify, internal, disabled, metadata, healthy, health_message, created, updated, checked)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			r.ID, r.Name, r.Description, r.URL, r.Auth, blobOf(r.Sealed), r.SkipVerify, r.Internal, r.Disabled, said, r.Healthy, r.HealthMessage,
			r.Created.UnixMicro(), r.Updated.UnixMicro(), r.Checked.UnixMicro())
		if err != nil {
			return err
		}
		return record(tx, event.New(by, event.ScannerCreated{Scanner: event.Scanner{ID: r.ID, Name: r.Name}}))
	}))
}

// ByID implements scanner.Store.
func (s *Scanners) ByID(ctx context.Context, id string) (scanners.Registration, error) {
	r, err := scanRegistration(s.db.QueryRow(ctx, `SELECT `+scannerFields+` FROM scanner WHERE id = ?`, textID(id)))
	if errors.Is(err, db.ErrNotFound) {
		return r, noScanner(id)
	}
	return r, scannerError(err)
}

// textID returns an id that a client gave, or one of nothing where it cannot be one.
func textID(id string) string {
	if known, ok := textOf(id); ok {
		return known.(string)
	}
	return ""
}

const (
	chosenByProject  = ` FROM scanner WHERE id = COALESCE((SELECT scanner_id FROM scanner_choice WHERE project_id = ?), ` + theDefault + `)`
	scannerOfProject = `SELECT ` + scannerFields + chosenByProject
	scannerChosen    = `SELECT id` + chosenByProject
)

// OfProject implements scanner.Store.
func (s *Scanners) OfProject(ctx context.Context, projectID int64) (scanners.Registration, error) {
	r, err := scanRegistration(s.db.QueryRow(ctx, scannerOfProject, projectID))
	return r, scannerError(err)
}

// ChosenBy implements scanner.Store.
func (s *Scanners) ChosenBy(ctx context.Context, projectID int64) (id string, err error) {
	err = s.db.QueryRow(ctx, scannerChosen, projectID).Scan(&id)
	return id, scannerError(err)
}

// List implements scanner.Store.
func (s *Scanners) List(ctx context.Context, enabled bool, q query.Query) ([]scanners.Registration, int64, error) {
	which := condition{sql: "TRUE"}
	if enabled {
		which.sql = "NOT disabled"
	}
	return list(ctx, s.db, scannerListing, which, q, scanRegistration)
}

// Update implements scanner.Store.
func (s *Scanners) Update(ctx context.Context, r scanners.Registration, changed []string, by event.Actor) error {
	said, err := metadataText(r.Metadata)
	if err != nil {
		return err
	}
	return scannerError(s.db.Write(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(`UPDATE scanner SET name = ?, description = ?, url = ?, auth = ?, sealed = ?, skip_verify = ?, internal = ?, disabled = ?, metadata = ?,
			healthy = ?, health_message = ?, updated = ?, checked = ?, version = version + 1 WHERE id = ? AND version = ?`,
			r.Name, r.Description, r.URL, r.Auth, blobOf(r.Sealed), r.SkipVerify, r.Internal, r.Disabled, said,
			r.Healthy, r.HealthMessage, r.Updated.UnixMicro(), r.Checked.UnixMicro(), r.ID, r.Version)
		if err == nil && n == 0 {
			if _, err = scannerName(tx, r.ID); err == nil {
				err = scanners.ErrChanged
			}
		}
		if err != nil {
			return err
		}
		return record(tx, event.New(by, event.ScannerUpdated{Scanner: event.Scanner{ID: r.ID, Name: r.Name}, Changed: changed}))
	}))
}

func scannerName(tx *db.Tx, id string) (name string, err error) {
	err = tx.QueryRow(`SELECT name FROM scanner WHERE id = ?`, id).Scan(&name)
	if errors.Is(err, db.ErrNotFound) {
		err = noScanner(id)
	}
	return name, err
}

// Delete implements scanner.Store. Choices go by their foreign key.
func (s *Scanners) Delete(ctx context.Context, id string, by event.Actor) error {
	return scannerError(s.db.Write(ctx, func(tx *db.Tx) error {
		fact := event.Scanner{ID: id}
		err := tx.QueryRow(`DELETE FROM scanner WHERE id = ? RETURNING name`, id).Scan(&fact.Name)
		if errors.Is(err, db.ErrNotFound) {
			err = noScanner(id)
		}
		if err != nil {
			return err
		}
		return record(tx, event.New(by, event.ScannerDeleted{Scanner: fact}))
	}))
}

// MakeDefault implements scanner.Store.
func (s *Scanners) MakeDefault(ctx context.Context, id string, by event.Actor) error {
	return scannerError(s.db.Write(ctx, func(tx *db.Tx) error {
		name, err := choose(tx, 0, textID(id))
		if err != nil {
			return err
		}
		return record(tx, event.New(by, event.ScannerUpdated{Scanner: event.Scanner{ID: id, Name: name}, Changed: []string{"is_default"}}))
	}))
}

// Choose implements scanner.Store.
func (s *Scanners) Choose(ctx context.Context, projectID int64, id string, by event.Actor) error {
	return scannerError(s.db.Write(ctx, func(tx *db.Tx) error {
		where, err := holdProject(tx, projectID)
		if err == nil {
			_, err = choose(tx, projectID, textID(id))
		}
		if err != nil {
			return err
		}
		return record(tx, event.New(by, event.ProjectUpdated{Where: where, Changed: []string{"scanner"}}))
	}))
}

// choose notes whose scanner one is, unless it is disabled, and returns its name.
func choose(tx *db.Tx, projectID int64, id string) (string, error) {
	name, err := scannerName(tx, id)
	if err != nil {
		return "", err
	}
	n, err := tx.Exec(`INSERT INTO scanner_choice (project_id, scanner_id) SELECT CAST(? AS BIGINT), id FROM scanner WHERE id = ? AND NOT disabled
		ON CONFLICT (project_id) DO UPDATE SET scanner_id = excluded.scanner_id`, projectID, id)
	if err == nil && n == 0 {
		err = scanners.ErrDisabled
	}
	return name, err
}

const scannersDue = `SELECT id FROM scanner WHERE checked < ? AND id <> '` + scanners.BuiltinID + `' ORDER BY checked, id LIMIT ?`

// Claim implements scanner.Store. Where nothing is due, it writes nothing.
func (s *Scanners) Claim(ctx context.Context, before, now time.Time, n int) ([]scanners.Registration, error) {
	var any bool
	if err := s.db.QueryRow(ctx, `SELECT EXISTS (`+scannersDue+`)`, before.UnixMicro(), 1).Scan(&any); err != nil || !any {
		return nil, scannerError(err)
	}
	var due []scanners.Registration
	err := s.db.Write(ctx, func(tx *db.Tx) (err error) {
		// Whoever waited for another node's claim asks again whether it is due.
		rows, err := tx.Query(`UPDATE scanner SET checked = ? WHERE id IN (`+scannersDue+`) AND checked < ? RETURNING `+scannerOnly,
			now.UnixMicro(), before.UnixMicro(), n, before.UnixMicro())
		if err == nil {
			due, err = gather(rows, func(rows *db.Rows) (scanners.Registration, error) { return scanScanner(rows) })
		}
		return err
	})
	return due, scannerError(err)
}

// Found implements scanner.Store.
func (s *Scanners) Found(ctx context.Context, r scanners.Registration) error {
	said, err := metadataText(r.Metadata)
	if err != nil {
		return err
	}
	return scannerError(s.db.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`UPDATE scanner SET healthy = ?, health_message = ?, metadata = ?, checked = ? WHERE id = ? AND version = ?`,
			r.Healthy, r.HealthMessage, said, r.Checked.UnixMicro(), r.ID, r.Version)
		return err
	}))
}
