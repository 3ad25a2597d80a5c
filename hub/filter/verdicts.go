package filter

import (
	"sync"
	"sync/atomic"
	"unique"
)

const (
	bitsEach = 2
	eachWord = 32 / bitsEach
	// maxPredicates bounds of how many predicates verdicts are kept.
	maxPredicates = 2048
	// answersSize is about what the answers of a predicate take beside their words.
	answersSize = 160
)

// Records is a run of records in memory, numbered from 0 on. It is told apart from
// others by ==, so it is best a pointer.
type Records interface {
	// Room is how many records there can be. It never changes.
	Room() int
	// Load sets r to record i.
	Load(i int, r *Record)
}

// Verdicts keeps what predicates have said of the records of a run, for as long as
// the run is there. The zero value is empty. It is safe for concurrent use.
type Verdicts struct {
	mu   sync.RWMutex
	of   map[unique.Handle[string]]*answers
	size atomic.Int64
}

// answers are those of one predicate.
type answers struct {
	words []atomic.Uint32

	mu  sync.Mutex // held while the predicate is asked, so that it is asked once
	err error      // why it has failed first
}

// Size is about how many bytes the verdicts take.
func (v *Verdicts) Size() int { return int(v.size.Load()) }

// find gives the answers of a predicate, of which there are none at first.
func (v *Verdicts) find(p *predicate, room int) *answers {
	v.mu.RLock()
	a := v.of[p.id]
	v.mu.RUnlock()
	if a != nil {
		return a
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if a := v.of[p.id]; a != nil {
		return a
	}
	if v.of == nil || len(v.of) >= maxPredicates {
		v.of = make(map[unique.Handle[string]]*answers)
		v.size.Store(0)
	}
	a = &answers{words: make([]atomic.Uint32, (room+eachWord-1)/eachWord)}
	v.of[p.id] = a
	v.size.Add(int64(4*len(a.words) + answersSize))
	return a
}

// Ask says what the filter's predicates say of record i of a run, whose verdicts are
// v. That the record has a key of the filter is for the caller to know. View is who
// looks at the record, nil for one of its own.
func (f *Filter) Ask(v *Verdicts, of Records, i int, view *View) Verdict {
	for _, p := range f.where() {
		a := v.find(p, of.Room())
		said := a.get(i)
		if said == unknown {
			if view == nil {
				own := views.Get().(*View)
				defer own.giveBack()
				view = own
			}
			said = a.ask(p, of, i, view)
		}
		if said != Yes {
			return said
		}
	}
	return Yes
}

func (a *answers) get(i int) Verdict {
	return Verdict(a.words[i/eachWord].Load()>>(i%eachWord*bitsEach)) & 3
}

func (a *answers) ask(p *predicate, of Records, i int, view *View) Verdict {
	a.mu.Lock()
	defer a.mu.Unlock()
	if said := a.get(i); said != unknown {
		return said // another one has asked meanwhile
	}
	said, err := p.judge(view.at(of, i))
	if err != nil && a.err == nil {
		a.err = err
	}
	a.words[i/eachWord].Or(uint32(said) << (i % eachWord * bitsEach))
	return said
}

// Fault is why one of the filter's predicates has failed on a record of the run, nil
// where none has.
func (f *Filter) Fault(v *Verdicts) error {
	for _, p := range f.where() {
		v.mu.RLock()
		a := v.of[p.id]
		v.mu.RUnlock()
		if a == nil {
			continue
		}
		a.mu.Lock()
		err := a.err
		a.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

var views = sync.Pool{New: func() any { return new(View) }}

// View looks at the records of runs one after another. While it stays at one, what
// was parsed of that is shared by all who ask. It is for one goroutine.
type View struct {
	record Record
	of     Records
	i      int
}

func (w *View) at(of Records, i int) *Record {
	if w.of != of || w.i != i {
		w.of, w.i = of, i
		of.Load(i, &w.record)
	}
	return &w.record
}

func (w *View) giveBack() {
	w.Release()
	views.Put(w)
}

// Release lets go of what the view has looked at last.
func (w *View) Release() {
	w.of = nil
	w.record.Set(nil, 0, 0, 0)
}
