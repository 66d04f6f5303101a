/**
 * Writing by another thread: aio(7). The C library starts and ends the threads, which need some
 * kilobytes each.
 *
 * @module
 */
import { errnoNumber } from "../runtime/errno.ts";
import { runtime } from "../runtime/mod.ts";
import { call } from "./call.ts";
import { asyncIo } from "./symbols.ts";

/** `struct aiocb` of the GNU C library, and of musl, 64 bits: its size, and the places of its members. */
const AIOCB_SIZE = 168;
const AIO_BUF = 16;
const AIO_NBYTES = 24;
const SIGEV_NOTIFY = 44;
/** What aio_error(3) returns: `__error_code`, in musl `__err`. */
const ERROR_CODE = 112;
/** `bits/sigevent-consts.h` */
const SIGEV_NONE = 1;

/** So many writes are kept before those that have ended are looked for. */
const KEPT = 64;

const EINPROGRESS = errnoNumber("EINPROGRESS")!;

/** A write of one datagram or more, which may wait in the kernel while this thread goes on. */
export class AsyncWrite {
  /** What the other thread uses until the write has ended: it must not be collected before. */
  static readonly #underWay = new Set<AsyncWrite>();
  readonly #control: DataView;

  private constructor(control: DataView) {
    this.#control = control;
  }

  /**
   * `aio_write(3)`. Writes to the same descriptor follow one another.
   * @throws {SystemError} EAGAIN where there is no thread for it
   */
  static start(descriptor: number, data: Uint8Array): AsyncWrite {
    const underWay = AsyncWrite.#underWay;
    const over = underWay.size < KEPT ? [] : [...underWay].filter(({ hasEnded }) => hasEnded);
    // The control block and behind it the data: memory of its own, whose address nothing changes.
    const bytes = new Uint8Array(new ArrayBuffer(AIOCB_SIZE + data.length));
    bytes.set(data, AIOCB_SIZE);
    const control = new DataView(bytes.buffer);
    control.setInt32(0, descriptor, true);
    control.setBigUint64(AIO_BUF, runtime.addressOf(bytes) + BigInt(AIOCB_SIZE), true);
    control.setBigUint64(AIO_NBYTES, BigInt(data.length), true);
    control.setInt32(SIGEV_NOTIFY, SIGEV_NONE, true);
    const { aio_write } = asyncIo();
    call(() => aio_write(bytes), () => "write by another thread");
    const write = new AsyncWrite(control);
    underWay.add(write);
    // Now: the other thread looks once more at what has ended, with a lock that this call has waited for.
    for (const ended of over) underWay.delete(ended);
    return write;
  }

  /** Whether the write has returned. */
  get hasEnded(): boolean {
    return this.errno !== EINPROGRESS;
  }

  /**
   * EINPROGRESS while it is under way, 0 once it has succeeded, else its error. Not by aio_error(3): that
   * waits for a lock of the C library's, whose holder may have to wait for a processor. In a storm of
   * calls that took a seventh of this thread's time.
   */
  get errno(): number {
    return this.#control.getInt32(ERROR_CODE, true);
  }
}
