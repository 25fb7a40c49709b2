package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-registry/berth/internal/app"
	"github.com/berth-registry/berth/internal/gc"
)

// errLost makes a check fail that found a loss.
var errLost = errors.New("content was lost")

func newGC(c *cli) *cobra.Command {
	return group("gc", "Collect garbage and check the storage, with the server running or not", newGCRun(c), newGCCheck(c))
}

func newGCRun(c *cli) *cobra.Command {
	var o gc.Options
	run := &cobra.Command{
		Use:   "run",
		Short: "Remove what nothing references",
		Long: "Remove the layers and other content that no manifest references, as the server\n" +
			"does by itself. What was deleted goes to the trash at once; what was sent or asked\n" +
			"for lately waits, since its manifest may be on its way. Content stays in the trash\n" +
			"for a while, where pushes find it again. Stopping it in its midst does no harm.",
		Example: "  berth gc run --dry-run --delete-untagged\n" +
			"  berth gc run --trash 0s    # when the disk is full",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.withTools(cmd, func(ctx context.Context, t *app.Tools) error {
				o := o
				for name, d := range map[string]*time.Duration{"delay": &o.Delay, "trash": &o.Trash} {
					if cmd.Flags().Changed(name) && *d <= 0 {
						*d = gc.None
					}
				}
				told := time.Now()
				r, err := t.CollectGarbage(ctx, o, func(p gc.Progress) {
					if time.Since(told) >= reports {
						told = time.Now()
						fmt.Fprintf(c.errs, "%s: %d of %d, about %s left\n", p.Step, p.Done, p.Total, p.Left.Round(time.Second))
					}
				})
				c.tellCollection(r, o)
				return err
			})
		},
	}
	flags := run.Flags()
	flags.BoolVar(&o.DryRun, "dry-run", false, "change nothing, and say what would go at least")
	flags.BoolVar(&o.DeleteUntagged, "delete-untagged", false, "delete artifacts that have no tag, no index and no subject")
	flags.IntVar(&o.Workers, "workers", 1, "how many slices of work are done at once, up to 10")
	flags.DurationVar(&o.Delay, "delay", gc.Delay, "how long to keep what was sent, asked for or untagged lately")
	flags.DurationVar(&o.Trash, "trash", gc.Trash, "how long content stays in the trash")
	return run
}

// tellCollection prints what a collection did.
func (c *cli) tellCollection(r gc.Result, o gc.Options) {
	would := ""
	if o.DryRun {
		would = "would be "
		for _, name := range r.Names {
			fmt.Fprintf(c.out, "%s\n", name)
		}
	}
	if o.DeleteUntagged {
		fmt.Fprintf(c.out, "%d untagged artifacts %sdeleted, %d kept by rules about immutable tags\n", r.Manifests, would, r.Kept)
	}
	fmt.Fprintf(c.out, "%d blobs %staken from their repositories\n", r.Links, would)
	fmt.Fprintf(c.out, "%d blobs %sput into the trash, of %d bytes\n", r.Trashed, would, r.TrashedBytes)
	fmt.Fprintf(c.out, "%d blobs %sdeleted, of %d bytes\n", r.Blobs, would, r.Bytes)
	if r.Failed > 0 {
		fmt.Fprintf(c.out, "%d blobs could not be deleted: %s\n", r.Failed, strings.Join(r.Errors, "; "))
	}
	if r.Remaining > 0 {
		fmt.Fprintf(c.out, "%d remain for the next time\n", r.Remaining)
	}
}

func newGCCheck(c *cli) *cobra.Command {
	var do gc.Repair
	check := &cobra.Command{
		Use:   "check",
		Short: "Compare the storage with the database",
		Long: "Compare the storage with the database, both ways: content that no row leads to\n" +
			"is garbage that a crash left behind; a row without content is a loss. A loss\n" +
			"makes the command fail.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.withTools(cmd, func(ctx context.Context, t *app.Tools) error {
				do := do
				if cmd.Flags().Changed("grace") && do.Grace <= 0 {
					do.Grace = gc.None
				}
				sum, err := t.CheckStorage(ctx, do, c.tellFinding)
				if err != nil {
					return err
				}
				fmt.Fprintf(c.out, "%d rows and %d contents compared: %d lost, %d found again; %d contents of %d bytes and %d uploads without a row, %d that may be on their way; %d repaired\n",
					sum.Rows, sum.Keys, sum.Losses, sum.Back, sum.Garbage, sum.GarbageBytes, sum.Uploads, sum.Young, sum.Repaired)
				if sum.Losses > 0 {
					return errLost
				}
				return nil
			})
		},
	}
	flags := check.Flags()
	flags.BoolVar(&do.Garbage, "repair", false, "delete content that no row leads to")
	flags.BoolVar(&do.Losses, "ask-again", false, "have clients send again what is lost: it is answered as unknown until they do")
	flags.DurationVar(&do.Grace, "grace", gc.Grace, "how old content without a row must be; less than an hour only while no server runs")
	return check
}

// tellFinding prints one thing that is not as it should be.
func (c *cli) tellFinding(f gc.Finding) {
	switch {
	case f.Loss != nil:
		state := "is not there"
		if f.Loss.Found >= 0 {
			state = fmt.Sprintf("has %d bytes", f.Loss.Found)
		}
		fmt.Fprintf(c.out, "lost: %s of %d bytes %s (%s)\n", f.Loss.Digest, f.Loss.Size, state, f.Loss.Key)
		for _, name := range f.Loss.Repositories {
			fmt.Fprintf(c.out, "  in %s\n", name)
		}
		for _, name := range f.Loss.Artifacts {
			fmt.Fprintf(c.out, "  needed by %s\n", name)
		}
	case f.Back != nil:
		fmt.Fprintf(c.out, "found again: %s\n", f.Back.Digest)
	case f.Garbage != "":
		fmt.Fprintf(c.out, "garbage: %s\n", f.Garbage)
	default:
		fmt.Fprintf(c.out, "unfinished, of no upload: %s\n", f.Upload)
	}
}
