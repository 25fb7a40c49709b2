package adapter

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/berth-registry/berth/internal/finding"
)

// MaxReport is how many bytes a report may have as the scanner sends it.
const MaxReport = 64 << 20

// maxMissed is how often in a row a scanner that works may not answer.
const maxMissed = 3

// Report waits for the report of a scan that Scan began, for Patience at most. It may be
// called again for the same id. It returns ErrNotFound for a scan that the scanner does
// not know any more, ErrFailed where it says that the scan has failed, ErrAnswer for what
// is no whole report of the artifact, and the others that Scan returns. A single failure
// to answer ends nothing.
func (c *Client) Report(ctx context.Context, id string, q Request) (r finding.Report, err error) {
	err = c.wait(ctx, id, q, []string{finding.MediaTypeReport, finding.MediaTypeNativeReport}, func(body io.Reader) (err error) {
		r, err = readReport(body, q.Artifact.Digest)
		return err
	})
	return r, err
}

// A Bill is an SBOM as a scanner made it.
type Bill struct {
	Generated time.Time
	Scanner   finding.Scanner
	MediaType string          // SPDX
	Document  json.RawMessage // an object, as it was sent
}

// SBOM is Report for a scan of the kind SBOM.
func (c *Client) SBOM(ctx context.Context, id string, q Request) (b Bill, err error) {
	err = c.wait(ctx, id, q, []string{MediaTypeSBOM}, func(body io.Reader) (err error) {
		b, err = readBill(body, q.Artifact.Digest)
		return err
	})
	return b, err
}

// wait asks for a report until it is there.
func (c *Client) wait(ctx context.Context, id string, q Request, types []string, read func(io.Reader) error) error {
	if !isID(id) {
		return ErrNotFound.With("there is no such scan")
	}
	ctx, cancel := within(ctx, c.times.report, "the report")
	defer cancel()
	pause, missed := c.times.first, 0
	for {
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		ready, after, err := c.look(ctx, q.reportOf(id), types, read)
		switch {
		case err == nil && ready:
			return nil
		case err == nil:
			missed = 0
		case !errors.Is(err, ErrUnavailable) || ctx.Err() != nil || missed == maxMissed:
			return err
		default:
			missed++
		}
		pause = after
	}
}

// look asks for a report once, and returns when to ask again.
func (c *Client) look(ctx context.Context, q request, types []string, read func(io.Reader) error) (ready bool, after time.Duration, err error) {
	ctx, cancel := within(ctx, c.times.read, "the answer")
	defer cancel()
	answer, err := c.send(ctx, q)
	if err != nil {
		return false, c.times.again, err
	}
	defer answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusFound:
		return false, c.pause(answer.Header), nil
	case http.StatusOK:
	default:
		return false, c.pause(answer.Header), c.failure(answer)
	}
	if err := typed(answer, types...); err != nil {
		return false, 0, err
	}
	body := &bounded{from: answer.Body, left: MaxReport}
	err = read(body)
	switch {
	case body.left < 0:
		err = wrong("it has more than %d bytes", MaxReport)
	case body.err != nil:
		err = unreachable(ctx, body.err)
	}
	return err == nil, c.times.again, err
}

// pause reads when the scanner wants to be asked again.
func (c *Client) pause(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Refresh-After"))
	if err != nil || seconds <= 0 {
		return c.times.again
	}
	return min(max(time.Duration(min(seconds, 3600))*time.Second, c.times.least), c.times.most)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return unreachable(ctx, ctx.Err())
	}
}

// bounded reads at most so many bytes, and knows what ended it.
type bounded struct {
	from io.Reader
	left int64 // below 0 once there were more
	err  error // other than the end
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left < 0 || b.err != nil {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := b.from.Read(p[:min(int64(len(p)), b.left+1)])
	if b.left -= int64(n); b.left < 0 {
		return 0, io.ErrUnexpectedEOF
	}
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}
