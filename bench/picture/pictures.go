package main

// picture is a page of sluice dev, and when it shows what it is for.
type picture struct {
	name          string // of the file, without .png
	path          string
	width, height int // 1280 and 800 if zero
	dark          bool
	// steps are expressions that each do something, once they can, and are true then.
	steps []string
	ready string // an expression that is true once the picture can be taken
}

// isAlive is true once the console shows a stream that has been live for most of a
// minute, so that the chart is full.
const isAlive = `document.getElementById("state").dataset.state === "live" &&
	document.querySelectorAll(".row").length > 10 &&
	[...document.querySelectorAll(".chart rect")].filter((bar) => bar.getAttribute("height") > 0).length > 50`

// named is true once the page names the instance as an operator could, and not after this
// machine.
const named = `(facts => { facts.textContent = facts.textContent.replace(/^Instance \S+/, "Instance sluice-1"); return facts.textContent.startsWith("Instance sluice-1"); })(document.getElementById("health-instance"))`

// pictures are those in README.md and the documents.
var pictures = []picture{
	{name: "console", path: "/#live?stream=market.ticks&from=-1m", ready: isAlive},
	{
		name: "console-streams", path: "/#live?stream=iot.telemetry&stream=flights.positions&from=-1m", dark: true,
		ready: `document.querySelectorAll(".row").length > 20 && performance.now() > 20000`,
	},
	{
		name: "console-publish", path: "/#publish?stream=iot.telemetry",
		steps: []string{
			`document.querySelectorAll("#publish-form input").length > 5`,
			`(data => { data.value = '{"seq": 1.5, "temp_c": 21.50, "position": {"lat": 91, "lon": 7}}'; return data.dispatchEvent(new Event("input", {bubbles: true})); })(document.getElementById("publish-data"))`,
			`document.getElementById("publish").requestSubmit() ?? true`,
		},
		ready: `document.querySelectorAll("#publish-form [aria-invalid=true]").length > 1`,
	},
	{
		name: "console-connect", path: "/#connect", height: 1500,
		steps: []string{
			`(document.getElementById("mint-subscribe")?.checkVisibility() ?? false)`,
			`(field => { field.value = "market.* chat.lobby"; return true; })(document.getElementById("mint-subscribe"))`,
			`document.getElementById("connect-mint-form").requestSubmit() ?? true`,
			`document.getElementById("connect-expiry")?.textContent.startsWith("in ") && [...(document.getElementById("trial-stream")?.options ?? [])].some((o) => o.value === "market.ticks")`,
			`(document.getElementById("trial-stream").value = "market.ticks") !== ""`,
			`document.getElementById("trial").requestSubmit() ?? true`,
			`document.getElementById("trial-state").textContent.includes("live") && document.querySelectorAll(".frame.in").length > 12`,
			`document.getElementById("trial-drop").click() ?? true`,
		},
		ready: `/^Resumed after/.test(document.querySelector(".verdict")?.textContent ?? "")`,
	},
	{
		name: "console-health", path: "/#health", dark: true,
		steps: []string{
			// Something has to happen that can be drawn.
			`["market.ticks", "iot.telemetry", "wiki.edits"].every((name) => new EventSource("v1/streams/" + name + "/events"))`,
			`setInterval(() => fetch("v1/streams/chat.lobby/records", {method: "POST", headers: {"content-type": "application/json"}, body: '{"data":{"text":"hello"}}'}), 250) > 0`,
			`performance.now() > 90000`,
		},
		ready: named,
	},
	{name: "example-flights", path: "/examples/flights", dark: true, ready: `performance.now() > 20000`},
}
