package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-registry/berth/internal/app"
	"github.com/berth-registry/berth/internal/audit"
)

func newAudit(c *cli) *cobra.Command {
	return group("audit", "Look after the audit log, with the server running or not", newAuditPurge(c))
}

func newAuditPurge(c *cli) *cobra.Command {
	var age, kinds string
	var dry bool
	purge := &cobra.Command{
		Use:   "purge",
		Short: "Remove old rows of the audit log",
		Long: "Remove the rows of the audit log that are older than an age, all of them or\n" +
			"those of some kinds. That it was done leaves a row of its own.",
		Example: "  berth audit purge --older-than 90d --dry-run\n" +
			"  berth audit purge --older-than 12h --kinds pull_artifact,login_user",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			old, err := parseAge(age)
			if err != nil {
				return fmt.Errorf("--older-than: %w", err)
			}
			p := audit.Purge{Before: time.Now().Add(-old), DryRun: dry}
			if kinds != "" {
				p.Kinds = strings.Split(kinds, ",")
			}
			return c.withTools(cmd, func(ctx context.Context, t *app.Tools) error {
				n, err := t.PurgeAudit(ctx, p)
				if err != nil {
					return err
				}
				verb := "were removed"
				if dry {
					verb = "would be removed"
				}
				_, err = fmt.Fprintf(c.out, "%d rows from before %s %s.\n", n, p.Before.UTC().Format(time.RFC3339), verb)
				return err
			})
		},
	}
	flags := purge.Flags()
	flags.StringVar(&age, "older-than", "", "the age: days as in 90d, or hours as in 12h")
	flags.StringVar(&kinds, "kinds", "", `kinds of rows, separated by commas; "other" is all but those of artifacts`)
	flags.BoolVar(&dry, "dry-run", false, "count, and remove nothing")
	must(purge.MarkFlagRequired("older-than"))
	must(purge.RegisterFlagCompletionFunc("kinds", func(_ *cobra.Command, _ []string, start string) ([]string, cobra.ShellCompDirective) {
		done := start[:strings.LastIndexByte(start, ',')+1]
		var words []string
		for _, kind := range append(audit.Kinds[:len(audit.Kinds):len(audit.Kinds)], audit.Others) {
			words = append(words, done+kind)
		}
		return words, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}))
	return purge
}

// must is for what only a mistake of this program makes fail.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// parseAge reads an age in days, "90d", or in hours, "12h".
func parseAge(text string) (time.Duration, error) {
	const most = 100 * 365 * 24 // hours
	unit := map[byte]int{'d': 24, 'h': 1}
	if len(text) > 1 {
		if n, err := strconv.Atoi(text[:len(text)-1]); err == nil && n >= 0 && n <= most {
			if hours := unit[text[len(text)-1]]; hours > 0 && n*hours <= most {
				return time.Duration(n*hours) * time.Hour, nil
			}
		}
	}
	return 0, errors.New("it must be a number of days or hours, such as 90d or 12h")
}
