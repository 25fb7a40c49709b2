package replication

// Check checks the filters of a policy.
func (p Policy) Check() error { return p.checkFilters() }
