package embedded

import "math"

// city is a location on the map with its airport's three-letter code.
type city struct {
	name, code string
	lat, lon   float64
}

// western and eastern cities are some 250 to 1,200 km apart.
var (
	western = []city{
		{"Amsterdam", "AMS", 52.31, 4.76},
		{"Brüssel", "BRU", 50.90, 4.48},
		{"Köln", "CGN", 50.87, 7.14},
		{"Frankfurt", "FRA", 50.03, 8.57},
		{"Luxemburg", "LUX", 49.63, 6.21},
		{"Zürich", "ZRH", 47.46, 8.55},
		{"Basel", "BSL", 47.59, 7.53},
		{"Straßburg", "SXB", 48.54, 7.63},
		{"Hamburg", "HAM", 53.63, 9.99},
		{"Bremen", "BRE", 53.05, 8.79},
	}
	eastern = []city{
		{"Berlin", "BER", 52.36, 13.50},
		{"Leipzig", "LEJ", 51.42, 12.24},
		{"Dresden", "DRS", 51.13, 13.77},
		{"Prag", "PRG", 50.10, 14.26},
		{"Wien", "VIE", 48.11, 16.57},
		{"Graz", "GRZ", 46.99, 15.44},
		{"Krakau", "KRK", 50.08, 19.78},
		{"Breslau", "WRO", 51.10, 16.89},
		{"Kopenhagen", "CPH", 55.62, 12.66},
		{"Budapest", "BUD", 47.44, 19.26},
	}
)

const (
	earthKm = 6371.0
	degree  = math.Pi / 180
)

// arc returns the angle between two cities, in radians, along a great circle.
func arc(a, b city) float64 {
	h := math.Pow(math.Sin((b.lat-a.lat)*degree/2), 2) +
		math.Cos(a.lat*degree)*math.Cos(b.lat*degree)*math.Pow(math.Sin((b.lon-a.lon)*degree/2), 2)
	return 2 * math.Asin(math.Sqrt(h))
}

// between returns the point at a fraction of the great circle from a to b.
func between(a, b city, fraction float64) (lat, lon float64) {
	d := arc(a, b)
	p, q := math.Sin((1-fraction)*d)/math.Sin(d), math.Sin(fraction*d)/math.Sin(d)
	x := p*math.Cos(a.lat*degree)*math.Cos(a.lon*degree) + q*math.Cos(b.lat*degree)*math.Cos(b.lon*degree)
	y := p*math.Cos(a.lat*degree)*math.Sin(a.lon*degree) + q*math.Cos(b.lat*degree)*math.Sin(b.lon*degree)
	z := p*math.Sin(a.lat*degree) + q*math.Sin(b.lat*degree)
	return math.Atan2(z, math.Hypot(x, y)) / degree, math.Atan2(y, x) / degree
}

// bearing returns the compass direction from one point to another, 0 to 360.
func bearing(lat1, lon1, lat2, lon2 float64) float64 {
	turn := (lon2 - lon1) * degree
	y := math.Sin(turn) * math.Cos(lat2*degree)
	x := math.Cos(lat1*degree)*math.Sin(lat2*degree) - math.Sin(lat1*degree)*math.Cos(lat2*degree)*math.Cos(turn)
	return math.Mod(math.Atan2(y, x)/degree+360, 360)
}
