package db

import "time"

// SetTimeout sets the time after which a statement ends that nothing else ends.
func (d *DB) SetTimeout(limit time.Duration) { d.timeout = limit }

// Endless is a query of two columns that takes years.
const Endless = `SELECT CAST(n AS TEXT), '' FROM (WITH RECURSIVE c (n) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT n + 1 FROM c) SELECT n FROM c) x WHERE n < 0`
