import type { Observable } from "rxjs";
import type { Event, Gap, Sluice, SubscribeOptions } from "./sluice.js";

/** A stream as an Observable of its events. */
export function fromStream<Data = any>(sluice: Sluice, stream: string, options?: SubscribeOptions & { onGap?: (gap: Gap) => void }): Observable<Event<Data>>;
