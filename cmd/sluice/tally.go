package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"sluice/transport/client"
)

// tally is what tail has seen.
type tally struct {
	begun         time.Time
	records, gaps int
}

func (t *tally) note(event client.Event) {
	switch event.(type) {
	case client.Record:
		t.records++
	case client.Gap:
		t.gaps++
	}
}

func (t *tally) print(out io.Writer, now time.Time) {
	took := now.Sub(t.begun)
	fmt.Fprintf(out, "sluice: %d records in %s, %.1f a second; %d gaps\n", t.records, took.Round(100*time.Millisecond), float64(t.records)/took.Seconds(), t.gaps)
}

// pick returns fields of a record in JSON, separated by tabs: texts as they are, with tabs and
// line ends escaped, and other values in JSON.
func pick(record []byte, fields []string) []byte {
	texts := make([]string, len(fields))
	for i, path := range fields {
		switch found := gjson.GetBytes(record, path); {
		case !found.Exists():
			texts[i] = "-"
		case found.Type == gjson.String:
			texts[i] = strings.NewReplacer("\\", `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`).Replace(found.Str)
		default:
			texts[i] = found.Raw
		}
	}
	return []byte(strings.Join(texts, "\t"))
}
