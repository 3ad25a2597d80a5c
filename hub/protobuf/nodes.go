package protobuf

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"sluice/hub/jsonscan"
)

// maxSymbols bounds what a message to people lists of an enumeration, in bytes.
const maxSymbols = 120

var errEmpty = errors.New("it has no message")

// builder makes nodes of the descriptors of all files.
type builder struct {
	messages map[string]*message
	enums    map[protoreflect.FullName]*enum
	oneofs   int
	filled   []filling
}

// filling is a message whose fields are not made yet.
type filling struct {
	to   *message
	from protoreflect.MessageDescriptor
}

// build makes the nodes of files, of which the last is that of the schema.
func build(files []protoreflect.FileDescriptor) (*Schema, error) {
	b := builder{messages: map[string]*message{}, enums: map[protoreflect.FullName]*enum{}}
	var tops []*message
	var extensions []protoreflect.ExtensionDescriptor
	for _, f := range files {
		tops = b.declare(f.Messages(), nil, nil)
		extensions = appendExtensions(extensions, f.Extensions(), f.Messages())
	}
	if len(tops) == 0 {
		return nil, errEmpty
	}
	for _, f := range b.filled {
		f.to.first, f.to.oneofs = b.oneofs, f.from.Oneofs().Len()
		b.oneofs += f.to.oneofs
		for i := range f.from.Fields().Len() {
			d := f.from.Fields().Get(i)
			oneof := noOneof
			if in := d.ContainingOneof(); in != nil && !in.IsSynthetic() {
				oneof = in.Index()
			}
			b.add(f.to, d, d.JSONName(), oneof)
		}
	}
	for _, d := range extensions {
		if to := b.messages[string(d.ContainingMessage().FullName())]; to != nil {
			b.add(to, d, "["+string(d.FullName())+"]", noOneof)
		}
	}
	for _, f := range b.filled {
		if err := f.to.index(f.from); err != nil {
			return nil, err
		}
	}
	return &Schema{tops: tops, messages: b.messages, oneofs: b.oneofs}, nil
}

// declare makes the nodes of messages without their fields, and returns those that message
// indexes count: neither the entries of maps, nor groups.
func (b *builder) declare(list protoreflect.MessageDescriptors, path []int, groups map[protoreflect.FullName]bool) (counted []*message) {
	for i := range list.Len() {
		d := list.Get(i)
		made := &message{name: string(d.FullName())}
		if isStandard(d.ParentFile().Path()) {
			made.special = specials[d.FullName()]
		}
		b.messages[made.name] = made
		b.filled = append(b.filled, filling{made, d})
		own := map[protoreflect.FullName]bool{}
		for n := range d.Fields().Len() {
			if f := d.Fields().Get(n); f.Kind() == protoreflect.GroupKind && d.ParentFile().Syntax() == protoreflect.Proto2 {
				own[f.Message().FullName()] = true
			}
		}
		at := append(slices.Clip(path), len(counted))
		made.nested = b.declare(d.Messages(), at, own)
		if d.IsMapEntry() || groups[d.FullName()] {
			continue
		}
		made.indexes = appendIndexes(nil, at)
		counted = append(counted, made)
	}
	return counted
}

func appendExtensions(all []protoreflect.ExtensionDescriptor, of protoreflect.ExtensionDescriptors, in protoreflect.MessageDescriptors) []protoreflect.ExtensionDescriptor {
	for i := range of.Len() {
		all = append(all, of.Get(i))
	}
	for i := range in.Len() {
		all = appendExtensions(all, in.Get(i).Extensions(), in.Get(i).Messages())
	}
	return all
}

// add adds a field to a message.
func (b *builder) add(to *message, d protoreflect.FieldDescriptor, name string, oneof int) {
	f := field{
		number: d.Number(), kind: d.Kind(), wire: wireOf(d.Kind()), name: name, json: append(jsonscan.AppendString(nil, name), ':'),
		list: d.IsList(), object: d.IsMap(), packed: d.IsPacked(), presence: d.HasPresence() || d.IsExtension(), oneof: oneof,
	}
	switch f.kind {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		f.message = b.messages[string(d.Message().FullName())]
	case protoreflect.EnumKind:
		f.enum = b.enum(d.Enum())
	}
	to.fields = append(to.fields, f)
}

// index orders the fields of a message, and finds them by name.
func (m *message) index(d protoreflect.MessageDescriptor) error {
	slices.SortFunc(m.fields, func(a, b field) int { return cmp.Compare(a.number, b.number) })
	m.names = make(map[string]int, len(m.fields))
	required := d.RequiredNumbers()
	for i := range m.fields {
		f := &m.fields[i]
		if _, twice := m.names[f.name]; twice || strings.HasPrefix(f.name, "@") {
			return fmt.Errorf("the message %.100q has two fields with the same JSON name, or one with a name that begins with @", m.name)
		}
		m.names[f.name] = i
		if required.Has(f.number) {
			m.required = append(m.required, i)
		}
	}
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		for _, name := range []string{f.TextName(), string(f.Name())} {
			if _, taken := m.names[name]; !taken {
				m.names[name] = m.find(f.Number(), 0)
			}
		}
	}
	return nil
}

func (b *builder) enum(d protoreflect.EnumDescriptor) *enum {
	if made := b.enums[d.FullName()]; made != nil {
		return made
	}
	made := &enum{
		closed: d.IsClosed(), shown: map[protoreflect.EnumNumber][]byte{}, numbers: map[string]protoreflect.EnumNumber{},
		null: d.FullName() == "google.protobuf.NullValue" && isStandard(d.ParentFile().Path()),
	}
	b.enums[d.FullName()] = made
	made.must = "must be one of "
	for i := range d.Values().Len() {
		v := d.Values().Get(i)
		made.numbers[string(v.Name())] = v.Number()
		if made.shown[v.Number()] == nil {
			made.shown[v.Number()] = jsonscan.AppendString(nil, string(v.Name()))
		}
		switch name := string(v.Name()); {
		case i == 0:
			made.must += name
		case len(made.must)+len(name) <= maxSymbols:
			made.must += ", " + name
		case !strings.HasSuffix(made.must, "…"):
			made.must += ", …"
		}
	}
	return made
}
