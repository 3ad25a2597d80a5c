package filter

import (
	"sync"
	"sync/atomic"
	"unique"
)

const (
	bitsEach = 2
	eachWord = 32 / bitsEach
	// maxPredicates bounds the number of predicates for which answers are kept.
	maxPredicates = 2048
	// answersSize is about what the answers of a predicate take in addition to
	// their words.
	answersSize = 160
)

// Records is a run of records in memory, numbered from 0 on. Runs are compared by
// ==, so an implementation should be a pointer.
type Records interface {
	// Room is the maximum number of records. It never changes.
	Room() int
	// Load sets r to record i.
	Load(i int, r *Record)
}

// Verdicts keeps the answers of predicates for the records of a run, for as long
// as the run is in memory. The zero value is empty. It is safe for concurrent
// use.
type Verdicts struct {
	mu   sync.RWMutex
	of   map[unique.Handle[string]]*answers
	size atomic.Int64
}

// answers holds the answers of one predicate.
type answers struct {
	words []atomic.Uint32

	mu  sync.Mutex // held while the predicate is asked, so that it is asked once
	err error      // the first error
}

// Size returns about how many bytes the verdicts take.
func (v *Verdicts) Size() int { return int(v.size.Load()) }

// find returns the answers of a predicate, and adds an empty set if there are
// none.
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

// Ask returns the answer of the filter for record i of a run, whose verdicts are v. The
// caller must have checked that the record has a key of the filter. view is used to look
// at the record; if it is nil, Ask takes one from a pool. The sets of field values are
// checked each time, because that takes little longer than finding a kept answer,
// and answers for ever other sets would take much memory; the predicates' answers are kept.
func (f *Filter) Ask(v *Verdicts, of Records, i int, view *View) Verdict {
	if len(f.FieldSets()) > 0 {
		if view == nil {
			own := views.Get().(*View)
			defer own.giveBack()
			view = own
		}
		if !f.inSets(view.At(of, i)) {
			return No
		}
	}
	return f.AskPredicates(v, of, i, view)
}

// inSets reports whether the values of a record are in the filter's sets.
func (f *Filter) inSets(r *Record) bool {
	sets := f.FieldSets()
	for k := range sets {
		if !sets[k].passes(r) {
			return false
		}
	}
	return true
}

// AskPredicates is like Ask for a record that is known to pass the filter's sets of
// field values.
func (f *Filter) AskPredicates(v *Verdicts, of Records, i int, view *View) Verdict {
	for _, p := range f.where() {
		a := v.find(p, of.Room())
		said := a.get(i)
		if said == Unknown {
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

// Known is like Ask, but asks no predicate: it returns Unknown if one would have to be
// asked.
func (f *Filter) Known(v *Verdicts, of Records, i int, view *View) Verdict {
	if len(f.FieldSets()) > 0 {
		if view == nil {
			own := views.Get().(*View)
			defer own.giveBack()
			view = own
		}
		if !f.inSets(view.At(of, i)) {
			return No
		}
	}
	for _, p := range f.where() {
		v.mu.RLock()
		a := v.of[p.id]
		v.mu.RUnlock()
		if a == nil {
			return Unknown
		}
		if said := a.get(i); said != Yes {
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
	if said := a.get(i); said != Unknown {
		return said // another goroutine has asked meanwhile
	}
	said, err := p.judge(view.At(of, i))
	if err != nil && a.err == nil {
		a.err = err
	}
	a.words[i/eachWord].Or(uint32(said) << (i % eachWord * bitsEach))
	return said
}

// Fault returns why one of the filter's predicates has failed on a record of the
// run, nil if none has.
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

// View looks at the records of runs one after another. While it stays at one
// record, the parsed parts of it are shared by all predicates. It is not safe for
// concurrent use.
type View struct {
	record Record
	of     Records
	i      int
}

// At returns record i of a run. It is valid until At is called for another record.
func (w *View) At(of Records, i int) *Record {
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

// Release drops the reference to the record that the view last looked at.
func (w *View) Release() {
	w.of = nil
	w.record.Set(nil, 0, 0, 0)
}
