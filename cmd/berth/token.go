package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/berth-registry/berth/internal/app"
)

func newToken(c *cli) *cobra.Command {
	return group("token", "Look after what registry tokens are signed with, with the server running or not",
		&cobra.Command{
			Use:   "cert",
			Short: "Print the certificates that registry tokens are verified with",
			Long: "Print the certificates, in PEM, that registry tokens are verified with. Another\n" +
				"registry that has them in its auth.token.rootcertbundle accepts this server's\n" +
				"tokens, and goes on doing so when signing keys change.",
			Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return c.withTools(cmd, func(ctx context.Context, t *app.Tools) error {
					bundle, err := t.Bundle(ctx)
					if err != nil {
						return err
					}
					_, err = c.out.Write(bundle)
					return err
				})
			},
		},
		&cobra.Command{
			Use:   "rotate",
			Short: "Sign registry tokens with a new key from now on; those in use stay good",
			Args:  cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return c.withTools(cmd, func(ctx context.Context, t *app.Tools) error {
					if err := t.Rotate(ctx); err != nil {
						return err
					}
					_, err := fmt.Fprintln(c.out, "Tokens are signed with a new key from now on.")
					return err
				})
			},
		},
	)
}
