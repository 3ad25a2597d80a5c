// The sessions of the instance: searched, ordered, kicked and drained.

import { Rates, byServer, orders } from "./figures.js";
import { Listing, pageSize } from "./listing.js";
import { Row, who } from "./row.js";
import { $, el } from "../shared/dom.js";
import { confirmed } from "../shared/confirm.js";
import { unanswered } from "../shared/faults.js";
import { put } from "../shared/keyed.js";
import { explained, server } from "../shared/server.js";
import { count, plain } from "../shared/units.js";

// How many streams are offered for the search.
const streamsOffered = 500;

export class Sessions {
  rates = new Rates();
  instance = null;
  instances = new Set();
  several = false;
  says = $("sessions-instance");

  // say(kind, text) shows the outcome of an act. note(parameters) changes the address.
  constructor(parameters, { say, state, note }) {
    Object.assign(this, { say, note });
    $("sessions-principal").value = parameters.get("principal") ?? "";
    $("sessions-stream").value = parameters.get("stream") ?? "";
    this.listing = new Listing($("sessions-part"), {
      state,
      key: (session) => session.session,
      place: (session) => session.session,
      make: (session) => new Row(session, (what, s) => this.act(what, s)),
      ask: (after, signal) => this.ask(after, signal),
      words: {
        one: "session", many: "sessions",
        none: () => ($("sessions-principal").value || $("sessions-stream").value
          ? "No session matches. The names of principals and streams are compared as a whole."
          : "No sessions. They appear here as clients connect."),
      },
    });
    this.listing.sortable(orders, parameters.get("order") ?? "", () => this.keep(), byServer);
    this.search = (event) => {
      event.preventDefault();
      this.keep();
      this.listing.start();
    };
    $("sessions-search").addEventListener("submit", this.search);
    $("sessions-drain").addEventListener("click", () => this.drainAll());
    // A principal of a tenant operates what is its tenant's only.
    $("sessions-drain").hidden = this.ofTenant = Boolean(server.principal.tenant);
    this.offer();
    this.listing.start();
  }

  keep() {
    const wanted = { principal: $("sessions-principal").value, stream: $("sessions-stream").value, order: this.listing.order };
    this.note(Object.fromEntries(Object.entries(wanted).filter(([, value]) => value)));
  }

  async ask(after, signal) {
    const wanted = {
      limit: pageSize, after, order: byServer.get(this.listing.order) ?? "",
      principal: $("sessions-principal").value, stream: $("sessions-stream").value,
    };
    const query = new URLSearchParams(Object.entries(wanted).filter(([, value]) => value !== ""));
    const [answer] = await Promise.all([server.get(`v1/admin/sessions?${query}`, signal), this.identify(signal)]);
    return { items: this.rates.note(answer.sessions, performance.now()), next: answer.next, total: answer.total };
  }

  // identify shows whose sessions these are. Behind a load balancer another instance may
  // answer.
  async identify(signal) {
    if (this.ofTenant) {
      this.says.textContent = "Sessions of your tenant on the instance that answers, not on others.";
      return;
    }
    try {
      const { instance } = await server.get("v1/admin/instance", signal);
      // One that comes back after another has not just been replaced by it.
      if (this.instance !== instance && this.instances.has(instance)) this.several = true;
      this.instance = instance;
      this.instances.add(instance);
      put(this.says, `Sessions of ${this.named()}, not of others.`
        + (this.several ? " The answers come from several instances: open the console at the address of one." : ""));
    } catch {
      if (this.instance === null) this.says.textContent = "Sessions of the instance that answers, not of others.";
    }
  }

  named() {
    return this.instance ? `the instance ${plain(this.instance)}` : "this instance";
  }

  async offer() {
    try {
      const { streams } = await server.get("v1/admin/streams");
      $("sessions-streams").replaceChildren(...streams.slice(0, streamsOffered).map((s) => new Option(s.stream, s.stream)));
    } catch {
      // The names can be typed.
    }
  }

  async act(what, session) {
    const name = who(session);
    const path = `v1/admin/sessions/${encodeURIComponent(session.session)}`;
    const address = `It is a session over ${plain(session.protocol)} from ${plain(session.address)}.`;
    if (what === "kick") {
      const sure = await confirmed({
        title: ["Kick ", el("bdi", {}, name), "?"], act: "Kick", grave: true,
        says: [address, "The session ends now, and the client is told to stop: it does not come back by itself, and what it has not received stays in Kafka.",
          "Its token stays valid, so that the user can connect again. To prevent that, revoke the token."],
      });
      if (sure) this.tell(`Kicked ${name}.`, () => server.request("DELETE", path));
      return;
    }
    const sure = await confirmed({
      title: ["Drain the session of ", el("bdi", {}, name), "?"], act: "Drain",
      says: [address, "The client is told to come back. It connects again by itself, here or to another instance, and goes on where it was: no record is lost."],
    });
    if (sure) this.tell(`Drained ${name}. The client comes back by itself.`, () => server.request("POST", `${path}/drain`));
  }

  async drainAll() {
    const instance = this.named();
    const sure = await confirmed({
      title: `Drain all sessions of ${instance}?`, act: "Drain all", grave: true,
      says: ["Every client is told to come back, at times that are spread over a while. Clients connect again by themselves, "
        + "to any instance that a load balancer chooses, this one too, and go on where they were: no record is lost.",
        "The instance itself does not stop, and accepts new sessions."],
    });
    if (!sure) return;
    this.tell((answer) => (typeof answer.sessions === "number" ? `${count(answer.sessions)} sessions of ${instance} are told to come back.` : `The sessions of ${instance} are told to come back.`),
      () => server.request("POST", "v1/admin/drain"));
  }

  // tell does something and says how it went.
  async tell(done, request) {
    this.say("", "Asking the server");
    try {
      const answer = await request();
      this.say("good", typeof done === "string" ? done : done(answer));
    } catch (error) {
      this.say("bad", unanswered(error) ? "No answer. Whether it was done is not known." : explained(error));
    }
    this.listing.refresh();
  }

  close() {
    this.listing.close();
  }
}
