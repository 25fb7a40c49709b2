package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-registry/berth/internal/app"
)

// errUnwell is the answer of a doctor who found something.
var errUnwell = errors.New("something is wrong; see above")

func newDoctor(c *cli) *cobra.Command {
	var asJSON bool
	doctor := &cobra.Command{
		Use:   "doctor",
		Short: "Check that the server can run here, and that it does",
		Long: "Check the configuration, the data folder, the database, the blob store, the\n" +
			"clock, the keys and the addresses. The exit code is 1 if anything fails.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			findings := c.examine(cmd)
			if err := c.report(findings, asJSON); err != nil {
				return err
			}
			for _, f := range findings {
				if f.Status == app.Fail {
					return errUnwell
				}
			}
			return nil
		},
	}
	doctor.Flags().BoolVar(&asJSON, "json", false, "print the findings as JSON")
	return withAddresses(doctor)
}

// examine returns what is found. A configuration that cannot be read is a
// finding, and the only one.
func (c *cli) examine(cmd *cobra.Command) []app.Finding {
	s, err := c.settings(cmd)
	if err != nil {
		return []app.Finding{{Check: "configuration", Status: app.Fail, Message: err.Error(),
			Advice: "correct the flags, the BERTH_ variables or the configuration file"}}
	}
	s.Log = s.logger(c.errs)
	ok := app.Finding{Check: "configuration", Status: app.OK, Message: fmt.Sprintf("it can be read; values that are no defaults: %d", len(s.origins))}
	return append([]app.Finding{ok}, app.Examine(cmd.Context(), s.Config)...)
}

func (c *cli) report(findings []app.Finding, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(c.out)
		enc.SetIndent("", "  ")
		return enc.Encode(findings)
	}
	below := "\n" + strings.Repeat(" ", 21)
	for _, f := range findings {
		text := f.Message // of several lines where several things are wrong
		if f.Advice != "" {
			text += "\n-> " + f.Advice
		}
		if _, err := fmt.Fprintf(c.out, "%-5s %-14s %s\n", f.Status, f.Check, strings.ReplaceAll(text, "\n", below)); err != nil {
			return err
		}
	}
	return nil
}
