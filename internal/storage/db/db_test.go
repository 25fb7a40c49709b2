package db_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// write runs statements in one transaction.
func write(t testing.TB, d *db.DB, statements ...string) {
	t.Helper()
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		for _, q := range statements {
			if _, err := tx.Exec(q); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// set stores one value.
func set(d *db.DB, t testing.TB, name, value string) error {
	return d.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(`INSERT INTO system (name, value) VALUES (?, ?)`, name, value)
		return err
	})
}

// names returns all that set stored.
func names(t testing.TB, d *db.DB) []string {
	t.Helper()
	return texts(t, d, `SELECT name FROM system ORDER BY name`)
}

func texts(t testing.TB, d *db.DB, q string, args ...any) []string {
	t.Helper()
	rows, err := d.Query(t.Context(), q, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	found := []string{}
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		found = append(found, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}

func TestRow(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		var n int
		if err := d.QueryRow(t.Context(), `SELECT 1 WHERE 1 = ?`, 2).Scan(&n); !errors.Is(err, db.ErrNotFound) {
			t.Errorf("no row: got %v, want ErrNotFound", err)
		}
		if err := d.QueryRow(t.Context(), `SELECT n FROM (SELECT 7 AS n UNION ALL SELECT 8) x ORDER BY n`).Scan(&n); err != nil || n != 7 {
			t.Errorf("first of two rows: got %d, %v", n, err)
		}
		if err := d.QueryRow(t.Context(), `SELECT nothing FROM nowhere`).Scan(&n); err == nil {
			t.Error("a wrong statement gave no error")
		}
		if err := d.QueryRow(t.Context(), `SELECT 'text'`).Scan(&n); err == nil {
			t.Error("a text was scanned into a number")
		}
		if got := texts(t, d, `SELECT 'is ? a -- question' WHERE ? = ? -- really?`, "x", "x"); !slices.Equal(got, []string{"is ? a -- question"}) {
			t.Errorf("placeholders beside quoted ones: got %q", got)
		}
	})
}

// TestValues stores what the schema's types can hold and reads it again.
func TestValues(t *testing.T) {
	type text string
	type values struct {
		Text  text
		Int   int64
		Bool  bool
		Bytes []byte
		Null  *string
	}
	everything := make([]byte, 256)
	for i := range everything {
		everything[i] = byte(i)
	}
	cases := []values{
		{Text: "", Bytes: nil},
		{Text: "päßword ' \" \\ ? $1 \n%_", Int: 1<<63 - 1, Bool: true, Bytes: everything, Null: new(string)},
		{Text: text(strings.Repeat("long ", 20_000)), Int: -1 << 63, Bytes: slices.Repeat(everything, 64)},
	}
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		blob := "BLOB"
		if d.Dialect() == db.PostgreSQL {
			blob = "BYTEA"
		}
		write(t, d, `CREATE TABLE value (id BIGINT, t TEXT, i BIGINT, b BOOLEAN, bytes `+blob+`, n TEXT)`)
		for id, want := range cases {
			err := d.Write(t.Context(), func(tx *db.Tx) error {
				n, err := tx.Exec(`INSERT INTO value (id, t, i, b, bytes, n) VALUES (?, ?, ?, ?, ?, ?)`, id, want.Text, want.Int, want.Bool, want.Bytes, want.Null)
				if n != 1 {
					t.Errorf("%d rows inserted", n)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			var got values
			err = d.QueryRow(t.Context(), `SELECT t, i, b, bytes, n FROM value WHERE id = ? AND b = ?`, id, want.Bool).
				Scan(&got.Text, &got.Int, &got.Bool, &got.Bytes, &got.Null)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("value %d (-want +got):\n%.1000s", id, diff)
			}
		}
	})
}

func TestErrorsOfConstraints(t *testing.T) {
	const (
		account = `INSERT INTO account (id, name, created, updated) VALUES (1, 'alice', 0, 0)`
		project = `INSERT INTO project (id, name, owner_id, created, updated) VALUES (1, 'library', 1, 0, 0)`
		member  = `INSERT INTO member (project_id, kind, entity_id, role, created, updated) VALUES (1, 'u', 1, 1, 0, 0)`
	)
	cases := []struct {
		name, statement string
		want            error
	}{
		{"unique", `INSERT INTO account (name, created, updated) VALUES ('alice', 0, 0)`, db.ErrDuplicate},
		{"unique of several", member, db.ErrDuplicate},
		{"primary key", `INSERT INTO account (id, name, created, updated) VALUES (1, 'bob', 0, 0)`, db.ErrDuplicate},
		{"primary key of text", `INSERT INTO system (name, value) VALUES ('a', 'b')`, db.ErrDuplicate},
		{"update", `UPDATE system SET name = 'a' WHERE name = 'b'`, db.ErrDuplicate},
		{"no parent", `INSERT INTO member (project_id, kind, entity_id, role, created, updated) VALUES (7, 'u', 1, 1, 0, 0)`, db.ErrReference},
		{"has children", `DELETE FROM account WHERE id = 1`, db.ErrReference},
	}
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		write(t, d, account, project, member, `INSERT INTO system (name, value) VALUES ('a', ''), ('b', '')`)
		for _, c := range cases {
			err := d.Write(t.Context(), func(tx *db.Tx) error {
				_, err := tx.Exec(c.statement)
				return err
			})
			if !errors.Is(err, c.want) {
				t.Errorf("%s: got %v, want %v", c.name, err, c.want)
			}
		}
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(`INSERT INTO member (project_id, kind, entity_id, role, created, updated) VALUES (1, 'x', 1, 1, 0, 0)`)
			return err
		})
		if err == nil || errors.Is(err, db.ErrDuplicate) || errors.Is(err, db.ErrReference) {
			t.Errorf("a check: got %v, want an error of its own", err)
		}
		write(t, d, `DELETE FROM project WHERE id = 1`)
		if got := texts(t, d, `SELECT kind FROM member`); len(got) != 0 {
			t.Errorf("%d members outlive their project", len(got))
		}
	})
}

// TestText says how text is compared, whatever the locale of the server.
func TestText(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		want := []string{"A", "B", "_", "a", "a-b", "a.b", "a/b", "a_b", "ab", "b", "ä"}
		for i := range want {
			name := want[(i*7)%len(want)]
			if err := set(d, t, name, ""); err != nil {
				t.Fatal(err)
			}
		}
		if got := names(t, d); !slices.Equal(got, want) {
			t.Errorf("ordered as %q, want %q", got, want)
		}
		if got := texts(t, d, `SELECT name FROM system WHERE name > ? AND name < ? ORDER BY name DESC`, "a", "b"); !slices.Equal(got, []string{"ab", "a_b", "a/b", "a.b", "a-b"}) {
			t.Errorf("between a and b: %q", got)
		}
		if got := texts(t, d, `SELECT name FROM system WHERE name LIKE ? ORDER BY name`, "a%"); !slices.Equal(got, want[3:9]) {
			t.Errorf("like a%%: %q", got)
		}
		if got := texts(t, d, `SELECT name FROM system WHERE name LIKE ? ESCAPE '\' ORDER BY name`, `%\_%`); !slices.Equal(got, []string{"_", "a_b"}) {
			t.Errorf("like an escaped underscore: %q", got)
		}
	})
}

func TestIn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		for _, n := range []string{"a", "b", "c"} {
			if err := set(d, t, n, ""); err != nil {
				t.Fatal(err)
			}
		}
		for _, list := range [][]any{{}, {"b"}, {"a", "c"}, {"a", "x", "b", "c"}} {
			got := texts(t, d, `SELECT name FROM system WHERE name IN (`+db.In(len(list))+`) ORDER BY name`, list...)
			want := []string{}
			for _, n := range []string{"a", "b", "c"} {
				if slices.Contains(list, any(n)) {
					want = append(want, n)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("in %q: got %q", list, got)
			}
		}
	})
}

// TestLongTexts runs statements that are too long to be kept prepared.
func TestLongTexts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		for _, rows := range []int{1, 1999, 2000} {
			var args, keys []any
			for i := range rows {
				args = append(args, fmt.Sprint(i), "")
				keys = append(keys, fmt.Sprint(i))
			}
			err := d.Write(t.Context(), func(tx *db.Tx) error {
				n, err := tx.Exec(`INSERT INTO system (name, value) VALUES `+strings.Repeat("(?, ?), ", rows-1)+"(?, ?)", args...)
				if n != int64(rows) {
					t.Errorf("%d rows inserted", n)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			var n int
			err = d.QueryRow(t.Context(), `SELECT COUNT(*) FROM system WHERE name IN (`+db.In(rows)+`)`, keys...).Scan(&n)
			if err != nil || n != rows {
				t.Errorf("%d of %d rows found, %v", n, rows, err)
			}
			write(t, d, `DELETE FROM system`)
		}
	})
}

func TestVersionAndSize(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		if err := d.Ping(t.Context()); err != nil {
			t.Error(err)
		}
		v, err := d.Version(t.Context())
		if name, number, _ := strings.Cut(v, " "); err != nil || name != string(d.Dialect()) || number < "1" || number > "99" {
			t.Errorf("version %q, %v", v, err)
		}
		before, err := d.Size(t.Context())
		if err != nil || before < 50_000 {
			t.Errorf("size %d, %v", before, err)
		}
		if err := set(d, t, "large", strings.Repeat("0123456789abcdef", 1<<16)); err != nil {
			t.Fatal(err)
		}
		if after, err := d.Size(t.Context()); err != nil || after <= before {
			t.Errorf("size %d after %d, %v", after, before, err)
		}
	})
}

func TestOpenRefuses(t *testing.T) {
	folder := t.TempDir()
	for _, url := range []string{
		"", "berth.db", "mysql://root:hunter2@localhost/berth", "root:hunter2@localhost",
		"sqlite://", "sqlite://" + folder, "sqlite://" + folder + "/no/such/folder.db", "sqlite://%zz", "sqlite://" + folder + "/berth.db?mode=ro",
		"postgres://root:hunter2@127.0.0.1:1/berth", "postgres://root:hunter2@127.0.0.1:port/berth", "postgres://root:hunter2@127.0.0.1:1/berth?sslmode=perhaps",
	} {
		d, err := db.Open(t.Context(), url, db.Options{})
		if err == nil {
			d.Close()
			t.Errorf("%q was opened", url)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: the error tells the password: %v", url, err)
		}
	}
	_, err := db.Open(t.Context(), "postgres://root@127.0.0.1:1/berth", db.Options{})
	var f *fault.Fault
	if !errors.As(err, &f) || f.Kind != fault.Unavailable {
		t.Errorf("nobody listens: got %v, want a fault of the kind Unavailable", err)
	}
	text := filepath.Join(folder, "text.db")
	if err := os.WriteFile(text, []byte(strings.Repeat("not a database", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if d, err := db.Open(t.Context(), "sqlite://"+text, db.Options{}); err == nil {
		d.Close()
		t.Error("a file of text was opened")
	}
}

func TestSQLiteFilesAreTheOwners(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "odd name?#%41&x=1")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	d, err := db.Open(t.Context(), "sqlite://"+strings.NewReplacer("%", "%25", "?", "%3F").Replace(folder)+"/berth.db", db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	write(t, d, `CREATE TABLE t (n INTEGER)`)
	found, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{}
	for _, f := range found {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", f.Name(), info.Mode())
		}
		got = append(got, f.Name())
	}
	if want := []string{"berth.db", "berth.db-shm", "berth.db-wal"}; !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
}

func TestSQLiteReadersCannotWrite(t *testing.T) {
	d := storetest.SQLite(t)
	var n string
	if err := d.QueryRow(t.Context(), `INSERT INTO system (name, value) VALUES ('a', 'b') RETURNING name`).Scan(&n); err == nil {
		t.Error("a reader wrote")
	}
	if got := names(t, d); len(got) != 0 {
		t.Errorf("a reader wrote %q", got)
	}
}

// TestSQLiteIsStrict keeps tests on SQLite from passing with what PostgreSQL
// refuses.
func TestSQLiteIsStrict(t *testing.T) {
	d := storetest.SQLite(t)
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(`INSERT INTO system (name, value) VALUES ('a', ?)`, []byte("bytes"))
		return err
	})
	if err == nil {
		t.Error("bytes went into a column of text")
	}
}

// TestPostgresPlansForSmallAnswers holds that no connection starts helpers, or
// compiles statements, for what takes milliseconds.
func TestPostgresPlansForSmallAnswers(t *testing.T) {
	d := storetest.PostgreSQL(t)
	for name, want := range map[string]string{"jit": "off", "max_parallel_workers_per_gather": "0"} {
		var got string
		if err := d.QueryRow(t.Context(), `SELECT current_setting(?)`, name).Scan(&got); err != nil || got != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
