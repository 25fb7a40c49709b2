package advisorydb

// LimitImport sets how many bytes an import may have.
func (s *Store) LimitImport(n int64) { s.limits.imported = n }
