/**
 * Listens as the first process of a namespace, as a service manager does, executes a client there, and
 * serves it when a server that runs would have been given up. Its arguments: the socket, the words
 * that run the client.
 *
 * @module
 */
import { ACCEPT_TIMEOUT_S, ACCEPTED, GO, SUCCEEDED } from "../../lib/server/protocol.ts";
import { Conversation } from "../support/scripted_server.ts";

const [path, program, ...args] = Deno.args;
if (Deno.pid !== 1) throw new Error("this is not the first process");
using listener = Deno.listen({ transport: "unix", path: path! });
const child = new Deno.Command(program!, { args, stdin: "inherit" }).spawn();
const conversation = new Conversation(await listener.accept());
await new Promise((resolve) => setTimeout(resolve, 1000 * ACCEPT_TIMEOUT_S + 500));
try {
  await conversation.request();
  await conversation.say(ACCEPTED);
  if (await conversation.byte() === GO) await conversation.say(SUCCEEDED);
} finally {
  conversation.close();
  Deno.exit((await child.status).code);
}
