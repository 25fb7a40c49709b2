package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/berth-registry/berth/internal/app"
)

func newOpenAPI(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "openapi",
		Short: "Print the API's OpenAPI document",
		Long:  "Prints the OpenAPI document that a server has at /api/v2.0/openapi.json, without one.",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			document, err := app.OpenAPI(version())
			if err == nil {
				_, err = fmt.Fprintf(c.out, "%s\n", document)
			}
			return err
		},
	}
}
