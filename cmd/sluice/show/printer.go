package show

import (
	"bytes"
	"io"
	"strings"

	"github.com/tidwall/gjson"

	"sluice/cmd/sluice/terminal"
	"sluice/transport/client"
)

// Form is what a line shows of a record.
type Form int

// The forms.
const (
	// Lines are JSON, with a time in words.
	Lines Form = iota
	// Wire is the event as the server sent it. Gaps and other events of the stream are lines
	// as well.
	Wire
	// Values are the values alone.
	Values
	// Fields are some fields, separated by tabs.
	Fields
)

// Printer prints records, each as a line.
type Printer struct {
	Out  io.Writer
	Form Form
	// Paths are those of Fields. With Raw, texts are printed without escapes of tabs and line
	// ends.
	Paths []Path
	Raw   bool
	// Color prints JSON in colours.
	Color bool
	// Safe replaces what a terminal could take for a command.
	Safe bool

	buf []byte
}

// Record prints a record that has its Wire.
func (p *Printer) Record(r client.Record) error {
	text, err := p.text(r)
	if err != nil {
		return err
	}
	return p.print(text, p.Form == Lines || p.Form == Wire)
}

// Event prints an event other than a record as on the wire, if the form shows it.
func (p *Printer) Event(event client.Event) error {
	if p.Form != Wire {
		return nil
	}
	text := wireOf(event)
	if text == nil {
		return nil
	}
	return p.print(text, true)
}

func (p *Printer) print(text []byte, isJSON bool) error {
	if p.Safe {
		text = terminal.AppendSafe(nil, text)
	}
	p.buf = p.buf[:0]
	if p.Color && isJSON {
		p.buf = terminal.AppendJSON(p.buf, text)
	} else {
		p.buf = append(p.buf, text...)
	}
	p.buf = append(p.buf, '\n')
	_, err := p.Out.Write(p.buf)
	return err
}

func (p *Printer) text(r client.Record) ([]byte, error) {
	switch p.Form {
	case Wire:
		return r.Wire, nil
	case Values:
		return r.Value()
	case Fields:
		return pick(r.Wire, p.Paths, p.Raw), nil
	}
	return lineOf(r)
}

var escapes = strings.NewReplacer("\\", `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`)

// pick returns fields of an event, separated by tabs: texts as they are, with tabs and line
// ends escaped unless they are wanted raw, and other values in JSON; - for none.
func pick(event []byte, paths []Path, raw bool) []byte {
	var out bytes.Buffer
	for i, path := range paths {
		if i > 0 {
			out.WriteByte('\t')
		}
		switch found := path.find(event); {
		case !found.Exists():
			out.WriteByte('-')
		case found.Type == gjson.String && raw:
			out.WriteString(found.Str)
		case found.Type == gjson.String:
			out.WriteString(escapes.Replace(found.Str))
		default:
			out.WriteString(found.Raw)
		}
	}
	return out.Bytes()
}
