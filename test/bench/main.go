// Package main measures Berth beside Debian's docker-registry, and prints a
// table in Markdown. Berth runs as it is meant to, with tokens and rights; the
// other asks nobody who he is. Both run on this machine, in turns: each round
// measures each kind of work on each server, and every second round the other
// way round. What counts is the CPU time of the server for an operation, which
// other work on the machine disturbs least, and the ratios within one run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"time"
)

// options are the choices of whoever measures.
type options struct {
	rounds  int
	each    time.Duration
	clients int
	tags    int
	large   int64
	only    string
	raw     string
}

func main() {
	if len(os.Args) == 4 && os.Args[1] == "floor" {
		fail(serveFloor(os.Args[2], os.Args[3]))
		return
	}
	var o options
	flag.IntVar(&o.rounds, "rounds", 6, "how often everything is measured; medians are printed")
	flag.DurationVar(&o.each, "each", 2*time.Second, "how long one kind of work is measured")
	flag.IntVar(&o.clients, "clients", 8, "clients at once")
	flag.IntVar(&o.tags, "tags", 10000, "tags in one repository")
	flag.Int64Var(&o.large, "large", 256<<20, "size in bytes of the large blob; 2147483648 is usual for published figures")
	flag.StringVar(&o.only, "only", "", "only work whose name contains this")
	flag.StringVar(&o.raw, "raw", "", "also write each measurement to this file, for benchstat -col /server")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	fail(run(ctx, o))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	dir, err := os.MkdirTemp("", "berth-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var servers []*server
	defer func() {
		for _, s := range servers {
			err = errors.Join(err, s.stop())
		}
	}()
	for _, kind := range []func(string) (*server, error){newStock, newBerth, newFloor} {
		s, err := kind(dir)
		if err != nil {
			return err
		}
		servers = append(servers, s)
	}
	b := &bench{options: o, corpus: newCorpus(o), results: results{}}
	for _, s := range servers {
		if s.registry {
			if err := b.fill(ctx, s); err != nil {
				return fmt.Errorf("fill %s: %w", s.name, err)
			}
		}
	}
	if err := b.measureAll(ctx, servers); err != nil {
		return err
	}
	if err := b.measureStarts(servers); err != nil {
		return err
	}
	if o.raw != "" {
		if err := os.MkdirAll(filepath.Dir(o.raw), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(o.raw, b.results.benchmarks(), 0o644); err != nil {
			return err
		}
	}
	fmt.Print(b.results.tables(o))
	return nil
}

// measureAll measures every kind of work on every server, round after round.
func (b *bench) measureAll(ctx context.Context, servers []*server) error {
	for b.round = range b.rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", b.round+1, b.rounds)
		for _, w := range b.works() {
			for _, s := range servers {
				if !s.registry && !w.floor {
					continue
				}
				if err := b.measure(ctx, w, s); err != nil {
					return fmt.Errorf("%s on %s: %w", w.name, s.name, err)
				}
			}
		}
		slices.Reverse(servers)
	}
	return nil
}
