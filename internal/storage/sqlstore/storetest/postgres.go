package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/berth-registry/berth/internal/storage/db"
)

const (
	variable = "BERTH_TEST_POSTGRES"
	// prefix begins the names of all databases made here. Behind it stands
	// when they were made.
	prefix = "berth_test_"
	// oldest is the age at which a database is taken for one that a killed
	// test has left.
	oldest = time.Hour
	// empty is the server's own template of an empty database.
	empty = "template0"
)

// postgres is the server that tests use.
type postgres struct {
	url *url.URL

	mu       sync.Mutex
	migrated string // name of the database that others are copied from
}

var shared = sync.OnceValues(func() (*postgres, error) {
	u, err := url.Parse(os.Getenv(variable))
	if err != nil {
		return nil, fmt.Errorf("%s is not a URL", variable)
	}
	p := &postgres{url: u}
	return p, p.sweep()
})

func server(t testing.TB) *postgres {
	t.Helper()
	if os.Getenv(variable) == "" {
		t.Skip(variable + " is not set")
	}
	p, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// create makes a database from a template and returns its URL. It is dropped
// after the test.
func (p *postgres) create(t testing.TB, template string) string {
	t.Helper()
	name := newName()
	if err := p.make(name, template); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.run("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return p.named(name)
}

// template returns the name of a migrated database, which is made once in a
// process. Copying it is faster than migrating. It is left to the next sweep,
// since nothing tells of a process's last test.
func (p *postgres) template(t testing.TB) string {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.migrated != "" {
		return p.migrated
	}
	name := newName()
	if err := p.make(name, empty); err != nil {
		t.Fatal(err)
	}
	d, err := db.Open(t.Context(), p.named(name), db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.migrated = name
	return name
}

// sweep drops what tests have left.
func (p *postgres) sweep() error {
	return p.with(func(ctx context.Context, c *pgx.Conn) error {
		rows, err := c.Query(ctx, `SELECT datname FROM pg_database WHERE datname LIKE $1`, prefix+"%")
		if err != nil {
			return err
		}
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		for _, name := range names {
			made, _, _ := strings.Cut(strings.TrimPrefix(name, prefix), "_")
			seconds, err := strconv.ParseInt(made, 10, 64)
			if err != nil || time.Since(time.Unix(seconds, 0)) < oldest {
				continue
			}
			// Another process may be sweeping as well: it does not matter
			// who succeeds.
			_, _ = c.Exec(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
		}
		return nil
	})
}

// make creates a database. An empty one sorts text by the rules of English where
// the server can do so, and bytewise only where it is told to.
func (p *postgres) make(name, template string) error {
	create := "CREATE DATABASE " + name + " TEMPLATE " + template
	if template == empty && p.run(create+" ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en-US'") == nil {
		return nil
	}
	return p.run(create)
}

func (p *postgres) run(statement string) error {
	return p.with(func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, statement)
		return err
	})
}

// with calls f with a connection to the server. It minds no test's context: it
// also cleans up after one.
func (p *postgres) with(f func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := pgx.Connect(ctx, p.url.String())
	if err != nil {
		return fmt.Errorf("%s: %w", variable, err)
	}
	defer c.Close(ctx)
	return f(ctx, c)
}

func (p *postgres) named(name string) string {
	u := *p.url
	u.Path = "/" + name
	return u.String()
}

func newName() string {
	return fmt.Sprintf("%s%d_%08x", prefix, time.Now().Unix(), rand.Uint32())
}
