package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"

	"sluice/web/client"
)

// brief is how long the JavaScript client may be cached under names that stay the same
// when the server is another one.
const brief = "public, max-age=300"

// clientPath is how the paths of the JavaScript client begin.
const clientPath = "/sluice"

// clientModule is the module that a page imports.
const clientModule = "sluice.js"

// loadClient returns the JavaScript client: at "/sluice.js", its companions below
// "/sluice/", all of them below "/sluice-HASH", where they never change, and the package
// for npm at "/sluice.tgz"; and the Python client at "/sluice.py".
func loadClient() (files, error) {
	modules, err := client.Modules()
	if err != nil {
		return nil, err
	}
	pack, err := client.Package()
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	names := slices.Sorted(maps.Keys(modules))
	for _, name := range names {
		fmt.Fprintf(sum, "%s %d\n%s", name, len(modules[name]), modules[name])
	}
	fixed := "/sluice-" + hex.EncodeToString(sum.Sum(nil)[:8])
	all := files{}
	add := func(path, extension, caching string, body []byte) error {
		all.add(path, extension, caching, body)
		f := all[path]
		f.public = true
		if f.zipped, err = zipped(body); err != nil {
			return fmt.Errorf("compress %s: %w", path, err)
		}
		all[path] = f
		return nil
	}
	for _, name := range names {
		extension := path.Ext(name)
		places := map[string]string{"/sluice/" + name: brief, fixed + "/" + name: forEver}
		if name == clientModule {
			places["/"+name] = brief
			places[fixed+extension] = forEver
		}
		for place, caching := range places {
			if err := add(place, extension, caching, modules[name]); err != nil {
				return nil, err
			}
			f, up := all[place], strings.Repeat("../", strings.Count(place, "/")-1)
			if extension == ".js" {
				// Deno reads the types of a module from there.
				f.types = up + fixed[1:] + "/" + strings.TrimSuffix(name, extension) + ".d.ts"
			}
			if caching == brief {
				f.fixed = up + fixed[1:] + "/" + name
			}
			all[place] = f
		}
	}
	all.add("/sluice.tgz", ".tgz", brief, pack)
	python, err := client.Python()
	if err != nil {
		return nil, err
	}
	if err := add("/sluice.py", ".py", brief, python); err != nil {
		return nil, err
	}
	return all, nil
}

func zipped(body []byte) ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err //nolint:wrapcheck // the caller says what it was about
	}
	if _, err := z.Write(body); err != nil {
		return nil, err //nolint:wrapcheck // the same
	}
	err = z.Close()
	return b.Bytes(), err //nolint:wrapcheck // the same
}

// takesGzip reports whether a client accepts gzip by name (RFC 9110, section 12.5.3).
func takesGzip(r *http.Request) bool {
	for _, line := range r.Header.Values("Accept-Encoding") {
		for coding := range strings.SplitSeq(line, ",") {
			name, parameters, _ := strings.Cut(coding, ";")
			if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
				continue
			}
			weight, found := strings.CutPrefix(strings.ReplaceAll(strings.ToLower(parameters), " ", ""), "q=")
			if !found {
				return true
			}
			q, err := strconv.ParseFloat(weight, 64)
			return err == nil && q > 0
		}
	}
	return false
}
