package protobuf_test

import (
	"strings"
	"testing"

	"sluice/hub/schema"
)

// TestViolations: all that is wrong with a document, with where it is.
func TestViolations(t *testing.T) {
	t.Parallel()
	p, old := compilePair(t, everything, "test.All"), compilePair(t, older, "test.Old")
	for document, want := range map[string]string{
		`[]`:                                  ` type must be an object`,
		`null`:                                ` type must be an object`,
		`{"nothing":1,"child":{"nothing":2}}`: `/nothing additionalProperties is a property that the schema does not have; /child/nothing additionalProperties is a property that the schema does not have`,
		`{"anInt32":1,"an_int32":1}`:          `/an_int32 oneOf is the same field as another property: a field has two names`,
		`{"an_int32":null,"anInt32":2}`:       ``,
		`{"oneInt32":1,"oneString":"a"}`:      `/oneString oneOf is one of several properties that exclude each other, and another one is set`,
		`{"oneInt32":null,"oneString":"a"}`:   ``,
		`{"oneNull":null,"oneInt32":1}`:       `/oneInt32 oneOf is one of several properties that exclude each other, and another one is set`,
		`{"int32s":[1,"x",null,2.5,{}],"strings":[1],"children":[{},{"bools":[0]}]}`: `/int32s/1 type must be an integer of 32 bits (-2147483648 to 2147483647); /int32s/2 type must be an integer of 32 bits (-2147483648 to 2147483647); ` +
			`/int32s/3 type must be an integer of 32 bits (-2147483648 to 2147483647); /int32s/4 type must be an integer of 32 bits (-2147483648 to 2147483647); /strings/0 type must be a string; /children/1/bools/0 type must be a boolean`,
		`{"anInt32":2147483648}`:           `/anInt32 range must be an integer of 32 bits (-2147483648 to 2147483647)`,
		`{"aUint32":-1}`:                   `/aUint32 range must be an integer of 32 bits without a sign (0 to 4294967295)`,
		`{"anInt64":9223372036854775808}`:  `/anInt64 range must be an integer of 64 bits (-9223372036854775808 to 9223372036854775807)`,
		`{"anInt64":" 1"}`:                 `/anInt64 type must be an integer of 64 bits (-9223372036854775808 to 9223372036854775807)`,
		`{"aUint64":18446744073709551616}`: `/aUint64 range must be an integer of 64 bits without a sign (0 to 18446744073709551615)`,
		`{"aUint64":18446744073709551625}`: `/aUint64 range must be an integer of 64 bits without a sign (0 to 18446744073709551615)`,
		`{"any":{"@type":"test.All"}}`:     `/any/@type enum must be type.googleapis.com/ and the name of a message of the schema`,
		`{"aUint64":1e20}`:                 `/aUint64 range must be an integer of 64 bits without a sign (0 to 18446744073709551615)`,
		`{"aDouble":1e999,"aFloat":1e39}`:  `/aDouble range must be a number that a float of 64 bits can hold; /aFloat range must be a number that a float of 32 bits can hold`,
		`{"color":"PINK"}`:                 `/color enum must be one of RED, GREEN, BLUE`,
		`{"color":true}`:                   `/color type must be one of RED, GREEN, BLUE`,
		`{"color":2147483648}`:             `/color enum must be one of RED, GREEN, BLUE`,
		`{"someBytes":"*"}`:                `/someBytes format must be a string of base64`,
		`{"someBytes":"AA\n=="}`:           `/someBytes format must be a string of base64`,
		`{"aString":"\ud800"}`:             `/aString half_character has half of a character (\ud800 to \udfff without its other half), which readers take for different texts`,
		`{"byInt32":{"a~/":"x","01":"","1":1,"-0":""}}`: `/byInt32/a~0~1 propertyNames must have a name that is an integer of 32 bits (-2147483648 to 2147483647); /byInt32/01 propertyNames must have a name that is an integer of 32 bits (-2147483648 to 2147483647); ` +
			`/byInt32/1 type must be a string; /byInt32/-0 propertyNames must have a name that is an integer of 32 bits (-2147483648 to 2147483647)`,
		`{"byBool":{"True":{}}}`:                   `/byBool/True propertyNames must have the name true or false`,
		`{"at":"2026-1-01T00:00:00Z"}`:             `/at format must be a timestamp of RFC 3339 in the years 0001 to 9999, such as 2026-11-29T12:00:00.5Z`,
		`{"at":"2026-01-01T00:00:00,5Z"}`:          `/at format must be a timestamp of RFC 3339 in the years 0001 to 9999, such as 2026-11-29T12:00:00.5Z`,
		`{"took":"1"}`:                             `/took format must be a duration in seconds of up to 10,000 years, such as 1.5s`,
		`{"took":"1.s"}`:                           `/took format must be a duration in seconds of up to 10,000 years, such as 1.5s`,
		`{"took":"315576000000.1s"}`:               `/took format must be a duration in seconds of up to 10,000 years, such as 1.5s`,
		`{"mask":"a_b"}`:                           `/mask format must be a list of fields in lowerCamelCase with commas between them, such as user.displayName,photo`,
		`{"any":{"a":1}}`:                          `/any required must have the property "@type"`,
		`{"any":{"@type":"x/nothing"}}`:            `/any/@type enum must be type.googleapis.com/ and the name of a message of the schema`,
		`{"any":{"aBool":1,"@type":"x/test.All"}}`: `/any/aBool type must be a boolean`,

		`{"any":{"@type":"x/google.protobuf.Duration","value":"x"}}`: `/any/value format must be a duration in seconds of up to 10,000 years, such as 1.5s`,
		`{"any":{"@type":"x/google.protobuf.Duration"}}`:             `/any required must have the properties "@type" and "value", and no others`,

		`{"wInt32":"x"}`: `/wInt32 type must be an integer of 32 bits (-2147483648 to 2147483647)`,
	} {
		_, result := p.message.Encode(nil, []byte(document), limits)
		if got := words(result.Violations); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", document, got, want)
		}
	}
	if _, result := old.message.Encode(nil, []byte(`{"inner":{"deeper":{"text":1}},"Many":[{}]}`), limits); words(result.Violations) !=
		` required must have the property "id"; /inner/deeper required must have the property "id"; /inner/deeper/text type must be a string; /Many/0 required must have the property "n"` {
		t.Errorf("got %s", words(result.Violations))
	}
	if _, result := old.message.Encode(nil, []byte(`{"id":1,"size":7,"[test.sizes]":[2,3]}`), limits); words(result.Violations) !=
		"/size enum must be one of SMALL, LARGE; /[test.sizes]/1 enum must be one of SMALL, LARGE" {
		t.Errorf("got %s", words(result.Violations))
	}
	_, result := p.message.Encode(nil, []byte(`{"strings":[1,2,3,4]}`), schema.Limits{Steps: 1000, Violations: 2})
	if len(result.Violations) != 2 || !result.More {
		t.Errorf("got %+v", result)
	}
	if _, result = p.message.Encode(nil, []byte(`{"strings":[1,2]}`), schema.Limits{Steps: 1000, Violations: 2}); result.More {
		t.Errorf("got %+v", result)
	}
	if _, result = p.message.Encode(nil, []byte(`{"strings":[`+strings.Repeat(`"",`, 2000)+`""]}`), schema.Limits{Steps: 1000, Violations: 2}); words(result.Violations) !=
		" too_costly takes too many steps to be encoded (limit schema_steps): send less in one request" {
		t.Errorf("got %+v", result)
	}
}

func words(violations []schema.Violation) string {
	var all []string
	for _, v := range violations {
		all = append(all, v.Pointer+" "+v.Keyword+" "+v.Message)
	}
	return strings.Join(all, "; ")
}

// TestDigits: integers keep all of their digits, however they are written.
func TestDigits(t *testing.T) {
	t.Parallel()
	s := compile(t, everything)
	m := message(t, s, "")
	for in, want := range map[string]string{
		`{"anInt64":9007199254740993}`:                    `{"anInt64":"9007199254740993"}`,
		`{"anInt64":"9007199254740993"}`:                  `{"anInt64":"9007199254740993"}`,
		`{"anInt64":9223372036854775807}`:                 `{"anInt64":"9223372036854775807"}`,
		`{"anInt64":-9223372036854775808}`:                `{"anInt64":"-9223372036854775808"}`,
		`{"anInt64":900719925474099.3e1}`:                 `{"anInt64":"9007199254740993"}`,
		`{"aUint64":1844674407370955161500000000e-8}`:     `{"aUint64":"18446744073709551615"}`,
		`{"aUint64":0.00018446744073709551615e23}`:        `{"aUint64":"18446744073709551615"}`,
		`{"anInt32":-0}`:                                  `{}`,
		`{"anInt32":0e999999999999999999999}`:             `{}`,
		`{"anInt32":1000000000000000000000000000000e-30}`: `{"anInt32":1}`,
		`{"anInt32":5.0}`:                                 `{"anInt32":5}`,
		`{"aDouble":-0.0}`:                                `{"aDouble":-0}`,
		`{"aDouble":"1e3"}`:                               `{"aDouble":1000}`,
	} {
		value, result := m.Encode(nil, []byte(in), limits)
		if len(result.Violations) > 0 {
			t.Errorf("%s: %v", in, result)
			continue
		}
		if got, err := s.AppendJSON(nil, value, 1000); err != nil || string(got) != want {
			t.Errorf("%s: got %s, %v, want %s", in, got, err, want)
		}
	}
}

// TestHostileDocuments: documents that nest, or have much in them, take bounded time.
func TestHostileDocuments(t *testing.T) {
	t.Parallel()
	p := compilePair(t, everything, "test.All")
	deep := func(begin, end string, levels int) string {
		return strings.Repeat(begin, levels) + strings.Repeat(end, levels)
	}
	for document, fine := range map[string]bool{
		`{"child":` + deep(`{"child":`, "", 99) + `{}` + strings.Repeat("}", 100):                                true,
		`{"child":` + deep(`{"child":`, "", 100) + `{}` + strings.Repeat("}", 101):                               false,
		`{"child":` + deep(`{"child":`, "", 98) + `{"byString":{"a":1}}` + strings.Repeat("}", 99):               true,
		`{"child":` + deep(`{"child":`, "", 99) + `{"byString":{"a":1}}` + strings.Repeat("}", 100):              false,
		`{"anyValue":` + deep("[", "]", 40) + `}`:                                                                true,
		`{"anyValue":` + deep("[", "]", 60) + `}`:                                                                false,
		`{"object":` + deep(`{"a":`, "", 60) + "1" + strings.Repeat("}", 61):                                     false,
		`{"any":` + deep(`{"@type":"x/google.protobuf.Any","value":`, "", 120) + "{}" + strings.Repeat("}", 121): false,
	} {
		value, result := p.message.Encode(nil, []byte(document), limits)
		if (len(result.Violations) == 0) != fine {
			t.Errorf("%.100s: %v", document, result)
		}
		if !fine {
			continue
		}
		if _, err := p.schema.AppendJSON(nil, value, 1<<20); err != nil {
			t.Errorf("%.100s: cannot be shown: %v", document, err)
		}
	}
}

// TestSizesTakeSteps: what is moved for the size of each message around it is counted.
func TestSizesTakeSteps(t *testing.T) {
	t.Parallel()
	const levels, size = 40, 1 << 16
	p := compilePair(t, everything, "test.All")
	_, result := p.message.Encode(nil, []byte(`{"anyValue":`+strings.Repeat("[", levels)+`"`+strings.Repeat("a", size)+`"`+strings.Repeat("]", levels)+`}`), limits)
	if len(result.Violations) > 0 || result.Steps < levels*size/512 {
		t.Errorf("took %d steps, %v", result.Steps, result.Violations)
	}
}
