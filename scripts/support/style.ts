/** Whether output is coloured: on a terminal, where NO_COLOR is not set. */
const colourful = Deno.stdout.isTerminal() && !Deno.env.get("NO_COLOR");

const style = (code: number) => (text: string): string =>
  colourful ? `\x1b[${code}m${text}\x1b[0m` : text;

export const bold = style(1);
export const dim = style(2);
export const red = style(31);
export const green = style(32);
export const yellow = style(33);
export const cyan = style(36);
