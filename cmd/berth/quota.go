package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/berth-registry/berth/internal/app"
	"github.com/berth-registry/berth/internal/quota"
)

func newQuota(c *cli) *cobra.Command {
	return group("quota", "Look after the projects' quotas, with the server running or not", newQuotaRecalculate(c))
}

func newQuotaRecalculate(c *cli) *cobra.Command {
	var dry bool
	recalculate := &cobra.Command{
		Use:   "recalculate [PROJECT...]",
		Short: "Count anew what projects use, all or some",
		Long: "Count anew what projects use of what they may store. Every push and every\n" +
			"deletion keeps the count, so that nothing should be found; what is found is\n" +
			"corrected, and worth a report.",
		RunE: func(cmd *cobra.Command, projects []string) error {
			return c.withTools(cmd, func(ctx context.Context, t *app.Tools) error {
				w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
				fmt.Fprintln(w, "PROJECT\tBYTES\tWERE\tWRONG")
				err := t.RecalculateQuotas(ctx, projects, dry, func(d quota.Drift) {
					fmt.Fprintf(w, "%s\t%d\t%d\t%d\n", d.Project, d.True, d.Kept, d.Wrong)
				})
				if err != nil {
					return err
				}
				return w.Flush()
			})
		},
	}
	recalculate.Flags().BoolVar(&dry, "dry-run", false, "compare, and correct nothing")
	return recalculate
}
