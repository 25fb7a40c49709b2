package sqlstore

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/berth-registry/berth/internal/storage/db"
)

// Append implements job.LogStore.
func (s *Jobs) Append(ctx context.Context, task int64, text string) (size int64, err error) {
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		end, err := columnOf[int64](tx.Query(`SELECT at_byte + octet_length(text) FROM task_log WHERE task_id = ? ORDER BY at_byte DESC LIMIT 1`, task))
		if err != nil {
			return err
		}
		if len(end) > 0 {
			size = end[0]
		}
		_, err = tx.Exec(`INSERT INTO task_log (task_id, at_byte, text) VALUES (?, ?, ?)`, task, size, text)
		size += int64(len(text))
		return err
	})
	if err != nil {
		err = fmt.Errorf("log of task %d: %w", task, err)
	}
	return size, err
}

// Read implements job.LogStore.
func (s *Jobs) Read(ctx context.Context, task, from int64, n int) (string, error) {
	rows, err := s.db.Query(ctx, `SELECT at_byte, text FROM task_log WHERE task_id = ? AND at_byte + octet_length(text) > ? ORDER BY at_byte`, task, from)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	var out strings.Builder
	for out.Len() < n && rows.Next() {
		var at int64
		var text string
		if err := rows.Scan(&at, &text); err != nil {
			return "", err
		}
		if at < from {
			text = text[from-at:]
		}
		out.WriteString(text)
	}
	if err := rows.Err(); err != nil {
		return "", err
	}
	return whole(out.String(), n), nil
}

// whole cuts a text to n bytes, at the end of a character.
func whole(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}
