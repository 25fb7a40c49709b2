package sqlstore

import (
	"fmt"
	"strings"

	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/storage/db"
)

// rowsAtOnce is how many values or rows one statement is about, where there may be
// any number: few enough for both databases, and many in one round trip.
const rowsAtOnce = 500

// eachRow reads all rows and closes them.
func eachRow(rows *db.Rows, read func(*db.Rows) error) error {
	defer rows.Close()
	for rows.Next() {
		if err := read(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// gather reads all rows into one slice and closes them.
func gather[T any](rows *db.Rows, scan func(*db.Rows) (T, error)) ([]T, error) {
	var all []T
	err := eachRow(rows, func(rows *db.Rows) error {
		v, err := scan(rows)
		if err == nil {
			all = append(all, v)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// A room is how many bytes of an answer's rows are still free.
type room int

// rowBytes is what a row comes to beside its texts, once it is shown.
const rowBytes = 250

func newRoom() *room {
	r := room(query.MaxAnswer)
	return &r
}

// gatherIn gathers rows while there is room for them, and then returns
// query.ErrTooMuch.
func gatherIn[T any](rows *db.Rows, r *room, scan func(*db.Rows) (T, error)) ([]T, error) {
	last := 0
	return gather(rows, func(rows *db.Rows) (T, error) {
		v, err := scan(rows)
		*r -= room(rows.Texts() - last + rowBytes)
		last = rows.Texts()
		if err == nil && *r < 0 {
			err = query.ErrTooMuch
		}
		return v, err
	})
}

// columnOf gathers a query's only column.
func columnOf[T any](rows *db.Rows, err error) ([]T, error) {
	if err != nil {
		return nil, err
	}
	return gather(rows, only[T])
}

// only scans a row's only column.
func only[T any](rows *db.Rows) (v T, err error) { return v, rows.Scan(&v) }

// anyOf returns values as a statement takes them.
func anyOf[T any](values []T) []any {
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = v
	}
	return args
}

// maxArgs bounds the parameters of one statement; both databases allow more.
const maxArgs = 10_000

// insertRows inserts rows of the given width, many in one statement, since each
// statement is a round trip to PostgreSQL.
func insertRows(tx *db.Tx, insert string, width int, args []any) error {
	row := "(" + db.In(width) + ")"
	for len(args) > 0 {
		n := min(len(args), maxArgs/width*width)
		if _, err := tx.Exec(insert+strings.Repeat(row+", ", n/width-1)+row, args[:n]...); err != nil {
			return fmt.Errorf("insert rows: %w", err)
		}
		args = args[n:]
	}
	return nil
}
