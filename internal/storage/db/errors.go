package db

import (
	"errors"

	"github.com/berth-registry/berth/internal/fault"
)

// What a statement may fail with, found by the databases' own codes. Anything
// else is an error of the driver, or of the context that ended it.
var (
	// ErrNotFound says that there was no row to scan.
	ErrNotFound = errors.New("db: no such row")
	// ErrDuplicate says that a row of the same key exists.
	ErrDuplicate = errors.New("db: duplicate key")
	// ErrReference says that a row that was referred to does not exist, or
	// that one that was to go is referred to.
	ErrReference = errors.New("db: broken reference")
	// ErrFull says that there is no room left on the database's disk. It may
	// go on once there is.
	ErrFull = fault.New(fault.Unavailable, "UNAVAILABLE", "the database's disk is full")
	// ErrUnavailable says that the database could not be reached, or that
	// others held it for too long.
	ErrUnavailable = fault.New(fault.Unavailable, "UNAVAILABLE", "the database is not available")
	// ErrClosed says that Close was called.
	ErrClosed = errors.New("db: closed")
	// ErrNewer is returned by Migrate for a database that a newer program
	// has migrated.
	ErrNewer = errors.New("the database was migrated by a newer version of this program")
)
