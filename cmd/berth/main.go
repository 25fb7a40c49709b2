// Package main is the command berth. It turns flags, environment variables and
// a configuration file into an app.Config, and hands over to app.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, args, environ []string, in io.Reader, out, errs io.Writer) int {
	root := newRoot(&cli{environ: environ, in: in, out: out, errs: errs})
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(errs, "berth:", err)
		return 1
	}
	return 0
}

// reports is how often what takes long says how far it is.
const reports = 5 * time.Second

// cli is what the commands share: the world around the process.
type cli struct {
	environ   []string
	in        io.Reader
	out, errs io.Writer
}

func newRoot(c *cli) *cobra.Command {
	root := &cobra.Command{
		Use:           "berth",
		Short:         "A container registry",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	flags := root.PersistentFlags()
	flags.String("config", "", "configuration file in YAML (BERTH_CONFIG)")
	flags.String("data", "", `folder for the database and the blobs (default "data")`)
	flags.String("database", "", "sqlite:///path/to/file or postgres://user:password@host/name (default: SQLite in the data folder)")
	_ = root.MarkPersistentFlagDirname("data") // the flag exists
	_ = root.MarkPersistentFlagFilename("config", "yaml", "yml")
	root.AddCommand(newServe(c), newUser(c), newToken(c), newAudit(c), newQuota(c), newGC(c), newAdvisories(c), newImport(c), newDoctor(c), newConfig(c), newOpenAPI(c), newVersion(c))
	return root
}

// group returns a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	g := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	g.AddCommand(commands...)
	return g
}

// flagKeys maps the flags that set something to the names of their keys.
var flagKeys = map[string]string{"data": "data", "database": "database", "listen": "listen", "external-url": "external_url", "outbound-allow": "outbound_allow"}

// settings reads the configuration for a command.
func (c *cli) settings(cmd *cobra.Command) (*settings, error) {
	given := map[string]string{}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if key, ok := flagKeys[f.Name]; ok {
			given[key] = f.Value.String()
		}
	})
	file := cmd.Flag("config").Value.String()
	if file == "" {
		file = lookup(c.environ, envPrefix+"CONFIG")
	}
	return load(file, c.environ, given)
}

// lookup returns the value of a variable, the last one where it is set twice.
func lookup(environ []string, name string) (value string) {
	for _, e := range environ {
		if len(e) > len(name) && e[:len(name)] == name && e[len(name)] == '=' {
			value = e[len(name)+1:]
		}
	}
	return value
}
