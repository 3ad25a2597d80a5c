package schema

// keyword is what is violated.
type keyword uint8

// The keywords. Those before falseSchema are of no schema: no value may violate them.
const (
	noKeyword keyword = iota
	notJSON
	halfCharacter
	hugeExponent
	tooLarge
	tooCostly
	falseSchema
	keywordType
	keywordConst
	keywordEnum
	keywordFormat
	keywordMinLength
	keywordMaxLength
	keywordPattern
	keywordMinimum
	keywordMaximum
	keywordExclusiveMinimum
	keywordExclusiveMaximum
	keywordMultipleOf
	keywordMinProperties
	keywordMaxProperties
	keywordRequired
	keywordAdditionalProperties
	keywordPropertyNames
	keywordDependentRequired
	keywordUnevaluatedProperties
	keywordMinItems
	keywordMaxItems
	keywordUniqueItems
	keywordContains
	keywordMinContains
	keywordMaxContains
	keywordUnevaluatedItems
	keywordNot
	keywordAnyOf
	keywordOneOf
)

var keywordNames = [...]string{
	notJSON:                      "not_json",
	halfCharacter:                "half_character",
	hugeExponent:                 "huge_exponent",
	tooLarge:                     "too_large",
	tooCostly:                    "too_costly",
	falseSchema:                  "false",
	keywordType:                  "type",
	keywordConst:                 "const",
	keywordEnum:                  "enum",
	keywordFormat:                "format",
	keywordMinLength:             "minLength",
	keywordMaxLength:             "maxLength",
	keywordPattern:               "pattern",
	keywordMinimum:               "minimum",
	keywordMaximum:               "maximum",
	keywordExclusiveMinimum:      "exclusiveMinimum",
	keywordExclusiveMaximum:      "exclusiveMaximum",
	keywordMultipleOf:            "multipleOf",
	keywordMinProperties:         "minProperties",
	keywordMaxProperties:         "maxProperties",
	keywordRequired:              "required",
	keywordAdditionalProperties:  "additionalProperties",
	keywordPropertyNames:         "propertyNames",
	keywordDependentRequired:     "dependentRequired",
	keywordUnevaluatedProperties: "unevaluatedProperties",
	keywordMinItems:              "minItems",
	keywordMaxItems:              "maxItems",
	keywordUniqueItems:           "uniqueItems",
	keywordContains:              "contains",
	keywordMinContains:           "minContains",
	keywordMaxContains:           "maxContains",
	keywordUnevaluatedItems:      "unevaluatedItems",
	keywordNot:                   "not",
	keywordAnyOf:                 "anyOf",
	keywordOneOf:                 "oneOf",
}

// Keywords returns all that Violation.Keyword can be.
func Keywords() []string { return append([]string(nil), keywordNames[1:]...) }
