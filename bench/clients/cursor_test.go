package clients

import "testing"

// The text is one that the server makes: orders, partition 0 at 118273 with epoch 3, and
// partition 5 at 9007199254740991 without one.
const madeByTheServer = "v1.-9rn5580AQZvcmRlcnMBAQIDAAAAAAAAAAAAAAAAEAIAgZwHBgT_________DwcAAAAA"

func TestCursorsAreDescribed(t *testing.T) {
	t.Parallel()
	for cursor, want := range map[string]string{
		madeByTheServer:          "0:118273 (epoch 3), 5:9007199254740991 (epoch -1)",
		madeByTheServer + "~5:7": "0:118273 (epoch 3), 5:9007199254740991 (epoch -1), seen 5:7",
		"":                       "nothing",
		"v1.":                    "",
		"v1.AA":                  "",
		madeByTheServer[:40]:     "",
	} {
		if got := describe(cursor); want != "" && got != want {
			t.Errorf("%s: got %q, want %q", cursor, got, want)
		}
	}
	if got := behind(madeByTheServer, madeByTheServer); got != "" {
		t.Errorf("the same: %q", got)
	}
	if got, want := behind(madeByTheServer, "v1.AAEGb3JkZXJzAAIAAQIFAQE"), "partition 0: sent 118273 (epoch 3), stored 1 (epoch 1); "+
		"partition 5: sent 9007199254740991 (epoch -1), stored 0 (epoch 0)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
