package job

// Busy returns how many tasks are done here.
func (s *Service) Busy() int { return len(s.doing()) }
