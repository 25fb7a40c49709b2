package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"
)

// Limits of an import.
const (
	importRequest = 10 * time.Minute // one request; a slow line may take minutes for the largest chart
	importTries   = 6                // of a request, where the server is busy
	importWait    = time.Minute      // between two of them, at most
	importPause   = 5 * time.Second  // where the server does not say how long to wait
	maxAnswer     = 1 << 20          // bytes of another answer
)

var (
	// errLeft makes an import fail that left charts behind.
	errLeft = errors.New("some charts were not brought in; see above")
	// errNoProject is returned for the index of a project that is not there, which
	// looks the same as one that the user may not read.
	errNoProject = errors.New("project not found")
)

func newImport(c *cli) *cobra.Command {
	return group("import", "Bring in what is kept elsewhere, into a server that runs", newImportChartMuseum(c))
}

// importOptions are what an import is told.
type importOptions struct {
	server, user, ca, project  string
	password                   bool
	dryRun, createAll, replace bool
}

func newImportChartMuseum(c *cli) *cobra.Command {
	var o importOptions
	imp := &cobra.Command{
		Use:   "chartmuseum DIR",
		Short: "Upload the Helm charts of a folder of ChartMuseum",
		Long: "Upload the Helm charts that ChartMuseum keeps in a folder, with their provenance\n" +
			"files, the oldest first. A chart in DIR/team goes to the project \"team\", as Harbor\n" +
			"has it; charts in DIR itself go to the project that --project names. What is there\n" +
			"already is passed over, so that an import can be stopped and run again.\n\n" +
			"The exit code is 1 if a chart was not brought in: the output says which, and why.",
		Example: "  berth import chartmuseum /data/chart_storage --server https://registry.example.org \\\n" +
			"    --user admin --password-stdin --create-projects --dry-run < password",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			server, err := c.chartServer(cmd, o)
			if err != nil {
				return err
			}
			root, err := os.OpenRoot(args[0])
			if err != nil {
				return err
			}
			defer root.Close()
			found, err := findCharts(root.FS(), o.project)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			m := &chartImport{cli: c, o: o, server: server, found: found, there: map[string]digests{}}
			return m.run(cmd.Context())
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
	}
	flags := imp.Flags()
	flags.StringVar(&o.server, "server", "", "the server: https://registry.example.org (default: external_url of the configuration)")
	flags.StringVar(&o.user, "user", "", "the user or robot to sign in as")
	flags.BoolVar(&o.password, "password-stdin", false, "read the password from the first line of the standard input")
	flags.StringVar(&o.ca, "ca-file", "", "PEM file with certificates to trust besides the system's")
	flags.StringVar(&o.project, "project", "", "the project of charts in DIR itself, or the only one of its folders to take")
	flags.BoolVar(&o.dryRun, "dry-run", false, "change nothing, and say what would be done")
	flags.BoolVar(&o.createAll, "create-projects", false, "make the projects that are missing, as private ones")
	flags.BoolVar(&o.replace, "force", false, "replace what is there under the same version with other content")
	must(imp.MarkFlagFilename("ca-file"))
	must(imp.RegisterFlagCompletionFunc("project", func(_ *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
		if len(args) == 1 {
			entries, _ := os.ReadDir(args[0]) // a shell's completion is no place for complaints
			for _, e := range entries {
				if e.IsDir() {
					names = append(names, e.Name())
				}
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}))
	return imp
}

// digests are those of the archives that a project has, by chart and version.
type digests map[[2]string]string

// A chartImport is one import on its way.
type chartImport struct {
	cli    *cli
	o      importOptions
	server *chartServer
	found  *chartFolder
	there  map[string]digests // project -> what it has, and gets

	uploaded, replaced, signed, present, conflicts, refused int
}

func (m *chartImport) run(ctx context.Context) error {
	if err := m.prepare(ctx); err != nil {
		return err
	}
	for _, name := range m.found.strays {
		m.tell("provenance without a chart", name)
	}
	for _, r := range m.found.refused {
		m.refuse(r[0], r[1])
	}
	err := m.bringAll(ctx)
	m.tellSum()
	if err == nil && m.conflicts+m.refused > 0 {
		err = errLeft
	}
	return err
}

// prepare asks what is there, and makes the projects that are not.
func (m *chartImport) prepare(ctx context.Context) error {
	var missing []string
	for _, f := range m.found.charts {
		if _, asked := m.there[f.project]; asked {
			continue
		}
		there, err := m.server.index(ctx, f.project)
		if errors.Is(err, errNoProject) {
			missing, err = append(missing, f.project), nil
		}
		if err != nil {
			return err
		}
		m.there[f.project] = there
	}
	slices.Sort(missing)
	if len(missing) > 0 && !m.o.createAll {
		return fmt.Errorf("there is no project %s, or none that %s may read: make what is missing, or let --create-projects do it", strings.Join(missing, ", "), m.o.user)
	}
	for _, project := range missing {
		if m.o.dryRun {
			m.tell("would be made", "project "+project)
		} else if err := m.server.createProject(ctx, project); err != nil {
			return err
		}
	}
	return nil
}

func (m *chartImport) bringAll(ctx context.Context) error {
	start := time.Now()
	told, total := start, len(m.found.charts)
	for done, f := range m.found.charts {
		if time.Since(told) >= reports {
			told = time.Now()
			left := time.Since(start) / time.Duration(max(done, 1)) * time.Duration(total-done)
			fmt.Fprintf(m.cli.errs, "charts: %d of %d, about %s left\n", done, total, left.Round(time.Second))
		}
		if err := m.bring(ctx, f); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return nil
}

// bring brings in one chart. An error ends the import.
func (m *chartImport) bring(ctx context.Context, f chartFile) error {
	p, err := m.found.read(f)
	if err != nil {
		m.refuse(f.name, err.Error())
		return nil
	}
	there := m.there[f.project]
	key := [2]string{p.name, p.version}
	digest, known := there[key]
	switch {
	case digest == p.digest:
		return m.sign(ctx, f, p)
	case known && !m.o.replace:
		m.conflict(f, p)
		return nil
	case m.o.dryRun && known:
		m.tell("would be replaced", f.name, p.name, p.version)
	case m.o.dryRun:
		m.tell("would be uploaded", f.name, p.name, p.version)
	default:
		a, err := m.server.upload(ctx, f.project, p, m.o.replace)
		switch {
		case err != nil:
			return err
		case a.status == http.StatusConflict:
			m.conflict(f, p)
			return nil
		case a.status != http.StatusCreated:
			m.refuse(f.name, a.reason())
			return nil
		}
	}
	there[key] = p.digest
	m.uploaded++
	if known {
		m.replaced++
	}
	return nil
}

// sign adds the provenance file of a chart that is there without one.
func (m *chartImport) sign(ctx context.Context, f chartFile, p packedChart) error {
	add := false
	if f.provenance {
		signed, err := m.server.signed(ctx, f.project, p)
		if err != nil {
			return err
		}
		add = !signed
	}
	switch {
	case !add && m.o.dryRun:
		m.tell("is there", f.name, p.name, p.version)
	case add && m.o.dryRun:
		m.tell("would get its provenance", f.name, p.name, p.version)
	case add:
		a, err := m.server.sign(ctx, f.project, p)
		if err != nil {
			return err
		}
		if a.status != http.StatusCreated {
			m.refuse(f.name+".prov", a.reason())
			return nil
		}
	}
	m.present++
	if add {
		m.signed++
	}
	return nil
}

func (m *chartImport) conflict(f chartFile, p packedChart) {
	m.conflicts++
	m.tell("conflict", f.name, p.name, p.version, "is there with other content")
}

func (m *chartImport) refuse(name, why string) {
	m.refused++
	m.tell("refused", name, why)
}

// tell prints what happens to a file. What files say of themselves cannot move a
// terminal's cursor.
func (m *chartImport) tell(what, name string, more ...string) {
	line := what + ": " + name
	if len(more) > 0 {
		line += ": " + strings.Join(more, " ")
	}
	fmt.Fprintln(m.cli.out, strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, line))
}

func (m *chartImport) tellSum() {
	would := ""
	if m.o.dryRun {
		would = "would be "
	}
	fmt.Fprintf(m.cli.out, "%d charts %suploaded, %d of them in place of others; %d are there, and %d of them %sgiven provenance; %d conflicts; %d refused\n",
		m.uploaded, would, m.replaced, m.present, m.signed, would, m.conflicts, m.refused)
}
