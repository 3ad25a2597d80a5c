package registry

import (
	"errors"

	"github.com/twmb/franz-go/pkg/sr"
)

// languages are all of them.
var languages = []language{jsonLanguage, avroLanguage, protobufLanguage}

var errLanguage = errors.New("it is of a kind that is not supported")

// languageOf returns that of a schema of a registry.
func languageOf(registered sr.SchemaType) (language, error) {
	for _, l := range languages {
		if l.registered == registered {
			return l, nil
		}
	}
	return language{}, errLanguage
}

// check returns an error if schemas of another kind than l are wanted.
func (k Kind) check(l language) error {
	if k == AnyKind || k == l.kind {
		return nil
	}
	for _, wanted := range languages {
		if wanted.kind == k {
			return errors.New("it is not " + wanted.name)
		}
	}
	return errLanguage
}
