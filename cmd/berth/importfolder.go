package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/berth-registry/berth/internal/chart"
	"github.com/berth-registry/berth/internal/helm"
	"github.com/berth-registry/berth/internal/oci"
)

// A chartFile is a chart in a folder of ChartMuseum's, not read yet.
type chartFile struct {
	project, name string // name is the path below the folder
	changed       time.Time
	provenance    bool // there is a provenance file beside it
}

// A chartFolder is what was found in a folder of ChartMuseum's.
type chartFolder struct {
	root    fs.FS
	found   int         // charts, also those that are refused
	charts  []chartFile // the oldest first
	refused [][2]string // names of what is not looked at, and why
	strays  []string    // provenance files without a chart
}

// findCharts looks through a folder: charts in it are of the project, charts in
// its folders are of projects that are called like these. Of several folders, a
// project chooses its own. What symbolic links lead to outside of an os.Root is
// refused.
func findCharts(root fs.FS, project string) (*chartFolder, error) {
	f := &chartFolder{root: root}
	folders, err := f.look(".", project)
	if err != nil {
		return nil, err
	}
	own := f.found
	if own > 0 && project == "" {
		return nil, errors.New("charts are in the folder itself: name their project by --project")
	}
	for _, folder := range folders {
		if own == 0 && project != "" && folder != project {
			continue
		}
		if err := f.lookBelow(folder); err != nil {
			return nil, err
		}
		if own > 0 && f.found > own {
			return nil, fmt.Errorf("charts are in the folder itself and in %s: import each folder by itself", folder)
		}
	}
	if f.found == 0 {
		return nil, errors.New("there are no charts")
	}
	slices.SortFunc(f.charts, func(a, b chartFile) int {
		return cmp.Or(a.changed.Compare(b.changed), strings.Compare(a.name, b.name))
	})
	return f, nil
}

// look takes the charts of one folder and returns the folders in it.
func (f *chartFolder) look(folder, project string) (folders []string, err error) {
	entries, err := fs.ReadDir(f.root, folder)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, e := range entries {
		names[e.Name()] = true
	}
	for _, e := range entries {
		name := path.Join(folder, e.Name())
		info, err := fs.Stat(f.root, name)
		switch archive, isProvenance := strings.CutSuffix(e.Name(), ".prov"); {
		case err == nil && info.IsDir():
			folders = append(folders, name)
		case isChart(e.Name()):
			f.found++
			if why := unfit(info, err); why != "" {
				f.refused = append(f.refused, [2]string{name, why})
				continue
			}
			f.charts = append(f.charts, chartFile{project, name, info.ModTime(), names[e.Name()+".prov"]})
		case isProvenance && isChart(archive) && !names[archive]:
			f.strays = append(f.strays, name)
		case err != nil: // it may be a folder elsewhere
			f.refused = append(f.refused, [2]string{name, err.Error()})
		}
	}
	return folders, nil
}

// lookBelow takes the charts of a project's folder, in which no folder may have
// charts.
func (f *chartFolder) lookBelow(project string) error {
	folders, err := f.look(project, project)
	if err != nil {
		return err
	}
	for _, folder := range folders {
		err := fs.WalkDir(f.root, folder, func(name string, e fs.DirEntry, err error) error {
			if err == nil && !e.IsDir() && isChart(name) {
				err = fmt.Errorf("%s is in a folder of a folder (ChartMuseum's depth 2 or more), which is no project: import its folder by itself, with --project", name)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func isChart(name string) bool { return path.Ext(name) == ".tgz" }

// unfit returns why a chart is not looked at, or "".
func unfit(info fs.FileInfo, err error) string {
	switch {
	case err != nil:
		return err.Error()
	case !info.Mode().IsRegular():
		return "it is no file"
	case info.Size() > helm.MaxArchive:
		return fmt.Sprintf("it has %d bytes, and a chart has %d at most", info.Size(), helm.MaxArchive)
	}
	return ""
}

// A packedChart is a chart that was read.
type packedChart struct {
	name, version       string
	digest              string // of the archive, in hexadecimal
	archive, provenance []byte
}

// read reads a chart and its provenance file, and holds them against what a
// server takes.
func (f *chartFolder) read(c chartFile) (p packedChart, err error) {
	if p.archive, err = f.file(c.name, helm.MaxArchive); err != nil {
		return p, err
	}
	if c.provenance {
		if p.provenance, err = f.file(c.name+".prov", helm.MaxProvenance); err != nil {
			return p, err
		}
	}
	says, err := chart.Upload{Archive: p.archive, Provenance: p.provenance}.Check(chart.Project{Name: c.project})
	p.name, p.version, p.digest = says.Name, says.Version, oci.Sum(oci.SHA256, p.archive).Hex()
	return p, err
}

// file returns what is in a file of at most so many bytes.
func (f *chartFolder) file(name string, most int64) ([]byte, error) {
	info, err := fs.Stat(f.root, name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // a pipe would be waited for
		return nil, fmt.Errorf("%s is no file", name)
	}
	r, err := f.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	content, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(content)) > most {
		err = fmt.Errorf("%s has more than %d bytes", name, most)
	}
	return content, err
}
