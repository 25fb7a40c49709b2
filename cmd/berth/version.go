package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/berth-registry/berth/internal/app"
)

// number and commit are set by the linker of a release. Without it, what the
// compiler noted of the checkout is told.
var number, commit string

func newVersion(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		Run: func(*cobra.Command, []string) {
			v := version()
			fmt.Fprintf(c.out, "berth %s\ncommit   %s\ngo       %s\nplatform %s/%s\n", v.Number, v.Commit, v.Go, runtime.GOOS, runtime.GOARCH)
		},
	}
}

// version returns what is running.
func version() app.Version {
	v := app.Version{Number: number, Commit: commit, Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if ok && v.Number == "" && info.Main.Version != "(devel)" {
		v.Number = info.Main.Version
	}
	if ok && v.Commit == "" {
		v.Commit = revision(info.Settings)
	}
	if v.Number == "" {
		v.Number = "devel"
	}
	if v.Commit == "" {
		v.Commit = "unknown"
	}
	return v
}

func revision(settings []debug.BuildSetting) (commit string) {
	modified := ""
	for _, s := range settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = "+changes"
		}
	}
	if commit == "" {
		return ""
	}
	return commit + modified
}
