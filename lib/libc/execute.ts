import { cString } from "../runtime/c_string.ts";
import { runtime } from "../runtime/mod.ts";
import { call } from "./call.ts";
import { descriptors, executions } from "./symbols.ts";
import { SystemError } from "./system_error.ts";

/** `asm-generic/ioctls.h`: not to be closed by executing. */
const FIONCLEX = 0x5450;

/**
 * `execve(2)`: this process becomes another program. Its other threads end.
 * @param inherited descriptors that the program has, by the numbers that it has them under; others
 *   it has only where they are not closed by executing
 * @throws {SystemError}
 */
export function execute(
  path: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  inherited: Readonly<Record<number, number>> = {},
): never {
  const { execve, dup2 } = executions();
  for (const [number, descriptor] of Object.entries(inherited)) {
    const what = () => `pass descriptor ${descriptor} on as ${number}`;
    // A copy is not closed by executing; what is in its place already must not be either.
    if (Number(number) !== descriptor) call(() => dup2(descriptor, Number(number)), what);
    else call(() => descriptors().ioctl(descriptor, FIONCLEX, null), what);
  }
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  const [name, argv, envp] = [cString(path), vector(args), vector(variables)];
  execve(name, argv.pointers, envp.pointers);
  throw new SystemError(`execute ${path}`, runtime.errno());
}

/** An array of addresses of texts, and a null behind them. The texts must stay in use. */
function vector(
  texts: readonly string[],
): { pointers: BigUint64Array<ArrayBuffer>; texts: unknown } {
  const strings = texts.map(cString);
  return {
    pointers: BigUint64Array.from([...strings.map((text) => runtime.addressOf(text)), 0n]),
    texts: strings,
  };
}
