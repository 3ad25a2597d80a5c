package check

// identified returns the publishes with an ID, by their IDs.
func identified(publishes []Publish) map[string][]Publish {
	ids := make(map[string][]Publish)
	for _, sent := range publishes {
		if sent.ID != "" {
			ids[sent.ID] = append(ids[sent.ID], sent)
		}
	}
	return ids
}

// once compares all publishes under one ID with the log. Whatever was sent under it, and however
// often, one record is stored at most, at the place in each answer; all but one of these say
// that it was stored before; and the last answer for each record says what has become of it.
func (r *Report) once(id string, all []Publish, where map[uint64][]place) {
	sums := make(map[uint64][]Publish)
	for _, sent := range all {
		sums[sent.Sum] = append(sums[sent.Sum], sent)
	}
	var stored []place
	firsts := 0
	for sum, attempts := range sums {
		places := where[sum]
		stored = append(stored, places...)
		possible := false
		for _, sent := range attempts {
			if sent.Answer == Stored && !sent.Duplicate {
				firsts++
			}
			if at := (place{sent.Partition, sent.Offset}); sent.Answer == Stored && len(all) > 1 && (len(places) == 0 || places[0] != at) {
				r.add(StoredMissing, 1, "id %s: answered %v, found at %v", id, at, places)
			}
			possible = possible || sent.Answer != NotStored
		}
		if !possible && len(places) > 0 && len(all) > 1 {
			r.add(RejectedVisible, 1, "id %s: found at %v", id, places)
		}
		if attempts[len(attempts)-1].Answer == Unknown {
			r.add(Unsettled, 1, "id %s: sent %d times, found at %v", id, len(attempts), places)
		}
	}
	if len(stored) > 1 {
		r.add(IDStoredTwice, len(stored)-1, "id %s: %v", id, stored)
	}
	if firsts > 1 {
		r.add(NotTold, firsts-1, "id %s: %d answers do not say that it was stored before", id, firsts)
	}
}
