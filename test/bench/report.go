package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
)

// results are all samples, of each kind of work in the order in which the kinds
// were first measured.
type results map[string]*kind

type kind struct {
	work  work
	order int
	of    map[string][]sample // by server, one for each round
}

func (r results) add(w work, server string, s sample) {
	k := r[w.name]
	if k == nil {
		k = &kind{w, len(r), map[string][]sample{}}
		r[w.name] = k
	}
	k.of[server] = append(k.of[server], s)
}

func (r results) kinds() []*kind {
	var all []*kind
	for _, k := range r {
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b *kind) int { return a.order - b.order })
	return all
}

// A figure is a number that is taken from a sample.
type figure struct {
	unit string
	of   func(sample) float64
}

func cpuOf(what string, ops func(sample) float64) figure {
	return figure{"cpu-ms/" + what, func(s sample) float64 { return s.cpu.Seconds() * 1e3 / ops(s) }}
}

var (
	cpuPerOp      = cpuOf("op", func(s sample) float64 { return s.ops })
	cpuPerRequest = cpuOf("request", func(s sample) float64 { return s.requests })
	medianTime    = figure{"median-ms", func(s sample) float64 { return s.median.Seconds() * 1e3 }}
	perSecond     = figure{"op/s", func(s sample) float64 { return s.ops / s.wall.Seconds() }}
	peakMemory    = figure{"peak-MiB", func(s sample) float64 { return s.peak }}
)

// largeFigures are for the blob of a given size.
func largeFigures(size int64) []figure {
	gb := float64(size) / 1e9
	return []figure{
		{"MB/s", func(s sample) float64 { return gb * 1e3 / s.wall.Seconds() }},
		{"cpu-s/GB", func(s sample) float64 { return s.cpu.Seconds() / gb }},
		peakMemory,
	}
}

// median is the middle of a figure's values on one server.
func (k *kind) median(server string, f figure) float64 {
	var all []float64
	for _, s := range k.of[server] {
		all = append(all, f.of(s))
	}
	return middle(all)
}

// ratio is the middle of the ratios of two servers in the same rounds.
func (k *kind) ratio(a, b string, f figure) float64 {
	var all []float64
	for i := range min(len(k.of[a]), len(k.of[b])) {
		all = append(all, f.of(k.of[a][i])/f.of(k.of[b][i]))
	}
	return middle(all)
}

func middle(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}

// tables are the medians, for docs/benchmarks.md.
func (r results) tables(o options) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %d processors, %s; %d rounds, %d clients.\n\n", processor(), runtime.NumCPU(), runtime.Version(), o.rounds, o.clients)
	fmt.Fprintf(&b, "| work | CPU ms, %[1]s | CPU ms, %[2]s | ratio | median ms, %[1]s | median ms, %[2]s | ratio | per s, %[1]s | per s, %[2]s | peak MiB, %[1]s | peak MiB, %[2]s |\n", stock, ours)
	b.WriteString("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, k := range r.kinds() {
		if !k.work.large {
			k.row(&b, k.work.name, cpuPerOp)
			if k.work.flow {
				k.row(&b, k.work.name+", each request", cpuPerRequest)
			}
		}
	}
	fmt.Fprintf(&b, "\n| one blob of %d MiB | %s | %s | %s | ratio to %[2]s | ratio to %[3]s |\n", o.large>>20, floor, stock, ours)
	b.WriteString("|---|--:|--:|--:|--:|--:|\n")
	for _, k := range r.kinds() {
		if !k.work.large {
			continue
		}
		for _, f := range largeFigures(o.large) {
			fmt.Fprintf(&b, "| %s, %s | %.2f | %.2f | %.2f | %.2f | %.2f |\n", k.work.name, f.unit,
				k.median(floor, f), k.median(stock, f), k.median(ours, f), k.ratio(ours, floor, f), k.ratio(ours, stock, f))
		}
	}
	return b.String()
}

func (k *kind) row(b *strings.Builder, name string, cpu figure) {
	fmt.Fprintf(b, "| %s | %.3f | %.3f | %.3f |", name, k.median(stock, cpu), k.median(ours, cpu), k.ratio(ours, stock, cpu))
	if cpu.unit == cpuPerRequest.unit {
		b.WriteString(" | | | | | | |\n")
		return
	}
	rates := fmt.Sprintf("%.0f | %.0f", k.median(stock, perSecond), k.median(ours, perSecond))
	if k.work.once {
		rates = "|"
	}
	fmt.Fprintf(b, " %.2f | %.2f | %.3f | %s | %.0f | %.0f |\n",
		k.median(stock, medianTime), k.median(ours, medianTime), k.ratio(ours, stock, medianTime),
		rates, k.median(stock, peakMemory), k.median(ours, peakMemory))
}

// processor is what the machine calls itself.
func processor() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(info)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// benchmarks are all samples in the form that benchstat reads.
func (r results) benchmarks() []byte {
	var b bytes.Buffer
	for _, k := range r.kinds() {
		figures := []figure{cpuPerOp, medianTime, peakMemory}
		name := strings.NewReplacer(" ", "-", ",", "").Replace(k.work.name)
		for _, server := range []string{stock, ours, floor} {
			for _, s := range k.of[server] {
				fmt.Fprintf(&b, "Benchmark%s%s/server=%s %.0f", strings.ToUpper(name[:1]), name[1:], server, s.ops)
				for _, f := range figures {
					fmt.Fprintf(&b, " %g %s", f.of(s), f.unit)
				}
				b.WriteByte('\n')
			}
		}
	}
	return b.Bytes()
}
