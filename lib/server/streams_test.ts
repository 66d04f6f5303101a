import { assertEquals } from "@std/assert";
import { Descriptor, O_NOCTTY, O_NONBLOCK, O_RDWR } from "../libc/descriptor.ts";
import { Poller } from "../libc/poller.ts";
import { descriptors, transfers } from "../libc/symbols.ts";
import { sleep } from "../runtime/sleep.ts";
import { PassedStreams } from "./streams.ts";

/** `asm-generic/ioctls.h` */
const TIOCGPTN = 0x80045430;
const TIOCSPTLCK = 0x40045431;

/** Opens a pseudoterminal: pty(7). Reading from the emulator's end does not block. */
function openTerminal(): { emulator: Descriptor; terminal: Descriptor } {
  const emulator = Descriptor.open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
  const { ioctl } = descriptors();
  const number = new Uint8Array(4);
  ioctl(emulator.number, TIOCSPTLCK, new Uint8Array(4));
  ioctl(emulator.number, TIOCGPTN, number);
  const path = `/dev/pts/${new DataView(number.buffer).getUint32(0, true)}`;
  return { emulator, terminal: Descriptor.open(path, O_RDWR | O_NOCTTY) };
}

Deno.test("a terminal that nobody reads from stops no thread, and gets everything once one does", async () => {
  const { emulator, terminal } = openTerminal();
  using _emulator = emulator;
  using poller = new Poller();
  const nothing = () => Descriptor.open("/dev/null", O_RDWR);
  using streams = new PassedStreams([nothing(), terminal, nothing()], poller);
  const text = "x".repeat(100_000) + "\n";
  let isWritten = false;
  const written = streams.write(1, text).then(() => isWritten = true);
  await sleep(100);
  assertEquals(isWritten, false);

  const { read } = transfers();
  const buffer = new Uint8Array(65536);
  let got = "";
  while (!got.endsWith("\n")) {
    const count = Number(read(emulator.number, buffer, buffer.length));
    if (count > 0) got += new TextDecoder().decode(buffer.subarray(0, count));
    else await sleep(1);
  }
  await written;
  assertEquals(got.length, text.length + 1);
  assertEquals(got, text.replace("\n", "\r\n"));
});
