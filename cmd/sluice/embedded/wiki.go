package embedded

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// wiki is wiki.edits: edits of fictitious encyclopedias, keyed by wiki. The number
// of edits per wiki follows Zipf's law; the rate swells and ebbs, and now and then
// there is a rush on one page.
type wiki struct {
	seed uint64
	rate float64
}

func newWiki(seed uint64, rate float64) *wiki { return &wiki{seed: seed, rate: rate} }

type edit struct {
	Wiki     string       `json:"wiki"`
	Type     string       `json:"type"`
	Title    string       `json:"title"`
	Page     uint32       `json:"page_id"`
	User     string       `json:"user"`
	Bot      bool         `json:"bot"`
	Minor    bool         `json:"minor"`
	Revision int64        `json:"revision"`
	Length   lengthChange `json:"length"`
	Comment  string       `json:"comment"`
	At       int64        `json:"at"`
}

type lengthChange struct {
	Old int `json:"old"`
	New int `json:"new"`
}

// A rush lasts rushSeconds; one slot of that length in rushOdds has one.
const (
	rushSeconds = 6
	rushOdds    = 8
	rushFactor  = 3
)

func (w *wiki) span() time.Duration { return time.Second }

func (w *wiki) records(slot int64) []record {
	r := chance(w.seed, uint64(slot))
	begin := time.Unix(slot, 0)
	mean := w.rate * (1 + 0.4*wave(w.seed, float64(slot)/25))
	rush := chance(w.seed, 1, uint64(slot/rushSeconds))
	rushing := rush.IntN(rushOdds) == 0
	if rushing {
		mean *= rushFactor
	}
	// The mean over rushes and quiet times is the rate.
	mean /= 1 + float64(rushFactor-1)/rushOdds
	// The page of a rush stays the same for all of it.
	rushWiki := zipfWiki(rush)
	rushTitle, rushPage := pageOf(rush, rushWiki)

	records := make([]record, poisson(r, mean))
	for i := range records {
		due := begin.Add(time.Duration(r.IntN(1000)) * time.Millisecond)
		records[i] = record{due: due, ts: due}
	}
	slices.SortFunc(records, func(a, b record) int { return a.due.Compare(b.due) })
	for i := range records {
		name := zipfWiki(r)
		title, page := pageOf(r, name)
		if rushing && r.Float64() < 0.6 {
			name, title, page = rushWiki, rushTitle, rushPage
		}
		records[i].key = name
		records[i].value = w.edit(r, name, title, page, slot, i, records[i].ts)
	}
	return records
}

func (w *wiki) edit(r *rand.Rand, name, title string, page uint32, slot int64, i int, at time.Time) []byte {
	e := edit{
		Wiki:  name,
		Type:  "edit",
		Title: title,
		Page:  page,
		// Revision numbers rise with gaps, as real ones do.
		Revision: (slot-revisionEpoch)*int64(100+4*w.rate) + int64(i),
		At:       at.UnixMilli(),
	}
	e.Length.Old = 400 + int(r.ExpFloat64()*9000)
	switch dice := r.Float64(); {
	case dice < 0.06:
		e.Type, e.Length.Old = "new", 0
		e.Length.New = 300 + int(r.ExpFloat64()*2500)
		e.Comment = pick(r, newComments)
	case dice < 0.12:
		e.Length.New = max(0, e.Length.Old-int(r.ExpFloat64()*700))
		e.Comment = "Undid revision " + fmt.Sprint(e.Revision-1-int64(r.IntN(900)))
	default:
		e.Length.New = max(1, e.Length.Old+int(r.NormFloat64()*math.Exp(3+r.Float64()*3)))
		e.Minor = r.Float64() < 0.35
		e.Comment = "/* " + pick(r, sections) + " */ " + pick(r, comments)
	}
	if r.Float64() < 0.22 {
		e.Bot, e.User = true, pick(r, bots)
	} else {
		e.User = pick(r, userStarts) + pick(r, userEnds)
		if r.Float64() < 0.3 {
			e.User += fmt.Sprint(r.IntN(99))
		}
	}
	return encode(e)
}

// revisionEpoch is the Unix time, in seconds, at which revisions begin at zero.
const revisionEpoch = 1_700_000_000

// zipfWiki picks a wiki: the second half as often as the first, and so on.
func zipfWiki(r *rand.Rand) string {
	// Exponent and offset give the first of 24 wikis about a quarter of all edits.
	return wikis[rand.NewZipf(r, 1.3, 1.6, uint64(len(wikis)-1)).Uint64()]
}

// pageOf picks a page of a wiki. A title always has the same number.
func pageOf(r *rand.Rand, name string) (title string, page uint32) {
	forms := titles[name]
	if forms == nil {
		forms = titles["enwiki"]
	}
	title = strings.ReplaceAll(pick(r, forms), "#", pick(r, subjects))
	return title, uint32(mix(text(name), text(title)) % 9_000_000)
}

// encode encodes a value whose type cannot fail to encode, for people to read: with & and not
// \u0026.
func encode(v any) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		panic(fmt.Sprintf("encode %T: %v", v, err))
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

var wikis = []string{
	"enwiki", "dewiki", "wikidata", "commons", "frwiki", "eswiki", "jawiki", "ruwiki",
	"itwiki", "zhwiki", "plwiki", "ptwiki", "nlwiki", "svwiki", "ukwiki", "cswiki",
	"fiwiki", "huwiki", "dawiki", "trwiki", "alswiki", "barwiki", "ndswiki", "dewikivoyage",
}

var titles = map[string][]string{
	"enwiki": {"# railway station", "History of #", "List of bridges in #", "# Botanical Garden", "Climate of #", "Old Town (#)", "# Observatory", "Tramways in #", "# Marathon", "Geology of the # area"},
	"dewiki": {"Hauptbahnhof #", "Geschichte der Stadt #", "Liste der Brücken in #", "Botanischer Garten #", "Naturschutzgebiet # Nord", "Straßenbahn #", "Sternwarte #", "Liste der Naturdenkmale in #", "Wasserturm #", "Freilichtmuseum #"},
	"frwiki": {"Gare de #", "Histoire de #", "Liste des ponts de #", "Jardin botanique de #", "Tramway de #"},
	"eswiki": {"Estación de #", "Historia de #", "Anexo:Puentes de #", "Jardín botánico de #"},
	"itwiki": {"Stazione di #", "Storia di #", "Ponti di #", "Orto botanico di #"},
	"plwiki": {"Dworzec w #", "Historia miasta #", "Mosty w #", "Ogród botaniczny (#)"},
	"nlwiki": {"Station #", "Geschiedenis van #", "Lijst van bruggen in #"},
	"svwiki": {"# centralstation", "Broar i #", "# botaniska trädgård"},
	"wikidata": {
		"Item: # railway station", "Item: bridge in #", "Item: museum in #", "Item: river near #", "Property: located in #",
	},
	"commons":      {"File:# Market Square at dusk.jpg", "File:# Altstadt Panorama.jpg", "Category:Bridges in #", "File:Map of # 1890.png", "File:Tram in #.webm"},
	"alswiki":      {"Bahnhof #", "Gschicht vo #", "Brugge z #"},
	"barwiki":      {"Bohhof #", "Gschicht vo #", "Bruckn in #"},
	"ndswiki":      {"Bahnhoff #", "Histoorje vun #", "Brüggen in #"},
	"dewikivoyage": {"#", "#/Altstadt", "Radfernweg nach #", "Wandern bei #"},
}

var subjects = []string{
	"Regensburg", "Görlitz", "Lübeck", "Freiburg", "Passau", "Bamberg", "Weimar", "Stralsund", "Heidelberg", "Erfurt",
	"Konstanz", "Oldenburg", "Cottbus", "Trier", "Wismar", "Coburg", "Salzburg", "Innsbruck", "Winterthur", "Chur",
	"York", "Bath", "Inverness", "Canterbury", "Galway", "Bergen", "Uppsala", "Turku", "Utrecht", "Ghent",
	"Nancy", "Annecy", "Girona", "Évora", "Bologna", "Trieste", "Ljubljana", "Brno", "Olomouc", "Toruń",
}

var (
	sections    = []string{"History", "Geography", "Transport", "References", "Lage", "Geschichte", "Einzelnachweise", "Weblinks", "Architecture", "Literatur", "Climate", "See also"}
	comments    = []string{"typo", "source added", "Beleg ergänzt", "link fixed", "copyedit", "Tippfehler", "format", "updated figures", "Bild eingefügt", "clarified opening year", "Kategorie ergänzt", "dead link replaced by archive", "Einwohnerzahl aktualisiert"}
	newComments = []string{"Created page", "neu angelegt", "stub", "translated from dewiki", "Artikel begonnen"}
	bots        = []string{"LinkFixBot", "KategorieBot", "InterlinkBot", "ArchiveBot7", "TypoBot", "CoordBot"}
	userStarts  = []string{"Heide", "Moos", "Granit", "Nebel", "River", "Copper", "Kiesel", "North", "Amber", "Linden", "Quill", "Sand", "Birch", "Wolken"}
	userEnds    = []string{"hummel", "fox", "reader", "läufer", "blüte", "otter", "smith", "vogel", "stone", "kater", "walker", "falter"}
)
