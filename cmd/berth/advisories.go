package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-registry/berth/internal/advisory"
	"github.com/berth-registry/berth/internal/app"
	"github.com/berth-registry/berth/internal/intake"
)

func newAdvisories(c *cli) *cobra.Command {
	return group("advisories", "Look after what is known of vulnerabilities, with the server running or not",
		newAdvisoriesUpdate(c), newAdvisoriesStatus(c), newAdvisoriesImport(c), newAdvisoriesExport(c))
}

func newAdvisoriesUpdate(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "update",
		Short: "Bring the advisories up to date",
		Long: "Bring the advisories up to date from where the configuration says that they come\n" +
			"from (advisories.source), as the server does daily. A source that fails stays as\n" +
			"it was. Stopping it in its midst does no harm.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.withTools(cmd, func(ctx context.Context, t *app.Tools) error {
				r, err := t.UpdateAdvisories(ctx, c.progress())
				c.tellIntake(r)
				return err
			})
		},
	}
}

// progress returns what says how far an update is.
func (c *cli) progress() func(advisory.Progress) {
	var told time.Time
	var last advisory.Progress
	return func(p advisory.Progress) {
		if p.Source == last.Source && p.Message == last.Message && time.Since(told) < reports {
			return
		}
		told, last = time.Now(), p
		line := p.Source + ": " + p.Message
		switch {
		case p.Total > 0:
			line += fmt.Sprintf(", %d of %d records", p.Done, p.Total)
		case p.Done > 0:
			line += fmt.Sprintf(", %d records", p.Done)
		}
		fmt.Fprintln(c.errs, line)
	}
}

// tellIntake prints what an update or an import came to.
func (c *cli) tellIntake(r intake.Result) {
	for _, o := range r.Outcomes {
		if o.Error != "" {
			fmt.Fprintf(c.out, "%s: failed: %s\n", o.Source, o.Error)
			continue
		}
		fmt.Fprintf(c.out, "%s: %d records changed, %d could not be read\n", o.Source, o.Changed, o.Skipped)
		for _, note := range o.Notes {
			fmt.Fprintf(c.out, "  %s\n", note)
		}
	}
	if r.Generation != 0 {
		what := "nothing is new; the advisories are those of"
		if r.New {
			what = "the advisories are now those of"
		}
		fmt.Fprintf(c.out, "%s %s\n", what, published(r.Generation))
	}
}

func published(g advisory.Generation) string { return g.Published().UTC().Format(time.RFC3339) }

func newAdvisoriesStatus(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Say what there is, and what the last update came to",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.withTools(cmd, func(ctx context.Context, t *app.Tools) error {
				st, err := t.AdvisoryStatus(ctx)
				if err != nil {
					return err
				}
				return c.tellStatus(st)
			})
		},
	}
}

func (c *cli) tellStatus(st advisory.Status) error {
	if st.Generation == 0 {
		fmt.Fprintln(c.out, `there are no advisories yet; "berth advisories update" or "import FILE" brings some`)
	} else {
		fmt.Fprintf(c.out, "the advisories are those of %s\n", published(st.Generation))
	}
	for _, s := range st.Sources {
		line := fmt.Sprintf("%-28s %8d records", s.Name, s.Records)
		if !s.At.IsZero() {
			line += ", changed " + s.At.UTC().Format(time.RFC3339)
		}
		if !s.Outcome.At.IsZero() {
			line += ", looked at " + s.Outcome.At.UTC().Format(time.RFC3339)
		}
		if s.Outcome.Error != "" {
			line += "\n  failed: " + s.Outcome.Error
		}
		if _, err := fmt.Fprintln(c.out, line); err != nil {
			return err
		}
	}
	return nil
}

func newAdvisoriesImport(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "import FILE",
		Short: `Take advisories from a file ("-" for the standard input)`,
		Long: "Take advisories from a file: from one that \"berth advisories export\" wrote, in place\n" +
			"of all that is here; or from a tar or zip archive with ECOSYSTEM/all.zip in it, as\n" +
			"OSV publishes them, in place of these ecosystems. A file that is damaged changes\n" +
			"nothing.",
		Example: "  berth advisories import advisories.zst",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withTools(cmd, func(ctx context.Context, t *app.Tools) error {
				file := io.NopCloser(c.in)
				if args[0] != "-" {
					var err error
					if file, err = os.Open(args[0]); err != nil {
						return err
					}
				}
				defer file.Close()
				r, err := t.ImportAdvisories(ctx, filepath.Base(args[0]), file, c.progress())
				c.tellIntake(r)
				return err
			})
		},
	}
}

func newAdvisoriesExport(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "export FILE",
		Short: `Write all advisories into one file ("-" for the standard output)`,
		Long: "Write all advisories into one file, which \"berth advisories import\" takes: for\n" +
			"servers that reach nothing.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withTools(cmd, func(ctx context.Context, t *app.Tools) error {
				if args[0] == "-" {
					return t.ExportAdvisories(ctx, c.out)
				}
				return replaceFile(args[0], func(w io.Writer) error { return t.ExportAdvisories(ctx, w) })
			})
		},
	}
}

// replaceFile writes a file, which is there only when it is complete.
func replaceFile(path string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".berth-*")
	if err != nil {
		return err
	}
	err = write(f)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}
