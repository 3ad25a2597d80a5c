// Complete programs that read a stream from a position on, to be copied.
//
// None contains a token: those that need one ask for it, or take it from the variable SLUICE_TOKEN.

import { several } from "./rows.js";

// Strings in JSON are strings in JavaScript, Go and Python, too.
const quoted = JSON.stringify;

// programs are by language. Each takes { base, stream, from, key, filter, token }: the server's
// address, what is read, of a stream or of a pattern, and whether a token is needed.
export const programs = { curl, JavaScript: javascript, Go: go, Python: python };

function parameters({ from, key, filter }) {
  return [["from", from], ["key", key], ["filter", filter]].filter(([, value]) => value);
}

const path = ({ base, stream }) => (several(stream) ? `${base}v1/events` : `${base}v1/streams/${encodeURIComponent(stream)}/events`);

// query are the parameters of an address; the name of a pattern is one of them.
const query = (read) => [...(several(read.stream) ? [["stream", read.stream]] : []), ...parameters(read)];

const address = (read) => `${path(read)}?${new URLSearchParams(query(read)).toString().replaceAll("%3A", ":").replaceAll("%2C", ",")}`;

// word is a word of a shell's command.
const word = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

function curl(read) {
  const data = query(read).map(([name, value]) => ` \\\n  --data-urlencode ${word(`${name}=${value}`)}`).join("");
  const token = read.token ? ` \\\n  -H "Authorization: Bearer $SLUICE_TOKEN"` : "";
  return `curl -N -G ${word(path(read))}${data}${token}\n`;
}

function javascript(read) {
  const token = read.token ? `, { token: prompt("A token") }` : "";
  const options = Object.fromEntries(parameters(read));
  return `// In a module of a page, or in the console of a page's developer tools.
const { connect } = await import(${quoted(`${read.base}sluice.js`)});

const client = connect(${quoted(read.base)}${token});
for await (const event of client.subscribe(${quoted(read.stream)}, ${quoted(options)})) {
  console.log(${several(read.stream) ? "event.stream, " : ""}event.partition, event.offset, event.key, event.data);
}
`;
}

function go(read) {
  const token = read.token ? `\n\trequest.Header.Set("Authorization", "Bearer "+os.Getenv("SLUICE_TOKEN"))` : "";
  return `// Prints the records of a stream, and continues where it was when the connection is lost.
package main

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"net/http"${read.token ? `\n\t"os"` : ""}
	"strings"
	"time"
)

const address = ${quoted(address(read))}

func main() {
	last := "" // the id of the last event, which is the position after it
	for {
		log.Print(listen(&last))
		time.Sleep(time.Second)
	}
}

func listen(last *string) error {
	request, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		log.Fatal(err)
	}${token}
	if *last != "" {
		request.Header.Set("Last-Event-ID", *last)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode < 500 && response.StatusCode != http.StatusOK && response.StatusCode != http.StatusTooManyRequests {
		why, _ := io.ReadAll(response.Body)
		log.Fatalf("%s: %s", response.Status, why)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the server answers %s", response.Status)
	}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 16<<20)
	event, data := "", ""
	for lines.Scan() {
		switch name, value, _ := strings.Cut(lines.Text(), ": "); name {
		case "event":
			event = value
		case "data":
			data = value
		case "id":
			*last = value
		case "": // the event is complete
			switch {
			case event == "" && data != "":
				fmt.Println(data)
			case event == "sluice.gap":
				log.Print("records are missing: ", data)
			case event == "sluice.close" && !strings.Contains(data, \`"action":"resume"\`):
				log.Fatal(data)
			}
			event, data = "", ""
		}
	}
	return fmt.Errorf("the connection has ended: %v", lines.Err())
}
`;
}

function python(read) {
  const token = read.token ? `, "Authorization": "Bearer " + os.environ["SLUICE_TOKEN"]` : "";
  return `# Prints the records of a stream, and continues where it was when the connection is lost.
import http.client, json, ${read.token ? "os, " : ""}sys, time, urllib.error, urllib.request

ADDRESS = ${quoted(address(read))}

last = ""  # the id of the last event, which is the position after it
while True:
    headers = {"Accept": "text/event-stream"${token}}
    if last:
        headers["Last-Event-ID"] = last
    try:
        with urllib.request.urlopen(urllib.request.Request(ADDRESS, headers=headers), timeout=60) as lines:
            event = data = ""
            for line in lines:
                name, _, value = line.decode().rstrip("\\r\\n").partition(": ")
                if name == "event":
                    event = value
                elif name == "data":
                    data = value
                elif name == "id":
                    last = value
                elif name == "":  # the event is complete
                    if event == "" and data:
                        record = json.loads(data)
                        print(${several(read.stream) ? `record["stream"], ` : ""}record["partition"], record["offset"], record["key"], record["data"], flush=True)
                    elif event == "sluice.gap":
                        print("records are missing:", data, file=sys.stderr)
                    elif event == "sluice.close" and json.loads(data)["action"] != "resume":
                        sys.exit(data)
                    event = data = ""
    except urllib.error.HTTPError as refused:
        if refused.code < 500 and refused.code != 429:
            sys.exit(refused.read().decode())
        print(refused, file=sys.stderr)
    except (OSError, http.client.HTTPException) as lost:
        print(lost, file=sys.stderr)
    time.sleep(1)
`;
}
