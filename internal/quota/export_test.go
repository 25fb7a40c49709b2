package quota

import "time"

// SetClock has a service take the time from now.
func (s *Service) SetClock(now func() time.Time) { s.now = now }
