package robot

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/secret"
)

const (
	// ScanLife is how long a robot lives that is made for a scan, where nobody ends it
	// before: longer than one attempt of a scan takes.
	ScanLife = 40 * time.Minute
	// ScanSweepEvery is how often ExpireScans is to be called.
	ScanSweepEvery = 10 * time.Minute

	scanSweep = 100 // robots in one transaction
)

// ForScan makes a robot with which a scanner pulls from one repository, named in
// full, and nothing else, and draws its secret. It belongs to the repository's
// project, is in no list, and tells nothing to the audit log. Whoever has it made
// calls EndScan; it lives for ScanLife at most. It returns ErrProjectUnknown.
func (s *Service) ForScan(ctx context.Context, project, repository string) (Robot, secret.Text, error) {
	prefix, err := s.Prefix(ctx)
	if err != nil {
		return Robot{}, secret.Text{}, err
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	return s.keep(ctx, Robot{
		Project: project, Name: project + "+scanner-" + strings.ToLower(rand.Text()), Prefix: prefix, Level: LevelScan,
		Permissions: []access.Permission{{
			Kind: access.KindProject, Namespace: project, Repository: repository, Access: []access.Action{access.ScannerPull},
		}},
		Duration: 1, Expires: now.Add(ScanLife), CreatorKind: CreatorUser, Created: now, Updated: now,
	}, event.Actor{})
}

// EndScan ends a robot that ForScan has made: its secret and its tokens open nothing
// any more. One that is gone already is no error.
func (s *Service) EndScan(ctx context.Context, id int64) error {
	return s.done(s.store.EndScan(ctx, id))
}

// ExpireScans ends the robots of scans that a crash has left and that have expired.
func (s *Service) ExpireScans(ctx context.Context) error {
	for {
		n, err := s.store.ExpireScans(ctx, time.Now(), scanSweep)
		if err != nil {
			return fmt.Errorf("robots of scans: %w", err)
		}
		if n < scanSweep {
			return nil
		}
	}
}

// Caller returns the robot as one who calls.
func (r Robot) Caller() access.Caller {
	return access.Caller{Kind: access.Robot, ID: r.ID, Name: r.Login(), ProjectID: r.ProjectID, Permissions: r.Permissions}
}
