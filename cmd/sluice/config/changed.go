package config

import (
	"reflect"
	"slices"
	"strings"
)

// Changed returns the fields in which two configurations differ, by their paths, down
// to the fields of sections: listen, limits/ping_every, auth/issuers.
func Changed(a, b *Config) []string {
	var paths []string
	changedIn("", reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem(), &paths)
	slices.Sort(paths)
	return paths
}

func changedIn(section string, a, b reflect.Value, paths *[]string) {
	for i := range a.NumField() {
		field := a.Type().Field(i)
		name, option, _ := strings.Cut(field.Tag.Get("koanf"), ",")
		if option == "squash" {
			changedIn(section, a.Field(i), b.Field(i), paths)
			continue
		}
		if !field.IsExported() || name == "" || name == "-" || reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()) {
			continue
		}
		if section == "" && field.Type.Kind() == reflect.Struct {
			changedIn(name+"/", a.Field(i), b.Field(i), paths)
			continue
		}
		*paths = append(*paths, section+name)
	}
}
