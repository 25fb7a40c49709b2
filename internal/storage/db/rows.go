package db

import "database/sql"

// Rows are the answer to a query, read as those of database/sql are: Next and
// Scan, then Err, and Close in any case. They are for one goroutine.
type Rows struct {
	rows  *sql.Rows
	fault func(error) error
	done  func() // called by Close
	texts int
}

// Next goes to the next row. After the last one it returns false, and so it
// does after a failure, which Err tells.
func (r *Rows) Next() bool { return r.rows.Next() }

// Scan copies the columns of the row into what dest points to.
func (r *Rows) Scan(dest ...any) error {
	err := r.rows.Scan(dest...)
	for _, d := range dest {
		switch d := d.(type) {
		case *string:
			r.texts += len(*d)
		case *[]byte:
			r.texts += len(*d)
		}
	}
	return err
}

// Texts returns how many bytes the strings and the bytes came to that were
// scanned so far.
func (r *Rows) Texts() int { return r.texts }

// Err returns what ended the rows before their time.
func (r *Rows) Err() error { return r.fault(r.rows.Err()) }

// Close gives the connection back. It may be called again.
func (r *Rows) Close() error {
	err := r.fault(r.rows.Close())
	r.done()
	return err
}

// A Row is the answer to QueryRow.
type Row struct {
	rows *Rows
	err  error
}

func rowOf(rows *Rows, err error) Row { return Row{rows, err} }

// Scan copies the row's columns into what dest points to. Without a row it
// returns ErrNotFound; further rows are ignored.
func (r Row) Scan(dest ...any) (err error) {
	if r.err != nil {
		return r.err
	}
	defer func() {
		// Closing is the statement's end, and may be what fails.
		if failed := r.rows.Close(); err == nil {
			err = failed
		}
	}()
	if r.rows.Next() {
		return r.rows.Scan(dest...)
	}
	if err := r.rows.Err(); err != nil {
		return err
	}
	return ErrNotFound
}
