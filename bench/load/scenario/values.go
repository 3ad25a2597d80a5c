package scenario

// readingRest are the fields of a reading that follow its first three.
const readingRest = `,"device":"dev-004711","site":"plant 7, hall B","firmware":"2.11.4","measured_at":"2026-03-01T08:15:30.25Z",` +
	`"mode":"run","online":true,"charging":false,"temp_c":21.75,"humidity":48.5,"pressure":1013.25,"lat":52.5163,"lon":13.3777,` +
	`"speed":0.5,"battery":87,"signal":-67,"restarts":3,"note":"nothing of note"}`

// AppendReading appends the rest of a reading, an object of 20 fields whose first three
// stand in dst already.
func AppendReading(dst []byte) []byte { return append(dst, readingRest...) }
