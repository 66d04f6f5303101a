/**
 * `deno task test:install`: see {@link USAGE}.
 *
 * @module
 */
import { runLongTests } from "./support/long_tests.ts";

const USAGE =
  `Tests what takes long of installing and releasing: installations that are killed, the image,
and the files of a release.

usage: deno task test:install [OPTION…]

  --all          installations are killed at each step, not at one in eight
  --filter TEXT  only tests with TEXT in their name
  --help         this text
`;

await runLongTests({
  usage: USAGE,
  files: ["install/killed", "install/image", "install/release"],
  options: ["filter"],
});
