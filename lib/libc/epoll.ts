/**
 * epoll(7): waiting for many descriptors, whose set one thread changes while another one waits.
 *
 * @module
 */
import { runtime } from "../runtime/mod.ts";
import { call } from "./call.ts";
import { Descriptor } from "./descriptor.ts";
import { epolls } from "./symbols.ts";

/** `sys/epoll.h` */
const EPOLL_CLOEXEC = 0o2000000;
const [EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD] = [1, 2, 3];
const EPOLLIN = 0x001;
const EPOLLOUT = 0x004;
const EPOLLONESHOT = 1 << 30;

/** What to wait for. */
export type Readiness = "read" | "write";

/** The id of the descriptor that ends the waiting; those of others are positive. */
export const END_ID = 0;

/** How many events {@link epollWait} takes at once. */
const EVENTS = 64;

/** A set of descriptors to wait for. Each is reported once, and again after {@link Epoll.rearm}. */
export class Epoll implements Disposable {
  readonly #descriptor: Descriptor;

  /** `epoll_create1(2)`. @throws {SystemError} */
  constructor() {
    const { epoll_create1 } = epolls();
    this.#descriptor = new Descriptor(
      call(() => epoll_create1(EPOLL_CLOEXEC), () => "create an epoll set"),
    );
  }

  get descriptor(): number {
    return this.#descriptor.number;
  }

  /**
   * Adds a descriptor.
   * @param id what {@link epollWait} reports, a positive number of at most 32 bits
   * @throws {SystemError} EPERM for a regular file, which is always ready
   */
  add(descriptor: number, id: number, readiness: Readiness): void {
    this.#control(EPOLL_CTL_ADD, descriptor, id, readiness);
  }

  /** Has a descriptor that was reported be reported again. @throws {SystemError} */
  rearm(descriptor: number, id: number, readiness: Readiness): void {
    this.#control(EPOLL_CTL_MOD, descriptor, id, readiness);
  }

  /** Removes a descriptor. @throws {SystemError} */
  remove(descriptor: number): void {
    this.#control(EPOLL_CTL_DEL, descriptor, 0, "read");
  }

  #control(operation: number, descriptor: number, id: number, readiness: Readiness): void {
    const { epoll_ctl } = epolls();
    const event = new Uint8Array(eventLayout().size);
    const view = new DataView(event.buffer);
    view.setUint32(0, (readiness === "read" ? EPOLLIN : EPOLLOUT) | EPOLLONESHOT, true);
    view.setUint32(eventLayout().data, id, true);
    call(
      () => epoll_ctl(this.descriptor, operation, descriptor, event),
      () => `wait for descriptor ${descriptor}`,
    );
  }

  [Symbol.dispose](): void {
    this.#descriptor[Symbol.dispose]();
  }
}

/** `epoll_wait(2)`: the ids of descriptors that are ready, or broken. The thread does nothing else. */
export function epollWait(descriptor: number): number[] {
  const { epoll_wait } = epolls();
  const { size, data } = eventLayout();
  const events = new Uint8Array(EVENTS * size);
  const count = call(
    () => epoll_wait(descriptor, events, EVENTS, -1),
    () => "wait for descriptors",
  );
  const view = new DataView(events.buffer);
  return Array.from({ length: count }, (_, i) => view.getUint32(i * size + data, true));
}

/** `struct epoll_event`: packed on x86-64, and only there. `linux/eventpoll.h` */
function eventLayout(): { size: number; data: number } {
  return runtime.machine === "x86_64" ? { size: 12, data: 4 } : { size: 16, data: 8 };
}
