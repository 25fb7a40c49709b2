package scan

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/adapter"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/robot"
	"github.com/berth-registry/berth/internal/sbom"
	"github.com/berth-registry/berth/internal/secret"
)

// endWithin bounds the time in which a robot is ended, also where its scan was stopped.
const endWithin = 10 * time.Second

// Robots makes and ends the accounts with which scanners pull; robot.Service does.
type Robots interface {
	ForScan(ctx context.Context, project, repository string) (robot.Robot, secret.Text, error)
	EndScan(ctx context.Context, id int64) error
}

// External is the Scanner that is a program of its own. For each examination it gets a
// robot that may pull from the image's repository and nothing else, which is ended
// with the examination, however that ends.
type External struct {
	Connect  func() (*adapter.Client, error)
	Robots   Robots
	Token    func(ctx context.Context, c access.Caller, repository string) (secret.Text, error) // to pull with
	Registry string                                                                             // URL by which the scanner reaches this one
}

var _ Scanner = (*External)(nil)

// Scan implements Scanner.
func (e *External) Scan(ctx context.Context, s Subject, log Log) (r finding.Report, err error) {
	err = e.examine(ctx, s, adapter.Vulnerabilities, log, func(c *adapter.Client, id string, q adapter.Request) (err error) {
		r, err = c.Report(ctx, id, q)
		return err
	})
	return r, err
}

// Again implements Scanner: what the scanner knows by now, only it can tell.
func (e *External) Again(context.Context, Subject, Log) (r finding.Report, known bool, err error) {
	return r, false, nil
}

// Generation implements Scanner: neither can what it knows be told apart.
func (e *External) Generation(context.Context) (int64, error) { return 0, nil }

// SBOM implements Scanner. The only format is adapter.SPDX.
func (e *External) SBOM(ctx context.Context, s Subject, f sbom.Format, log Log) (document []byte, err error) {
	if f != adapter.SPDX {
		return nil, ErrUnsupported.With("scanners are asked for %s alone", adapter.SPDX)
	}
	err = e.examine(ctx, s, adapter.SBOM, log, func(c *adapter.Client, id string, q adapter.Request) error {
		bill, err := c.SBOM(ctx, id, q)
		document = bill.Document
		return err
	})
	return document, err
}

// SBOMAgain implements Scanner: nothing is kept of what the scanner saw.
func (e *External) SBOMAgain(context.Context, Subject, sbom.Format, time.Time) (document []byte, known bool, err error) {
	return nil, false, nil
}

// examine has the scanner begin, and reads what comes of it.
func (e *External) examine(ctx context.Context, s Subject, k adapter.Kind, log Log, read func(*adapter.Client, string, adapter.Request) error) error {
	c, err := e.Connect()
	if err != nil {
		return err
	}
	defer c.Close()
	m, err := c.Metadata(ctx)
	if err != nil {
		return lasting(err)
	}
	report, can := m.Report(k, s.MediaType)
	if !can {
		return ErrUnsupported.With("%s makes no report of type %s of %s", m.Scanner.Name, k, s.MediaType)
	}
	who, password, err := e.Robots.ForScan(ctx, s.Where().Project, s.Name)
	if err != nil {
		return fmt.Errorf("the scanner's robot: %w", err)
	}
	defer e.end(ctx, who, log)
	authorization, err := e.authorize(ctx, who, password, m.WantsBearer(), s.Name)
	if err != nil {
		return fmt.Errorf("the scanner's token: %w", err)
	}
	q := requestOf(s, k, report)
	q.Registry = adapter.Registry{URL: e.Registry, Authorization: authorization}
	id, err := c.Scan(ctx, q)
	if err == nil {
		log("it is asked to pull from %s as %s", e.Registry, who.Login())
		err = forgotten(read(c, id, q))
	}
	return silent(lasting(err), password, authorization)
}

// requestOf asks for a report of an image.
func requestOf(s Subject, k adapter.Kind, report string) adapter.Request {
	q := adapter.Request{Kind: k, Report: report, Artifact: adapter.Artifact{
		Repository: s.Name, Digest: s.Digest, MediaType: s.MediaType, Size: int64(len(s.Body)),
	}}
	if len(s.Tags) > 0 {
		q.Artifact.Tag = s.Tags[0]
	}
	return q
}

// authorize returns the header with which a scanner pulls.
func (e *External) authorize(ctx context.Context, who robot.Robot, password secret.Text, bearer bool, repository string) (secret.Text, error) {
	if !bearer {
		return secret.New("Basic " + base64.StdEncoding.EncodeToString([]byte(who.Login()+":"+password.Reveal()))), nil
	}
	token, err := e.Token(ctx, who.Caller(), repository)
	return secret.New("Bearer " + token.Reveal()), err
}

// end ends a robot. One that cannot be lives until it expires.
func (e *External) end(ctx context.Context, who robot.Robot, log Log) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endWithin)
	defer cancel()
	if err := e.Robots.EndScan(ctx, who.ID); err != nil {
		log("%s is not ended before it expires: %v", who.Login(), err)
	}
}

// forgotten turns what a scanner says that has lost a scan, as with a restart, into
// what trying again mends.
func forgotten(err error) error {
	if errors.Is(err, adapter.ErrNotFound) {
		return adapter.ErrFailed.With("it does not know the scan any more")
	}
	return err
}

// lasting marks what a scanner does wrong by nature: it would do so again.
func lasting(err error) error {
	if errors.Is(err, adapter.ErrAnswer) {
		return job.Permanent(err)
	}
	return err
}

// silent returns an error without secrets, which a scanner may have said again.
func silent(err error, password, authorization secret.Text) error {
	var f *fault.Fault
	if !errors.As(err, &f) {
		return err
	}
	_, bare, _ := strings.Cut(authorization.Reveal(), " ")
	told := strings.NewReplacer(bare, "…", password.Reveal(), "…").Replace(f.Message)
	if told == f.Message {
		return err
	}
	again := error(f.Saying("%s", told).Because(nil))
	if job.IsPermanent(err) {
		again = job.Permanent(again)
	}
	return again
}
