package db

import (
	"context"
	"database/sql"
	"errors"
)

// A Tx is the transaction of a Write. It is for one goroutine and ends with fn.
//
// After a statement has failed, every other fails with the same error, and so
// does the Write: a transaction of PostgreSQL cannot go on after an error, and
// what works on one database works on both.
type Tx struct {
	ctx     context.Context
	session session
	open    *Rows // not closed so far
	failed  error // of the first statement that did
	ended   bool
}

// A session is the connection of a transaction.
type session interface {
	querier
	exec(ctx context.Context, text string, args []any) (sql.Result, error)
}

var (
	errRowsOpen = errors.New("db: the rows of the last query are not closed")
	errEnded    = errors.New("db: the transaction has ended")
)

// Exec runs a statement and returns the number of rows that it touched.
func (tx *Tx) Exec(q string, args ...any) (affected int64, err error) {
	if err := tx.ready(); err != nil {
		return 0, err
	}
	result, err := tx.session.exec(tx.ctx, q, args)
	if err != nil {
		return 0, tx.fail(err)
	}
	return result.RowsAffected()
}

// Query runs a statement that returns rows. The caller closes them before the
// next statement.
func (tx *Tx) Query(q string, args ...any) (*Rows, error) {
	if err := tx.ready(); err != nil {
		return nil, err
	}
	rows, err := tx.session.query(tx.ctx, q, args)
	if err != nil {
		return nil, tx.fail(err)
	}
	tx.open = &Rows{rows: rows, fault: tx.fail, done: func() { tx.open = nil }}
	return tx.open, nil
}

// QueryRow runs a statement that returns at most one row. The caller must call
// Scan.
func (tx *Tx) QueryRow(q string, args ...any) Row {
	return rowOf(tx.Query(q, args...))
}

func (tx *Tx) ready() error {
	switch {
	case tx.ended:
		return errEnded
	case tx.open != nil:
		return errRowsOpen
	}
	return tx.failed
}

// fail remembers a driver's error.
func (tx *Tx) fail(err error) error {
	if err == nil {
		return nil
	}
	err = tx.session.fault(err)
	if tx.failed == nil {
		tx.failed = err
	}
	return err
}

// run runs fn and returns why its transaction must not be committed, if so.
func (tx *Tx) run(fn func(*Tx) error) error {
	defer tx.end()
	if err := fn(tx); err != nil {
		return err
	}
	tx.closeRows() // which may be what fails
	return tx.failed
}

// end keeps who has kept the Tx from using it.
func (tx *Tx) end() {
	tx.closeRows()
	tx.ended = true
}

func (tx *Tx) closeRows() {
	if tx.open != nil {
		_ = tx.open.Close() // tx.failed has it
	}
}
