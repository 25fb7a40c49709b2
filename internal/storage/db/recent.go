package db

// recent maps texts to what was made of them. It holds between most and twice as
// many and forgets those that were not asked for lately: what nobody asked for
// while most others were new is dropped. It is not safe for concurrent use.
type recent[V any] struct {
	most        int
	drop        func(V)
	now, before map[string]V
}

func newRecent[V any](most int, drop func(V)) recent[V] {
	return recent[V]{most: most, drop: drop, now: map[string]V{}}
}

func (r *recent[V]) get(text string) (V, bool) {
	if v, ok := r.now[text]; ok {
		return v, true
	}
	v, ok := r.before[text]
	if ok {
		delete(r.before, text)
		r.put(text, v)
	}
	return v, ok
}

// put adds what is not there.
func (r *recent[V]) put(text string, v V) {
	if len(r.now) >= r.most {
		for _, old := range r.before {
			r.drop(old)
		}
		r.now, r.before = map[string]V{}, r.now
	}
	r.now[text] = v
}

// clear drops everything.
func (r *recent[V]) clear() {
	for _, m := range []map[string]V{r.now, r.before} {
		for _, v := range m {
			r.drop(v)
		}
		clear(m)
	}
}
