/**
 * Runs `work` with a directory beside the results, so that they can be renamed into place, and
 * removes it afterwards, whatever happened: an error, Ctrl-C, a SIGTERM.
 */
export async function withStaging<T>(
  output: string,
  work: (directory: string) => Promise<T>,
): Promise<T> {
  Deno.mkdirSync(output, { recursive: true });
  const directory = Deno.makeTempDirSync({ dir: output, prefix: ".build-" });
  const remove = () => Deno.removeSync(directory, { recursive: true });
  const stop = () => {
    remove();
    Deno.exit(130);
  };
  const signals: Deno.Signal[] = ["SIGINT", "SIGTERM"];
  for (const signal of signals) Deno.addSignalListener(signal, stop);
  try {
    return await work(directory);
  } finally {
    for (const signal of signals) Deno.removeSignalListener(signal, stop);
    remove();
  }
}
