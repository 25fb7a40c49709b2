package db

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

func TestRebind(t *testing.T) {
	known := newTexts()
	for text, want := range map[string]string{
		"": "",
		"SELECT a FROM t WHERE a = ? AND b IN (?, ?)": "SELECT a FROM t WHERE a = $1 AND b IN ($2, $3)",
		"?":                               "$1",
		"??":                              "$1$2",
		"'?' = ?":                         "'?' = $1",
		"'it''s ?' = ?":                   "'it''s ?' = $1",
		`"odd ?" = ?`:                     `"odd ?" = $1`,
		"? -- why?\n, ?":                  "$1 -- why?\n, $2",
		"? -- why?":                       "$1 -- why?",
		"? /* why?\n */ - ? / ?":          "$1 /* why?\n */ - $2 / $3",
		"'? and no end":                   "'? and no end",
		"ä = ?":                           "ä = $1",
		strings.Repeat("?", 9) + "? + ?":  "$1$2$3$4$5$6$7$8$9$10 + $11",
		strings.Repeat("-", 5000) + "\n?": strings.Repeat("-", 5000) + "\n$1",
	} {
		for range 2 { // made, and remembered
			if got, _ := known.translate(text, nil); got != want {
				t.Errorf("%q: got %q, want %q", text, got, want)
			}
		}
	}
}

// TestRecent holds the two generations against what they promise: what was asked
// for last is there, all that goes is dropped once, and it stays small.
func TestRecent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const most = 4
		alive := map[string]int{}
		r := newRecent(most, func(n int) {
			for k, v := range alive {
				if v == n {
					delete(alive, k)
					return
				}
			}
			t.Fatalf("%d is dropped for the second time", n)
		})
		var last []string // the latest first
		for n := range rapid.IntRange(1, 100).Draw(t, "steps") {
			k := rapid.SampledFrom(strings.Split("abcdefghijklm", "")).Draw(t, "key")
			v, ok := r.get(k)
			if want, there := alive[k]; ok != there || v != want {
				t.Fatalf("%s: got %d, %t, want %d, %t", k, v, ok, want, there)
			}
			if !ok {
				alive[k] = n + 1
				r.put(k, n+1)
			}
			last = slices.DeleteFunc(last, func(s string) bool { return s == k })
			last = slices.Insert(last, 0, k)
			for _, k := range last[:min(most, len(last))] {
				if _, ok := alive[k]; !ok {
					t.Fatalf("%s was asked for lately and is gone", k)
				}
			}
			if len(alive) > 2*most {
				t.Fatalf("%d are kept", len(alive))
			}
		}
		r.clear()
		if len(alive) > 0 {
			t.Fatalf("never dropped: %v", slices.Sorted(maps.Keys(alive)))
		}
	})
}

// TestManyTexts runs far more texts than are kept, from many goroutines, while
// rows of dropped statements are still being read.
func TestManyTexts(t *testing.T) {
	d := openTest(t, t.TempDir())
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 4 * keptStatements {
				n := (i * (g + 1)) % (3 * keptStatements)
				rows, err := d.Query(t.Context(), fmt.Sprintf(`SELECT %d + ? UNION ALL SELECT 7`, n), 1)
				if err != nil {
					t.Error(err)
					return
				}
				var got []int
				for rows.Next() {
					var v int
					if err := rows.Scan(&v); err != nil {
						t.Error(err)
					}
					got = append(got, v)
				}
				if err := rows.Close(); err != nil || !slices.Equal(got, []int{n + 1, 7}) {
					t.Errorf("%d: got %v, %v", n, got, err)
				}
				if i%64 == 0 {
					err := d.Write(t.Context(), func(tx *Tx) error {
						for j := range keptStatements {
							if _, err := tx.Exec(fmt.Sprintf(`UPDATE system SET value = '%d' WHERE name = ?`, i+j), "a"); err != nil {
								return err
							}
						}
						return nil
					})
					if err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	s := d.engine.(*sqliteEngine).statements
	if n := len(s.known.now) + len(s.known.before); n > 2*keptStatements || len(s.dead) > 0 {
		t.Errorf("%d statements are kept, %d are dead", n, len(s.dead))
	}
	for _, m := range []map[string]*statement{s.known.now, s.known.before} {
		for text, st := range m {
			if st.users != 0 || st.dropped {
				t.Errorf("%s: %d users, dropped %t", text, st.users, st.dropped)
			}
		}
	}
}
