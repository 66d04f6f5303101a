/**
 * epoll(7): waiting for many descriptors, whose set one thread changes while another one may wait.
 *
 * @module
 */
import { errnoNumber } from "../runtime/errno.ts";
import { runtime } from "../runtime/mod.ts";
import { call } from "./call.ts";
import { Descriptor } from "./descriptor.ts";
import { epolls } from "./symbols.ts";
import { SystemError } from "./system_error.ts";

/** `sys/epoll.h` */
const EPOLL_CLOEXEC = 0o2000000;
const [EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD] = [1, 2, 3];
const EPOLLIN = 0x001;
const EPOLLOUT = 0x004;
const EPOLLONESHOT = 1 << 30;

/** What to wait for. */
export type Readiness = "read" | "write";
const EVENTS_OF = { read: EPOLLIN, write: EPOLLOUT } as const;

/** How many events are taken at once. */
const EVENTS = 64;

const EINTR = errnoNumber("EINTR");

/** A set of descriptors to wait for. One that is ready is reported by every {@link Epoll.wait}. */
export class Epoll implements Disposable {
  readonly #descriptor: Descriptor;
  /** For every change and every wait: memory of their own takes longer than they do. */
  readonly #event = new EventList(1);
  readonly #events = new EventList(EVENTS);

  /** `epoll_create1(2)`. @throws {SystemError} */
  constructor() {
    const { epoll_create1 } = epolls();
    this.#descriptor = new Descriptor(
      call(() => epoll_create1(EPOLL_CLOEXEC), () => "create an epoll set"),
    );
  }

  /** The set itself can be waited for: it can be read when one of its descriptors is ready. */
  get descriptor(): number {
    return this.#descriptor.number;
  }

  /**
   * Adds a descriptor.
   * @param id what {@link Epoll.wait} reports, a number of at most 32 bits
   * @throws {SystemError} EPERM for a regular file, which is always ready
   */
  add(descriptor: number, id: number, readiness: Readiness): void {
    this.#control(EPOLL_CTL_ADD, descriptor, id, EVENTS_OF[readiness]);
  }

  /** Changes a descriptor of the set: it is reported once, and no more. @throws {SystemError} */
  reportOnce(descriptor: number, id: number): void {
    this.#control(EPOLL_CTL_MOD, descriptor, id, EPOLLIN | EPOLLONESHOT);
  }

  /** Changes a descriptor of the set: it is not reported. @throws {SystemError} */
  mute(descriptor: number, id: number): void {
    this.#control(EPOLL_CTL_MOD, descriptor, id, EPOLLONESHOT);
  }

  /** Removes a descriptor. @throws {SystemError} */
  remove(descriptor: number): void {
    this.#control(EPOLL_CTL_DEL, descriptor, 0, 0);
  }

  /** Waits as {@link epollWait} does. */
  wait(ms: number): number[] {
    return waitInto(this.#events, this.descriptor, ms);
  }

  #control(operation: number, descriptor: number, id: number, events: number): void {
    const { epoll_ctl } = epolls();
    this.#event.set(events, id);
    call(
      () => epoll_ctl(this.descriptor, operation, descriptor, this.#event.bytes),
      () => `wait for descriptor ${descriptor}`,
    );
  }

  [Symbol.dispose](): void {
    this.#descriptor[Symbol.dispose]();
  }
}

/**
 * `epoll_wait(2)`: the ids of descriptors that are ready, or broken. The thread does nothing else.
 * @param ms how long to wait; 0 takes what is ready, and -1 waits for ever
 * @returns an empty list when the time is over, or a signal came before
 */
export function epollWait(descriptor: number, ms: number): number[] {
  return waitInto(new EventList(EVENTS), descriptor, ms);
}

function waitInto(events: EventList, descriptor: number, ms: number): number[] {
  const { epoll_wait } = epolls();
  const count = epoll_wait(descriptor, events.bytes, EVENTS, ms);
  if (count >= 0) return events.ids(count);
  const errno = runtime.errno();
  if (errno === EINTR) return [];
  throw new SystemError("wait for descriptors", errno);
}

/** An array of `struct epoll_event`: packed on x86-64, and only there. `linux/eventpoll.h` */
class EventList {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  /** The size of an event, and the place of what belongs to the user. */
  readonly #layout = runtime.machine === "x86_64" ? { size: 12, data: 4 } : { size: 16, data: 8 };

  constructor(count: number) {
    this.bytes = new Uint8Array(new ArrayBuffer(count * this.#layout.size));
    this.#view = new DataView(this.bytes.buffer);
  }

  /** Sets the first event. */
  set(events: number, id: number): void {
    this.#view.setUint32(0, events, true);
    this.#view.setUint32(this.#layout.data, id, true);
  }

  /** The ids of the first `count` events. */
  ids(count: number): number[] {
    const { size, data } = this.#layout;
    const ids: number[] = [];
    for (let i = 0; i < count; i++) ids.push(this.#view.getUint32(i * size + data, true));
    return ids;
  }
}
